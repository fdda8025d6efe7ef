"""Choosing among the faces of a batch of pictures."""

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import SettingError
from ..image.picture import as_mask
from .boxes import GivenBox, centre, read_boxes
from .face import Face, Faces


class Key(Protocol):
    """What faces are ordered by, the smallest first."""

    def __call__(self, face: Face, faces: Faces) -> float: ...


def _centre_x(face: Face, faces: Faces) -> float:
    return centre(face.box)[0]


def _off_centre(face: Face, faces: Faces) -> float:
    x, y = centre(face.box)
    return float(np.hypot(x - (faces.width - 1) / 2, y - (faces.height - 1) / 2))


def _size(face: Face, faces: Faces) -> float:
    return face.size


def _score(face: Face, faces: Faces) -> float:
    return face.score


def _sharpness(face: Face, faces: Faces) -> float:
    if face.sharpness is None:
        raise SettingError("nothing is known of the sharpness of these faces; it is measured where faces are found")
    return face.sharpness


def _falling(key: Key) -> Key:
    return lambda face, faces: -key(face, faces)


_KEYS: dict[str, Key | None] = {
    "as found": None,
    "largest": _falling(_size),
    "smallest": _size,
    "leftmost": _centre_x,
    "rightmost": _falling(_centre_x),
    "most central": _off_centre,
    "least central": _falling(_off_centre),
    "most certain": _falling(_score),
    "least certain": _score,
    "blurriest": _sharpness,
    "sharpest": _falling(_sharpness),
}
ORDERS = tuple(_KEYS)
"""What comes first. Sizes and places are those in the picture."""


@dataclass(frozen=True, eq=False)
class Selected:
    """The faces of a batch, parted."""

    chosen: Faces
    """Picture by picture, in the order asked for."""
    rest: Faces
    """In the order they came; the fate of each says why it was left out."""
    all: Faces
    """Both, in the order they came: for the report, whose numbers are those of the preview."""

    def with_chosen(self, done: Faces, *, same: bool) -> Faces:
        """All faces, with what became of the chosen ones.

        Where they are the `same` still, one for one, all stand in the order they came; where a clip's gaps have been
        filled, those left out of a frame stand after the others.
        """
        if not same:
            left_out = self.rest.scaled_to(done.width, done.height)
            return done.with_faces(sorted((*done, *left_out), key=lambda face: face.frame))
        became = dict(zip(map(id, self.chosen), done, strict=True))
        placed = zip(self.all, self.all.scaled_to(done.width, done.height), strict=True)
        return done.with_faces(became.get(id(face), moved) for face, moved in placed)


