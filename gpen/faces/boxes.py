"""Boxes that come from elsewhere: ComfyUI's BOUNDING_BOX, and how far two boxes are one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import SettingError
from .face import Box, Face

# In pixels: beyond, a box is a slip, and what draws it would overflow.
FURTHEST = 1e6

# Two boxes show one face where they share more than this of what both cover,
SAME_FACE = 0.4
# where one lies in the other but for a part: a part of a face taken for a face,
INSIDE = 0.75
# or where they share more than this of the smaller one, and its landmarks are those of the other but for this part of
# its width. Of two heads, one before the other, the landmarks are half a face apart.
SHARED = 0.3
SAME_LANDMARKS = 0.35
# More faces than this are in no picture that anybody restores; what a threshold near 0 finds is not compared to no end.
MOST_FACES = 1000


class GivenBox(NamedTuple):
    """A box that somebody else found."""

    box: Box
    score: float
    """0..1; 1 where nothing was said"""


def read_boxes(boxes: object, frames: int) -> list[list[GivenBox]]:
    """The boxes of each picture of a batch.

    Args:
        boxes: a dict {x, y, width, height} in pixels, perhaps with a `score`; a list of them; or a list of lists, one
            list for each picture. What is not a list of lists holds for every picture.
        frames: how many pictures there are.

    Raises `SettingError` for anything else, and where the lists are not as many as the pictures.
    """
    if isinstance(boxes, Mapping):
        boxes = [boxes]
    if not isinstance(boxes, Sequence) or isinstance(boxes, str):
        raise SettingError(f"expected boxes as {{x, y, width, height}} or lists of them, got {boxes!r}")
    if not any(isinstance(item, Sequence) for item in boxes):
        return [[_read_box(item) for item in boxes]] * frames
    if len(boxes) == 1:
        boxes = list(boxes) * frames
    if len(boxes) != frames:
        raise SettingError(f"the boxes are of {len(boxes)} pictures, and the batch has {frames}")
    return [
        [
            _read_box(item)
            for item in (
                [of_frame] if isinstance(of_frame, Mapping) else of_frame if isinstance(of_frame, Sequence) else ()
            )
        ]
        for of_frame in boxes
    ]


def _read_box(item: object) -> GivenBox:
    try:
        left, top, width, height = (float(item[key]) for key in ("x", "y", "width", "height"))  # type: ignore[index]
        if not all(abs(value) < FURTHEST for value in (left, top, width, height)):  # nor NaN
            raise ValueError("a place far outside of any picture")
        score = item.get("score")  # type: ignore[union-attr]
        return GivenBox((left, top, left + width, top + height), 1.0 if score is None else float(score))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise SettingError(f"expected a box as {{x, y, width, height}} in pixels, got {item!r}") from error


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
