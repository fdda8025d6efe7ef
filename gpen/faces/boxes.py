"""Boxes that come from elsewhere: ComfyUI's BOUNDING_BOX, and how far two boxes are one."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import SettingError
from .face import Box, Face

FURTHEST = 4.0
"""How far from its picture's corner a place may lie, in sides of the picture: beyond, it is a slip, or of another
picture, and cutting out so much would take for ever."""
MOST_FACES = 1000
"""In one picture: each is looked at by the detector."""
MOST_PIXELS = 1e6
"""Of a picture's side."""

# Two boxes show one face where they share more than this of what both cover,
SAME_FACE = 0.4
# where one lies in the other but for a part: a part of a face taken for a face,
INSIDE = 0.75
# or where they share more than this of the smaller one, and its landmarks are those of the other but for this part of
# its width. Of two heads, one before the other, the landmarks are half a face apart.
SHARED = 0.3
SAME_LANDMARKS = 0.35


class GivenBox(NamedTuple):
    """A box that somebody else found."""

    box: Box
    score: float
    """0..1; 1 where nothing was said"""


def read_boxes(boxes: object, frames: int, width: int, height: int) -> list[list[GivenBox]]:
    """The boxes of each picture of a batch.

    Args:
        boxes: a dict {x, y, width, height} in pixels, perhaps with a `score`; a list of them; or a list of lists, one
            list for each picture. What is not a list of lists holds for every picture.
        frames: how many pictures there are.
        width: of the pictures, in pixels, as their height.
        height: see `width`.

    Raises `SettingError` for anything else, where the lists are not as many as the pictures, and for boxes that are
    much larger than their picture or lie far outside of it.
    """
    if isinstance(boxes, Mapping):
        boxes = [boxes]
    if not isinstance(boxes, Sequence) or isinstance(boxes, (str, bytes)):
        raise SettingError(f"expected boxes as {{x, y, width, height}} or lists of them, got {shown(boxes)}")
    if not any(_is_list(item) for item in boxes):
        return [_read_frame(boxes, width, height)] * frames
    if len(boxes) == 1:
        boxes = list(boxes) * frames
    if len(boxes) != frames:
        raise SettingError(f"the boxes are of {len(boxes)} pictures, and the batch has {frames}")
    return [
        _read_frame(
            [of_frame] if isinstance(of_frame, Mapping) else of_frame if _is_list(of_frame) else (), width, height
        )
        for of_frame in boxes
    ]


def _is_list(item: object) -> bool:
    return isinstance(item, Sequence) and not isinstance(item, (str, bytes))


def _read_frame(boxes: Sequence[object], width: int, height: int) -> list[GivenBox]:
    if len(boxes) > MOST_FACES:
        raise SettingError(f"{len(boxes):,} boxes are given for one picture; expected {MOST_FACES:,} at most")
    return [_read_box(item, width, height) for item in boxes]


def _read_box(item: object, width: int, height: int) -> GivenBox:
    try:
        left, top, box_width, box_height = (number(item[key]) for key in ("x", "y", "width", "height"))  # type: ignore[index]
        score = item.get("score")  # type: ignore[union-attr]
        score = 1.0 if score is None else number(score)
    except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
        raise SettingError(f"expected a box as {{x, y, width, height}} in pixels, got {shown(item)}") from error
    box = (left, top, left + box_width, top + box_height)
    if is_far(box, width, height):
        raise SettingError(
            f"the box {shown(item)} is much larger than its picture of {width}×{height} pixels, or lies far outside of "
            "it; boxes are in pixels of the picture that they are given with, so give those of this picture"
        )
    return GivenBox(box, min(max(score, 0.0), 1.0))


def number(value: Any) -> float:
    """A number that another node handed in. Raises `ValueError` or `TypeError` where it is none, or not finite."""
    try:
        read = float(value)
    except (OverflowError, RuntimeError) as error:  # an integer of 400 digits; a tensor of many numbers
        raise ValueError(f"no number: {shown(value)}") from error
    if not math.isfinite(read):
        raise ValueError(f"not finite: {read}")
    return read


def is_far(places: Iterable[float], width: int, height: int) -> bool:
    """Whether places in pixels are too far from a picture to belong to it."""
    furthest = FURTHEST * max(width, height)
    return not all(abs(place) <= furthest for place in places)


def shown(value: object, most: int = 200) -> str:
    """A stranger's value in a message, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # Python itself refuses to write integers of thousands of digits
        text = f"a {type(value).__name__} that cannot be written"
    return text if len(text) <= most else f"{text[:most]}…"


def centre(box: Box) -> tuple[float, float]:
    """The middle of a box."""
    left, top, right, bottom = box
    return (left + right) / 2, (top + bottom) / 2


def area(box: Box) -> float:
    """The area of a box, 0 where it has none."""
    left, top, right, bottom = box
    return max(0.0, right - left) * max(0.0, bottom - top)


def common_area(one: Box, other: Box) -> float:
    """The area of what two boxes share."""
    return area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))


def overlap(one: Box, other: Box) -> float:
    """How far two boxes are the same, 0..1: what they share of what both cover."""
    common = common_area(one, other)
    return common / max(area(one) + area(other) - common, 1e-9)


def distinct(best_first: Iterable[Face]) -> list[Face]:
    """The faces of one picture, without those that show the same one as a better face does; `MOST_FACES` at most."""
    faces = list(best_first)
    boxes = np.array([face.box for face in faces]).reshape(-1, 4)
    landmarks = np.array([face.landmarks for face in faces]).reshape(-1, 5, 2)
    left_over = np.arange(len(faces))
    kept: list[Face] = []
    while len(left_over) and len(kept) < MOST_FACES:
        best, left_over = left_over[0], left_over[1:]
        kept.append(faces[best])
        same = _same(boxes[best], landmarks[best], boxes[left_over], landmarks[left_over])
        left_over = left_over[~same]
    return kept


def _same(box: np.ndarray, landmarks: np.ndarray, boxes: np.ndarray, all_landmarks: np.ndarray) -> np.ndarray:
    """Which of `boxes` (N, 4) with landmarks (N, 5, 2) show the same face as one box; (N,) of bool."""
    sides = (np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])).clip(min=0)
    common = sides.prod(1)
    own, others = (box[2:] - box[:2]).prod(), (boxes[:, 2:] - boxes[:, :2]).prod(1)
    of_smaller = common / np.minimum(own, others).clip(min=1e-9)
    of_both = common / (own + others - common).clip(min=1e-9)
    width = np.minimum(box[2] - box[0], boxes[:, 2] - boxes[:, 0])
    apart = np.linalg.norm(all_landmarks - landmarks, axis=2).mean(1)
    agree = (of_smaller > SHARED) & (apart < SAME_LANDMARKS * width)
    return (of_both > SAME_FACE) | (of_smaller > INSIDE) | agree
