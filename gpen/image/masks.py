"""What of a restored crop is pasted: soft masks in the space of the crop.

A mask is a function: a face with its restored crop (S, S, 3) → (S, S) float32 in 0..1, 0 along the edge of the crop.
"""

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import SettingError
from ..faces.alignment import template
from ..faces.face import Face

Shape = npt.NDArray[np.float32]
"""(SHAPE_SIDE, SHAPE_SIDE) of 0 and 1, or (S, S) in 0..1 once softened"""
Mask = Callable[[Face], Shape]

# Official code draws and softens masks at this size, whatever the size of the crop.
SHAPE_SIDE = 512
BORDER = 26
SIGMA = 4.0
KERNEL = (101, 101)

# The oval, in distances between the line of the eyes and that of the mouth of the mean face. Chosen by eye on portraits
# and groups: its edge runs through the hair, where nobody sees it. A tighter one leaves a soft forehead over sharp
# eyes, a wider one takes a rim of the background along, and a lower one would be cut off by the edge of the crop.
OVAL_CENTER_BELOW_EYES = 0.29
OVAL_HALF_WIDTH = 1.15
OVAL_HALF_HEIGHT = 1.54
OVAL_SIGMA = 8.5


def oval(face: Face) -> Shape:
    """The face from the front of the hair to the chin, with little of the background; the default.

    It hides best that a square was replaced. It is the same for every face, because crops are aligned.
    """
    return _oval(_side(face))


def box(face: Face) -> Shape:
    """Nearly all of the crop: what official code pastes where its parser takes every pixel for face."""
    return _box(_side(face))


_MASKS: dict[str, Mask] = {"oval": oval, "box": box}
MASKS = tuple(_MASKS)
"""Names of the masks, the default first."""


def mask_named(name: str) -> Mask:
    """The mask of that name. Raises `SettingError` where there is none."""
    if name not in _MASKS:
        raise SettingError.unknown("mask", name, MASKS)
    return _MASKS[name]


def softened(shape: Shape, size: int, sigma: float = SIGMA) -> Shape:
    """A shape with hard edges → (size, size), blurred twice by `sigma` pixels of the shape, 0 along its edge."""
    shape = shape.copy()
    shape[:BORDER] = shape[-BORDER:] = shape[:, :BORDER] = shape[:, -BORDER:] = 0
    # The kernel is much wider than σ, and that counts: where two faces overlap, the tails of the Gaussian decide
    # which of them is deeper inside its mask.
    for _ in range(2):
        shape = np.asarray(cv2.GaussianBlur(shape, KERNEL, sigma), np.float32)
    return np.asarray(cv2.resize(shape, (size, size)), np.float32).clip(0, 1)


@lru_cache(maxsize=4)
def _box(size: int) -> Shape:
    return _shared(softened(np.ones((SHAPE_SIDE, SHAPE_SIDE), np.float32), size))


@lru_cache(maxsize=4)
def _oval(size: int) -> Shape:
    left_eye, right_eye, _, left_mouth, right_mouth = template(SHAPE_SIDE)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    length = mouth[1] - eyes[1]
    y, x = np.mgrid[:SHAPE_SIDE, :SHAPE_SIDE]
    across = (x - eyes[0]) / (OVAL_HALF_WIDTH * length)
    down = (y - eyes[1] - OVAL_CENTER_BELOW_EYES * length) / (OVAL_HALF_HEIGHT * length)
    shape = across**2 + down**2 <= 1
    return _shared(softened(shape.astype(np.float32), size, OVAL_SIGMA))


def _side(face: Face) -> int:
    assert face.restored is not None
    return len(face.restored)


def _shared(mask: Shape) -> Shape:
    mask.setflags(write=False)
    return mask
