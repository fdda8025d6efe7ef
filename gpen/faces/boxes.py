"""Boxes that come from elsewhere: ComfyUI's BOUNDING_BOX, and how far two boxes are one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import SettingError
from .face import Box

# In pixels: beyond, a box is a slip, and what draws it would overflow.
FURTHEST = 1e6


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
