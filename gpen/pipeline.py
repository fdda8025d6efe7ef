"""How a picture flows: find the faces, cut each out upright, run the network, put it back."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .errors import GPENError, SettingError
from .faces.alignment import align, crop_face
from .faces.detect import find_faces
from .faces.detectors import Detector
from .faces.face import Face, Faces
from .image.paste import MASKS, paste_faces
from .image.picture import as_rgb
from .model.loaded import GPENModel

OnStep = Callable[[int, int], None]
"""Called with (done, in all); what it raises stops the work."""


@dataclass(frozen=True, eq=False)
class Restored:
    """A batch of pictures with its faces restored."""

    image: Tensor
    """(B, H, W, 3) float32 in 0..1"""
    mask: Tensor
    """(B, H, W) in 0..1: how much of each pixel comes from a restored face"""
    faces: Faces


def restore(
    model: GPENModel,
    picture: Tensor,
    detector: Detector,
    *,
    threshold: float | None = None,
    strength: float = 1.0,
    mask: str = MASKS[0],
    on_step: OnStep | None = None,
) -> Restored:
    """Restore every face of a batch of pictures (B, H, W, C) in 0..1: all stations in a row.

    `on_step` is called by each station in turn, so that the work can be stopped anywhere.
    """
    picture = as_rgb(picture)
    faces = find_faces(picture, detector, threshold, on_frame=on_step)
    faces = restore_faces(model, picture, faces, on_face=on_step)
    pasted = paste_faces(picture, faces, strength=strength, mask=mask, on_face=on_step)
    return Restored(pasted.image, pasted.mask, faces)


def restore_faces(
    model: GPENModel, picture: Tensor, faces: Faces, *, batch: int | None = None, on_face: OnStep | None = None
) -> Faces:
    """Cut each face out of its picture and run the network over it.

    Args:
        model: the network.
        picture: (B, H, W, C) in 0..1, of any size: faces found in a smaller or larger copy of it are moved along.
        faces: what to restore.
        batch: how many crops go through the network at once, by default what suits the device. Where memory runs out
            it is halved, and one face that does not fit is run in low memory.
        on_face: called after each face.

    Raises `SettingError` where faces and picture do not belong together, `GPENError` where one face does not fit
    into memory.
    """
    picture = as_rgb(picture)
    frames, height, width, _ = picture.shape
    if faces.frames != frames:
        raise SettingError(f"the faces were found in a batch of {faces.frames} pictures, and this one has {frames}")
    pending, done = list(faces.scaled_to(width, height)), []
    batch = batch or model.pictures_at_once()
    while pending:
        group = [_cut(picture, face, model.size) for face in pending[:batch]]
        restored = _restore_or_none(model, [face.crop for face in group if face.crop is not None])
        if restored is None:
            # The exception and the tensors it held are gone by now, so that the next try finds their memory free.
            if len(group) > 1:
                batch = len(group) // 2
            elif model.memory != "low":
                model = model.in_low_memory()
            else:
                raise GPENError(
                    f"not enough memory for one face at {model.size}×{model.size}; "
                    "close other programs, choose a lower precision or a smaller model"
                )
            continue
        del pending[: len(group)]
        for face in group:
            done.append(face if face.crop is None else replace(face, restored=restored.pop(0), fate="restored"))
            if on_face:
                on_face(len(done), len(faces))
    return Faces(tuple(done), width, height, frames)


def _cut(picture: Tensor, face: Face, size: int) -> Face:
    """The face with its crop, or with the reason why it cannot have one."""
    height, width = picture.shape[1:3]
    left, top, right, bottom = face.box
    if face.flaw:
        return replace(face, fate=f"skipped: {face.flaw}")
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        return replace(face, fate="skipped: it lies outside the picture")
    picture_to_crop, crop_to_picture = align(face.landmarks, size)
    crop = crop_face(picture[face.frame], picture_to_crop, size)
    return replace(face, crop=crop, crop_to_picture=crop_to_picture)


def _restore_or_none(model: GPENModel, crops: list[Tensor]) -> list[Tensor] | None:
    """The restored crops, or None where memory ran out."""
    try:
        return list(model.restore(torch.stack(crops))) if crops else []
    except (
        RuntimeError
    ) as error:  # torch.cuda.OutOfMemoryError is one; the CPU's and Apple's have no class of their own
        if isinstance(error, torch.cuda.OutOfMemoryError) or re.search("out of memory|not enough memory", str(error)):
            return None
        raise
