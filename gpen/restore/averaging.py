"""A crop averaged with the crops of the same face in the frames around it, so that noise does not become flicker."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..image.warp import Matrix, Pixels

# Patches are compared, not pixels: the mean difference of a patch says whether more than the noise has changed.
PATCHES_ACROSS = 24
# Differences up to so many times the noise's are noise, and beyond the second they are movement; in between it fades.
NOISE_ENDS, MOVEMENT_BEGINS = 2.0, 4.0
# Mean squares of the difference of two frames: rounding to 8 bits, and noise with σ = 0.1, which is a ruined frame.
LEAST_NOISE, MOST_NOISE = 1 / 255**2 / 6, 2 * 0.1**2
# Crops are registered at this side, smoothed by one pixel. At 64 the frame-to-frame change of a shaken, noisy clip is
# a third larger; at 96 about the same in three quarters of the time.
REGISTERED_AT = 128
ITERATIONS, ACCURACY = 12, 1e-4
# The face in its crop, half axes as parts of the crop: hair and background move otherwise.
FACE_OVAL = (0.34, 0.42)
# A face that is aligned lies within this part of the crop of where it lay in another frame, within this change of
# scale or turn: what goes further has been registered to something else.
MOST_MOVED, MOST_TURNED = 0.12, 0.15


def window(frames: Sequence[int], frame: int, neighbours: int) -> list[int]:
    """Which of a track's frames, in rising order, help one of them: as many before as after it, it left out.

    At the ends of a track, where there are too few on one side, more of the other side make up for them; none is
    further away than twice `neighbours`.
    """
    at = bisect_left(frames, frame)
    first = max(0, min(at - neighbours, len(frames) - 1 - 2 * neighbours))
    return [other for other in frames[first : first + 2 * neighbours + 1] if 0 < abs(other - frame) <= 2 * neighbours]


def averaged(crop: Tensor, neighbours: list[Tensor]) -> Tensor:
    """The mean of a crop (S, S, C) and its neighbours in time, at each place of those alone in which nothing moved.

    The neighbours are laid onto the crop first, since landmarks that tremble cut them out beside each other. A mouth
    that opens is not smeared: there the crop stays as it is. What follows the first three channels stays as well.
    """
    if not neighbours:
        return crop
    here = np.ascontiguousarray(crop[..., :3].numpy())
    small = _small(here)
    laid = [_laid_onto(small, np.ascontiguousarray(other[..., :3].numpy())) for other in neighbours]
    differences = [_difference(here, other) for other in laid]
    # The calmest quarter of the calmest neighbour holds noise alone: most of a face does not move between two frames.
    noise = float(np.clip(min(np.quantile(difference, 0.25) for difference in differences), LEAST_NOISE, MOST_NOISE))
    total, weights = here.copy(), np.ones(here.shape[:2], np.float32)
    for other, difference in zip(laid, differences, strict=True):
        weight = ((MOVEMENT_BEGINS - difference / noise) / (MOVEMENT_BEGINS - NOISE_ENDS)).clip(0, 1)
        total += weight[..., None] * other
        weights += weight
    mean = torch.from_numpy((total / weights[..., None]).clip(0, 1))
    return torch.cat([mean, crop[..., 3:]], dim=2)


def _small(crop: Pixels) -> Pixels:
    """The luminance of a crop (S, S, 3), smaller and smoother, as it is registered."""
    size = (REGISTERED_AT, REGISTERED_AT)
    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1), np.float32)


def _laid_onto(small: Pixels, other: Pixels) -> Pixels:
    """Another crop (S, S, 3) as if its face lay where it lies in the crop that `small` was made of."""
    matrix = _registered(small, _small(other), len(other) / REGISTERED_AT)
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(other, matrix, other.shape[1::-1], flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(laid, np.float32)


def _registered(small: Pixels, other: Pixels, scale: float) -> Matrix:
    """Where in another crop what is seen in this one lies, in pixels of crops `scale` times as large.

    Both (S, S), as `_small` makes them. Evangelidis and Psarakis, "Parametric image alignment using enhanced
    correlation coefficient maximization" (2008), which does not mind that the light changes. Where it finds nothing
    near, the crops are left as they were cut.
    """
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, ITERATIONS, ACCURACY)
    try:
        start = np.eye(2, 3, dtype=np.float32)
        found = cv2.findTransformECC(small, other, start, cv2.MOTION_AFFINE, criteria, _face_oval(), 1)[1]
    except cv2.error:  # the two have nothing in common, or one is of one colour
        return np.eye(2, 3)
    linear, moved = np.asarray(found[:, :2], np.float64), np.asarray(found[:, 2], np.float64)
    middle = (REGISTERED_AT - 1) / 2
    middle_moved = linear @ [middle, middle] + moved - middle
    near = np.abs(middle_moved).max() <= MOST_MOVED * REGISTERED_AT and np.abs(linear - np.eye(2)).max() <= MOST_TURNED
    if not near:
        return np.eye(2, 3)
    # Pixel centres are at whole numbers, so pixel 0 of the small crop lies at this pixel of the large one.
    first = (scale - 1) / 2
    return np.column_stack([linear, scale * moved + first - linear @ [first, first]])


@cache
def _face_oval() -> npt.NDArray[np.uint8]:
    """(S, S): 255 where the face is in a crop that is registered."""
    oval = np.zeros((REGISTERED_AT, REGISTERED_AT), np.uint8)
    axes = tuple(round(axis * REGISTERED_AT) for axis in FACE_OVAL)
    cv2.ellipse(oval, (REGISTERED_AT // 2, REGISTERED_AT // 2), axes, 0, 0, 360, 255, cv2.FILLED)
    return oval


def _difference(a: Pixels, b: Pixels) -> Pixels:
    """Mean squared difference of the patches around each pixel."""
    patch = max(3, len(a) // PATCHES_ACROSS) | 1
    squares = np.square(a - b).mean(axis=2)
    return np.asarray(cv2.blur(squares, (patch, patch), borderType=cv2.BORDER_REFLECT), np.float32)
