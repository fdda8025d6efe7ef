"""Grain, so that a restored face does not look cleaner than the picture around it."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from .noise import flat_level
from .warp import Plane

SIGMAS = (1.0, 2.0, 4.0)
"""Noise is measured and made in octaves: that of film, of a scaled picture or of a compressed one is not white."""
BLOCKS = (8, 16, 32)
"""In pixels: an octave is measured in blocks that hold several of its waves."""
# One grey level: what is weaker on a clean face is pores.
UNSEEN = 1 / 255


def grain_levels(plane: Plane) -> list[float]:
    """The deviation of the noise of a picture (H, W) in each octave, from its flattest parts."""
    return [flat_level(band, block) for band, block in zip(_octaves(plane), BLOCKS, strict=True)]


def missing_grain(wanted: Sequence[float], there: Sequence[float]) -> list[float]:
    """The levels of the noise that brings one picture's noise to another's; 0 where nobody would see it missing."""
    return [float(np.sqrt(max(0.0, a**2 - b**2 - UNSEEN**2))) for a, b in zip(wanted, there, strict=True)]


def grain(height: int, width: int, levels: Sequence[float], seed: Sequence[int]) -> Plane:
    """Noise (H, W) of these levels; the same for the same seed."""
    white = np.random.default_rng(seed).standard_normal((height, width), np.float32)
    result = np.zeros((height, width), np.float32)
    for band, block, level in zip(_octaves(white), BLOCKS, levels, strict=True):
        result += band * (level / max(flat_level(band, block), 1e-9))
    return result


def _octaves(plane: Plane) -> list[Plane]:
    smooth = [plane, *(np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32) for sigma in SIGMAS)]
    return [finer - coarser for finer, coarser in pairwise(smooth)]
