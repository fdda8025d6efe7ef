"""Taking noise and the blocks of compression out of a plane of luminance, and leaving the drawing in it.

Each square of 8×8 pixels is a sum of waves, of which the drawing needs few and noise needs all: what is weak in a wave
is noise. Every pixel lies in sixteen such squares, whose answers are averaged, so that no blocks are seen.
Yaroslavsky, Egiazarian and Astola, "Transform domain image restoration methods" (2001); for JPEG, Nosratinia (2001).
"""

from functools import cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .warp import Plane

SIDE = 8
"""Of a square, in pixels: what is made of a pixel depends on those nearer than this."""
STEP = 2
"""From one square to the next, in pixels."""
# How much more than of the middling waves is asked of the finest, and how much less of the coarsest.
SLOPE = 0.4


def without_noise(plane: Plane, weak: float) -> Plane:
    """A plane (H, W) without what is weaker than `weak` in a wave, and with ever more of what is stronger.

    `weak` is the amplitude in 0..1 of a wave of unit energy: about twice the deviation of the noise.
    """
    height, width = plane.shape
    down, across = SIDE + -height % STEP, SIDE + -width % STEP
    padded = cv2.copyMakeBorder(plane, SIDE, down, SIDE, across, cv2.BORDER_REPLICATE)
    waves = F.conv2d(torch.from_numpy(padded)[None, None], _waves(), stride=STEP)
    share = (1 - (weak * _doubt()) ** 2 / waves.square().clamp(min=1e-12)).clamp_(min=0)
    share[:, 0] = 1  # the mean of the square
    # Where little is left there was little but noise, and that answer is the surer one.
    surely = 1 / share.square().sum(dim=1, keepdim=True)
    total = F.conv_transpose2d(waves.mul_(share).mul_(surely), _waves(), stride=STEP)
    weight = F.conv_transpose2d(surely, torch.ones(1, 1, SIDE, SIDE), stride=STEP)
    mean = total.div_(weight)[0, 0, SIDE : SIDE + height, SIDE : SIDE + width]
    return np.ascontiguousarray(mean.numpy())


@cache
def _doubt() -> Tensor:
    """(64, 1, 1): how much more is asked of each wave; of fine ones more, as drawings have less of them."""
    places = np.arange(SIDE)
    fineness = np.add.outer(places, places) / (2 * (SIDE - 1))
    return torch.from_numpy((1 + SLOPE * (2 * fineness - 1)).astype(np.float32).reshape(-1, 1, 1))


@cache
def _waves() -> Tensor:
    """(64, 1, 8, 8): those of the discrete cosine transform, each of energy 1; the first is flat."""
    places = np.arange(SIDE)
    rows = np.cos((2 * places + 1) * places[:, None] * np.pi / (2 * SIDE)) * np.sqrt(2 / SIDE)
    rows[0] /= np.sqrt(2)
    waves = np.einsum("ui,vj->uvij", rows, rows).reshape(SIDE * SIDE, 1, SIDE, SIDE)
    return torch.from_numpy(waves.astype(np.float32))
