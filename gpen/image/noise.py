"""What tells noise and the blocks of compression from a picture: measures of a plane of luminance."""

import cv2
import numpy as np

from .warp import Plane

BLOCK = 8
# Noise is what even the flattest blocks have. A sharp face has texture nearly everywhere: its flattest third is pores.
FLATTEST = 0.05
# Blocks of 8×8 of white noise of deviation 1, seen through `_SECOND_DIFFERENCES`: the deviation of their flattest.
_FLATTEST_OF_WHITE = 0.746
_SECOND_DIFFERENCES = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6


def flat_level(band: Plane, block: int = BLOCK, part: float = FLATTEST) -> float:
    """The deviation that even the flattest blocks of a high-pass band (H, W) have, that part of them."""
    height, width = (side // block * block for side in band.shape)
    if not height or not width:
        return float(band.std())
    blocks = band[:height, :width].reshape(height // block, block, width // block, block)
    return float(np.quantile(np.sqrt(np.square(blocks).mean(axis=(1, 3))), part))


def noise_level(plane: Plane) -> float:
    """Deviation of white noise in a picture (H, W)."""
    return flat_level(noise_band(plane)) / _FLATTEST_OF_WHITE


def noise_band(plane: Plane) -> Plane:
    """A picture (H, W) through a filter that straight edges and shading do not excite, and white noise passes.

    Immerkær, "Fast noise variance estimation" (1996).
    """
    return np.asarray(cv2.filter2D(plane, -1, _SECOND_DIFFERENCES), np.float32)


def blockiness(plane: Plane) -> float:
    """How much larger steps are between the 8×8 blocks of a JPEG than within them, from 1 (no blocks seen)."""
    return max(1.0, float(np.mean([across / max(within, 1e-6) for across, within in _steps(plane)] or [1.0])))


def compression_level(plane: Plane) -> float:
    """Deviation of what compression did to a picture (H, W), by the steps between its blocks of 8×8 pixels.

    Two errors that know nothing of each other add the variance of both to a step; the mean size of a normal number is
    √(2/π) of its deviation.
    """
    excess = [max(0.0, across**2 - within**2) * np.pi / 4 for across, within in _steps(plane)]
    return float(np.sqrt(np.mean(excess or [0.0])))


def _steps(plane: Plane) -> list[tuple[float, float]]:
    """Down and across: the mean size of steps between the blocks that are most seen, and of all others."""
    if min(plane.shape) < 4 * BLOCK:
        return []
    found: list[tuple[float, float]] = []
    for axis in (0, 1):
        steps = np.abs(np.diff(plane, axis=axis)).mean(axis=1 - axis)
        phases = [float(steps[phase::BLOCK].mean()) for phase in range(BLOCK)]
        found.append((max(phases), float(np.median(phases))))
    return found
