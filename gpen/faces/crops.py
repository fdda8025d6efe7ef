"""Crops of faces in the open: given out for any other tool to work on, and taken back."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import SettingError
from ..image.picture import as_rgb, resized
from ..image.warp import for_resized_crop, inverse
from .alignment import align, crop_face
from .face import Face, Faces

WHICH = ("restored", "original")
"""What a crop shows: the restored face where there is one, or always the face as it is in the picture."""
DEFAULT_SIZE = 512
# What a tool that computes in 8 bits makes of a crop that it leaves alone.
UNCHANGED = 1.01 / 255


@dataclass(frozen=True, eq=False)
class FaceCrops:
    """Crops, and the faces they are of."""

    crops: Tensor
    """(N, S, S, 3) float32 in 0..1, upright; N is 0 where there is no face to cut out."""
    faces: Faces
    """The same faces as came in; the N of them that carry a crop are in the order of `crops`."""


def face_crops(
    picture: Tensor,
    faces: Faces,
    *,
    which: str = WHICH[0],
    size: int = 0,
    on_face: Callable[[int, int], None] | None = None,
) -> FaceCrops:
    """Cut the faces out of their pictures, upright, all of one size, for any other tool to work on.

    Args:
        picture: (B, H, W, C) in 0..1, of any size: faces found in a smaller or larger copy of it are moved along.
        faces: found or restored. Those that cannot be cut out, or were skipped, are left out and keep their fate.
        which: what the crops show, one of `WHICH`.
        size: side of the crops in pixels; 0 is that of the restored faces, or 512 where none is restored.
        on_face: called with (faces done, faces in all) after each face; what it raises stops the work.

    Raises `PictureError` for something that is not a picture, and `SettingError` for a negative size, an unknown
    choice, or faces of another number of pictures.
    """
    if which not in WHICH:
        raise SettingError.unknown("kind of crop", which, WHICH)
    if size < 0:
        raise SettingError(f"the size of the crops must be 0 or more pixels, and it is {size}")
    picture = as_rgb(picture)
    moved = faces.placed_on(picture)
    size = size or max((len(face.restored) for face in moved if face.restored is not None), default=DEFAULT_SIZE)
    done: list[Face] = []
    for face in moved:
        if face.skipped:
            done.append(replace(face, crop=None, restored=None))
        elif flaw := face.flaw_in(moved.width, moved.height):
            done.append(replace(face, crop=None, restored=None, skipped=True, fate=f"skipped: {flaw}"))
        elif which == "restored" and face.restored is not None:
            done.append(_with_crops_of(face, size))
        else:
            done.append(_cut_out(face, picture[face.frame], size))
        if on_face:
            on_face(len(done), len(moved))
    crops = [_shown(face) for face in done if face.crop is not None]
    return FaceCrops(torch.stack(crops) if crops else torch.zeros(0, size, size, 3), moved.with_faces(done))


def replace_crops(faces: Faces, crops: Tensor) -> Faces:
    """Take crops back that another tool has worked on: they become the restored faces, to be pasted.

    A crop that comes back larger keeps its detail. One that comes back unchanged, or changed by no more than
    a rounding to 8 bits, leaves its face as it was.

    Args:
        faces: those that `face_crops` or `restore_faces` gave.
        crops: (N, h, w, C) in 0..1, as many as there are faces with a crop, in their order, of any size.

    Raises `PictureError` for something that is not a batch of pictures, and `SettingError` for another number of
    crops, and for faces without crops.
    """
    crops = as_rgb(crops)
    awaited = sum(face.crop is not None for face in faces)
    if not awaited:
        raise SettingError(
            "these faces carry no crops, so nothing says where a crop goes; use the faces that came with the crops"
        )
    if len(crops) != awaited:
        raise SettingError(
            f"expected {awaited} crops, one for each face that was cut out and in the same order, and got {len(crops)}"
        )
    returned = iter(crops)
    return faces.with_faces(face if face.crop is None else _replaced(face, next(returned)) for face in faces)


def _shown(face: Face) -> Tensor:
    """What is given out for a face that carries a crop."""
    shown = face.crop if face.restored is None else face.restored
    assert shown is not None
    return shown


def _cut_out(face: Face, picture: Tensor, size: int) -> Face:
    if face.crop is not None and face.crop_to_picture is not None:
        # The place it was restored at, which need not follow from the landmarks alone.
        crop_to_picture = for_resized_crop(face.crop_to_picture, len(face.crop), size)
    else:
        crop_to_picture = align(face.landmarks, size)[1]
    crop = crop_face(picture, inverse(crop_to_picture), size)
    face = replace(face, crop=crop, restored=None, crop_to_picture=crop_to_picture, within=None)
    return replace(face, crops_let_go=False, fate="found")


def _with_crops_of(face: Face, size: int) -> Face:
    """The same face, its crop and restored crop resized."""
    before = _shown(face)
    if len(before) == size:
        return face
    assert face.crop is not None and face.crop_to_picture is not None
    return replace(
        face,
        crop=_square(face.crop, size),
        restored=None if face.restored is None else _square(face.restored, size),
        crop_to_picture=for_resized_crop(face.crop_to_picture, len(before), size),
    )


def _replaced(face: Face, crop: Tensor) -> Face:
    before = _shown(face)
    if (_square(crop, len(before)) - before).abs().max() <= UNCHANGED:
        return face if face.restored is not None else replace(face, restored=face.crop, fate="unchanged")
    size = max(len(before), *crop.shape[:2])
    return replace(_with_crops_of(face, size), restored=_square(crop, size).clamp(0, 1), fate="replaced")


def _square(crop: Tensor, size: int) -> Tensor:
    return resized(crop[None], size, size)[0]
