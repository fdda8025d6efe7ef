"""A crop averaged with the crops of the same face in the frames around it, so that noise does not become flicker."""

import cv2
import numpy as np
import torch
from torch import Tensor

from ..image.warp import Pixels

# Patches are compared, not pixels: the mean difference of a patch says whether more than the noise has changed.
PATCHES_ACROSS = 24
# Differences up to so many times the noise's are noise, and beyond the second they are movement; in between it fades.
NOISE_ENDS, MOVEMENT_BEGINS = 2.0, 4.0
# Mean squares of the difference of two frames: rounding to 8 bits, and noise with σ = 0.1, which is a ruined frame.
LEAST_NOISE, MOST_NOISE = 1 / 255**2 / 6, 2 * 0.1**2


def averaged(crop: Tensor, neighbours: list[Tensor]) -> Tensor:
    """The mean of a crop (S, S, 3) and its neighbours in time, at each place of those alone in which nothing moved.

    A mouth that opens is therefore not smeared: there the crop stays as it is.
    """
    if not neighbours:
        return crop
    here = crop.numpy()
    differences = [_difference(here, other.numpy()) for other in neighbours]
    # The calmest quarter of the calmest neighbour holds noise alone: most of a face does not move between two frames.
    noise = float(np.clip(min(np.quantile(difference, 0.25) for difference in differences), LEAST_NOISE, MOST_NOISE))
    total, weights = here.copy(), np.ones(here.shape[:2], np.float32)
    for other, difference in zip(neighbours, differences, strict=True):
        weight = ((MOVEMENT_BEGINS - difference / noise) / (MOVEMENT_BEGINS - NOISE_ENDS)).clip(0, 1)
        total += weight[..., None] * other.numpy()
        weights += weight
    return torch.from_numpy(total / weights[..., None])


def _difference(a: Pixels, b: Pixels) -> Pixels:
    """Mean squared difference of the patches around each pixel."""
    patch = max(3, len(a) // PATCHES_ACROSS) | 1
    squares = np.square(a - b).mean(axis=2)
    return np.asarray(cv2.blur(squares, (patch, patch), borderType=cv2.BORDER_REFLECT), np.float32)