def select_faces(
    faces: Faces,
    *,
    order: str = ORDERS[0],
    count: int = 0,
    indices: str = "",
    min_size: float = 0,
    max_size: float = 0,
    min_percent: float = 0,
    max_percent: float = 0,
    max_sharpness: float = 0,
    mask: Tensor | None = None,
    boxes: object = None,
) -> Selected:
    """Choose faces of each picture of a batch; everything is measured in the picture.

    Args:
        faces: what to choose from.
        order: which come first, one of `ORDERS`.
        count: how many of each picture are kept after ordering; 0 is all.
        indices: numbers as the preview shows them, such as "1, 3-5"; empty is all.
        min_size: the least size of a face, the shorter side of its box, in pixels; 0 is no limit.
        max_size: the largest, likewise.
        min_percent: the least size in percent of the picture's shorter side; 0 is no limit.
        max_percent: the largest, likewise.
        max_sharpness: only faces that are no sharper than this, 0..100; 0 is no limit.
        mask: (B or 1, H, W), in any size: only faces of which at least half the box lies where it is over 0.5. The
            64×64 zeros that ComfyUI gives for a picture without alpha are no mask.
        boxes: as `read_boxes` takes them, in pixels of the picture: only faces whose middle lies in one of them; and
            for a box without such a face, the face nearest to it.

    Raises `SettingError` for values out of range, numbers that cannot be read, boxes that are none, and masks or boxes
    of another number of pictures; `PictureError` for a mask that is none.
    """
    if order not in _KEYS:
        raise SettingError.unknown("order of faces", order, ORDERS)
    _check_limit("size", min_size, max_size)
    _check_limit("percentage", min_percent, max_percent)
    if count < 0 or not 0 <= max_sharpness <= 100:
        raise SettingError(f"expected a count of at least 0 and a sharpness of 0..100, got {count} and {max_sharpness}")
    numbers = read_numbers(indices)
    shares = None if mask is None else _shares_in_mask(faces, mask)
    wanted = None if boxes is None else _wanted_by_boxes(faces, read_boxes(boxes, faces.frames))
    short = min(faces.width, faces.height)

    def why_not(number: int, face: Face) -> str | None:
        percent = 100 * face.size / short
        if numbers and number not in numbers:
            return f"its number is not in {indices.strip()}"
        if shares is not None and shares[id(face)] < 0.5:
            return "outside the mask"
        if wanted is not None and id(face) not in wanted:
            return "not in or nearest to a box"
        if face.size < min_size:
            return f"smaller than {min_size:g} px"
        if 0 < max_size < face.size:
            return f"larger than {max_size:g} px"
        if percent < min_percent:
            return f"smaller than {min_percent:g} % of the picture ({percent:.1f} %)"
        if 0 < max_percent < percent:
            return f"larger than {max_percent:g} % of the picture ({percent:.1f} %)"
        if 0 < max_sharpness < _sharpness(face, faces):
            return f"sharper than {max_sharpness:g}"
        return None

    reasons = {id(face): why_not(number, face) for number, face in faces.numbered()}
    key = _KEYS[order]
    chosen: list[Face] = []
    for frame in range(faces.frames):
        left = [face for face in faces.of_frame(frame) if reasons[id(face)] is None]
        if key:
            left.sort(key=partial(key, faces=faces))
        if count:
            among = f"not among the {count} {order}" if key else f"not among the first {count}"
            reasons |= {id(face): among for face in left[count:]}
            left = left[:count]
        chosen += left
    parted = {
        id(face): replace(
            face, skipped=False, fate=f"left out: {reason}" if (reason := reasons[id(face)]) else "chosen"
        )
        for face in faces
    }
    return Selected(
        faces.with_faces(parted[id(face)] for face in chosen),
        faces.with_faces(parted[id(face)] for face in faces if reasons[id(face)]),
        faces.with_faces(parted.values()),
    )


def read_numbers(text: str) -> set[int]:
    """Read "1, 3-5" → {1, 3, 4, 5}. Raises `SettingError` for anything else; faces are numbered from 1."""
    numbers: set[int] = set()
    for part in filter(None, re.split(r"[,;\s]+", re.sub(r"\s*[-–]\s*", "-", text.strip()))):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last:
            raise SettingError(
                f"cannot read {part!r} as the number of a face: expected numbers as the preview shows them, from 1, "
                "such as 1, 3-5"
            )
        numbers |= set(range(first, last + 1))
    return numbers


def _check_limit(what: str, least: float, most: float) -> None:
    if least < 0 or most < 0 or 0 < most < least:
        raise SettingError(f"the least {what} of a face is {least:g} and the largest {most:g}: no face can be chosen")


def _shares_in_mask(faces: Faces, mask: Tensor) -> dict[int, float] | None:
    """For each face, by its id, how much of its box lies inside the mask; None where it is no mask."""
    # Of the pictures only their number and size count here: these take no memory.
    pictures = torch.empty(1).expand(faces.frames, faces.height, faces.width, 1)
    masks = as_mask(mask, pictures)
    return None if masks is None else {id(face): _share_inside(masks[face.frame], face) for face in faces}


def _share_inside(mask: Tensor, face: Face) -> float:
    """How much of the part of a face's box that lies in the picture lies where the mask (H, W) is over 0.5."""
    (left, top), (right, bottom) = np.reshape(face.box, (2, 2)).round().astype(int).clip(0).tolist()
    # A face may be smaller than a pixel.
    box = mask[top : max(bottom, top + 1), left : max(right, left + 1)]
    return float((box > 0.5).float().mean()) if box.numel() else 0.0


def _wanted_by_boxes(faces: Faces, boxes: list[list[GivenBox]]) -> set[int]:
    """The ids of the faces that lie in a box, and of the nearest one where none does."""
    wanted: set[int] = set()
    for frame, given in enumerate(boxes):
        of_frame = faces.of_frame(frame)
        for (left, top, right, bottom), _ in given:
            middles = [(face, *centre(face.box)) for face in of_frame]
            within = {id(face) for face, x, y in middles if left <= x <= right and top <= y <= bottom}
            if not within and of_frame:
                x_box, y_box = centre((left, top, right, bottom))
                within = {id(min(middles, key=lambda middle: np.hypot(middle[1] - x_box, middle[2] - y_box))[0])}
            wanted |= within
    return wanted
