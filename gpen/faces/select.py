"""Choosing among the faces of a batch of pictures."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import SettingError, advice_on_out_of_memory
from ..image.picture import as_mask
from ..options import settled
from .boxes import GivenBox, centre, read_boxes
from .face import Face, FaceKey, Faces, Outcome
from .settings import SelectSettings, read_numbers


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


KEYS: dict[str, Key | None] = {
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
"""By what is ordered, for each of `settings.ORDERS`."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The faces of a batch, parted."""

    chosen: Faces
    """Picture by picture, in the order asked for."""
    rest: Faces
    """In the order they came; the outcome of each says why it was left out."""
    all: Faces
    """Both, in the order they came: for the report."""

    def with_chosen(self, done: Faces) -> Faces:
        """All faces in the order they came, with what became of the chosen ones.

        What a clip's gaps were filled with comes last in its frame, and faces that no track kept are gone.
        """
        became = {face.key: face for face in done}
        left_out = {face.key: face for face in self.rest.scaled_to(done.width, done.height)}
        known = [became.pop(face.key, None) or left_out.get(face.key) for face in self.all]
        return done.with_faces([*filter(None, known), *became.values()]).by_frame()


@advice_on_out_of_memory("to choose faces by a mask", "give fewer or smaller pictures at a time")
def select_faces(
    faces: Faces,
    settings: SelectSettings | None = None,
    *,
    mask: Tensor | None = None,
    boxes: object = None,
    **changes: Any,
) -> Selection:
    """Choose faces of each picture of a batch.

    Args:
        faces: what to choose from.
        settings: which of them, and in which order.
        mask: (B or 1, H, W), in any size: only faces of which at least half the box lies where it is over 0.5.
        boxes: as `read_boxes` takes them, in pixels of the picture: only faces whose middle lies in one of them; and
            for a box without such a face, the face nearest to it.
        **changes: single settings by name, as in `select_faces(faces, order="largest", count=1)`.

    Raises `SettingError` for a setting that cannot be, boxes that are none, and masks or boxes of another number of
    pictures; `PictureError` for a mask that is none.
    """
    settings = settled(SelectSettings, settings, changes)
    shares = None if mask is None else _shares_in_mask(faces, mask)
    given = None if boxes is None else read_boxes(boxes, faces.frames, faces.width, faces.height)
    wanted = None if given is None else _wanted_by_boxes(faces, given)
    reasons = {face.key: _why_not(face, faces, settings, shares, wanted) for face in faces}
    key = KEYS[settings.order]
    chosen: list[Face] = []
    for frame in range(faces.frames):
        left = [face for face in faces.of_frame(frame) if reasons[face.key] is None]
        if key:
            left.sort(key=partial(key, faces=faces))
        if count := settings.count:
            among = f"not among the {count} {settings.order}" if key else f"not among the first {count}"
            reasons |= {face.key: among for face in left[count:]}
            left = left[:count]
        chosen += left

    def parted(face: Face) -> Face:
        reason = reasons[face.key]
        return replace(face, outcome=Outcome("left out", reason) if reason else Outcome("chosen"))

    return Selection(
        faces.with_faces(map(parted, chosen)),
        faces.with_faces(parted(face) for face in faces if reasons[face.key]),
        faces.with_faces(map(parted, faces)),
    )


def _why_not(
    face: Face,
    faces: Faces,
    settings: SelectSettings,
    shares: dict[FaceKey, float] | None,
    wanted: set[FaceKey] | None,
) -> str | None:
    """Why a face is left out, or None."""
    percent = 100 * face.size / min(faces.width, faces.height)
    numbers = read_numbers(settings.indices)
    if numbers and face.number not in numbers:
        return f"its number is not in {settings.indices.strip()}"
    if shares is not None and shares[face.key] < 0.5:
        return "outside the mask"
    if wanted is not None and face.key not in wanted:
        return "not in or nearest to a box"
    if face.size < settings.min_size:
        return f"smaller than {settings.min_size} px"
    if 0 < settings.max_size < face.size:
        return f"larger than {settings.max_size} px"
    if percent < settings.min_percent:
        return f"smaller than {settings.min_percent:g} % of the picture ({percent:.1f} %)"
    if 0 < settings.max_percent < percent:
        return f"larger than {settings.max_percent:g} % of the picture ({percent:.1f} %)"
    if 0 < settings.max_sharpness < _sharpness(face, faces):
        return f"sharper than {settings.max_sharpness:g}"
    return None


def _shares_in_mask(faces: Faces, mask: Tensor) -> dict[FaceKey, float]:
    """For each face how much of its box lies inside the mask."""
    # Of the pictures only their number and size count here: these take no memory.
    pictures = torch.empty(1).expand(faces.frames, faces.height, faces.width, 1)
    masks = as_mask(mask, pictures)
    return {} if masks is None else {face.key: _share_inside(masks[face.frame], face) for face in faces}


def _share_inside(mask: Tensor, face: Face) -> float:
    """How much of the part of a face's box that lies in the picture lies where the mask (H, W) is over 0.5."""
    (left, top), (right, bottom) = np.reshape(face.box, (2, 2)).round().astype(int).clip(0).tolist()
    # A face may be smaller than a pixel.
    box = mask[top : max(bottom, top + 1), left : max(right, left + 1)]
    return float((box > 0.5).float().mean()) if box.numel() else 0.0


def _wanted_by_boxes(faces: Faces, boxes: list[list[GivenBox]]) -> set[FaceKey]:
    """The faces that lie in a box, and the nearest one where none does."""
    wanted: set[FaceKey] = set()
    for frame, given in enumerate(boxes):
        of_frame = faces.of_frame(frame)
        for (left, top, right, bottom), _ in given:
            middles = [(face, *centre(face.box)) for face in of_frame]
            within = {face.key for face, x, y in middles if left <= x <= right and top <= y <= bottom}
            if not within and of_frame:
                x_box, y_box = centre((left, top, right, bottom))
                within = {min(middles, key=lambda middle: np.hypot(middle[1] - x_box, middle[2] - y_box))[0].key}
            wanted |= within
    return wanted
