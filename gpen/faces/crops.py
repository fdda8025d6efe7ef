"""Crops of faces in the open: given out for any other tool to work on, and taken back."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import SettingError, advice_on_out_of_memory
from ..image.given import GivenPicture
from ..image.picture import as_rgb, resized
from ..image.warp import for_resized_crop, inverse
from ..progress import Progress
from .alignment import GPEN_TEMPLATE, align, crop_face
from .face import FOUND, Crop, Face, Faces, Outcome

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


@advice_on_out_of_memory("to cut out the faces", "choose a smaller size, or fewer faces")
def face_crops(
    picture: GivenPicture,
    faces: Faces,
    *,
    which: str = WHICH[0],
    size: int = 0,
    on_progress: Progress | None = None,
) -> FaceCrops:
    """Cut the faces out of their pictures, upright, all of one size, for any other tool to work on.

    Args:
        picture: (B, H, W, C) in 0..1, of any size: faces found in a smaller or larger copy of it are moved along.
        faces: found or restored. Those that cannot be cut out, or were skipped, are left out and keep their outcome.
        which: what the crops show, one of `WHICH`.
        size: side of the crops in pixels; 0 is that of the restored faces, or 512 where none is restored.
        on_progress: called with (faces done, faces in all) after each face.

    Raises `PictureError` for something that is not a picture, and `SettingError` for a negative size, an unknown
    choice, or faces of another number of pictures.
    """
    if which not in WHICH:
        raise SettingError.unknown("kind of crop", which, WHICH)
    if size < 0:
        raise SettingError(f"the size of the crops must be 0 or more pixels, and it is {size}")
    picture = as_rgb(picture)
    moved = faces.placed_on(picture)
    made = [face.crop.size for face in moved if face.crop is not None and face.crop.after is not None]
    size = size or max(made, default=DEFAULT_SIZE)
    done: list[Face] = []
    for face in moved:
        if face.outcome.kind == "skipped":
            done.append(face)
        elif problem := face.problem_in(moved.width, moved.height):
            done.append(face.skipped(problem))
        elif which == "restored" and face.crop is not None and face.crop.after is not None:
            done.append(replace(face, crop=_resized(face.crop, size)))
        else:
            done.append(replace(face, crop=_cut_out(face, picture[face.frame], size), outcome=FOUND))
        if on_progress:
            on_progress(len(done), len(moved))
    crops = [face.crop.latest for face in done if face.crop is not None]
    return FaceCrops(torch.stack(crops) if crops else torch.zeros(0, size, size, 3), moved.with_faces(done))


@advice_on_out_of_memory("to take the crops back", "give fewer faces at a time")
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
    return faces.with_faces(face if face.crop is None else _replaced(face, face.crop, next(returned)) for face in faces)


def _cut_out(face: Face, picture: Tensor, size: int) -> Crop:
    if face.crop is not None:
        # The place it was restored at, which need not follow from the landmarks alone.
        template = face.crop.template
        crop_to_picture = for_resized_crop(face.crop.crop_to_picture, face.crop.size, size)
    else:
        template = GPEN_TEMPLATE
        crop_to_picture = align(face.landmarks, size)[1]
    return Crop(crop_face(picture, inverse(crop_to_picture), size), crop_to_picture, template)


def _resized(crop: Crop, size: int) -> Crop:
    """The same crop in another size, before and after."""
    if crop.size == size:
        return crop
    return replace(
        crop,
        before=_square(crop.before, size),
        after=None if crop.after is None else _square(crop.after, size),
        crop_to_picture=for_resized_crop(crop.crop_to_picture, crop.size, size),
    )


def _replaced(face: Face, crop: Crop, returned: Tensor) -> Face:
    if (_square(returned, crop.size) - crop.latest).abs().max() <= UNCHANGED:
        unchanged = replace(face, crop=replace(crop, after=crop.before), outcome=Outcome("unchanged"))
        return unchanged if crop.after is None else face
    size = max(crop.size, *returned.shape[:2])
    after = _square(returned, size).clamp(0, 1)
    return replace(face, crop=replace(_resized(crop, size), after=after), outcome=Outcome("replaced"))


def _square(crop: Tensor, size: int) -> Tensor:
    return resized(crop[None], size, size)[0]
