"""How a picture flows: find the faces, cut each out upright, run the network, put it back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import SettingError
from .faces.alignment import align, crop_face
from .faces.detect import find_faces
from .faces.detectors import Detector
from .faces.face import Face, Faces
from .image.paste import MASKS, paste_faces
from .image.picture import as_rgb
from .image.tiles import faded_tiles
from .model.batches import restore_in_batches
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
        batch: how many crops go through the network at once; see `restore_in_batches`.
        on_face: called after each face.

    Raises `SettingError` where faces and picture do not belong together, `GPENError` where one face does not fit
    into memory.
    """
    picture = as_rgb(picture)
    moved = faces.placed_on(picture)
    flaws = [face.flaw or _flaw_here(face, moved.width, moved.height) for face in moved]
    places = [None if flaw else align(face.landmarks, model.size) for face, flaw in zip(moved, flaws, strict=True)]
    cuts = [
        partial(crop_face, picture[face.frame], place[0], model.size)
        for face, place in zip(moved, places, strict=True)
        if place
    ]
    restored = restore_in_batches(model, cuts, batch)
    done: list[Face] = []
    for face, flaw, place in zip(moved, flaws, places, strict=True):
        if place is None:
            done.append(replace(face, fate=f"skipped: {flaw}"))
        else:
            crop, after = next(restored)
            done.append(replace(face, crop=crop, restored=after, crop_to_picture=place[1], fate="restored"))
        if on_face:
            on_face(len(done), len(faces))
    return moved.with_faces(done)


def restore_tiled(
    model: GPENModel, picture: Tensor, *, overlap: int = 64, batch: int | None = None, on_tile: OnStep | None = None
) -> Tensor:
    """Run the network over a whole picture of any size, in tiles of the network's size that fade into each other.

    Args:
        model: the network.
        picture: (B, H, W, C) in 0..1.
        overlap: least overlap of neighbouring tiles, in pixels, from 0 to half of the network's size.
        batch: as in `restore_faces`.
        on_tile: called after each tile.

    Returns (B, H, W, 3) float32 in 0..1. Raises `SettingError` for an overlap that is out of range, and what
    `restore_faces` raises.
    """
    size = model.size
    if not 0 <= overlap <= size // 2:
        raise SettingError(f"the overlap must be between 0 and {size // 2}, half of the model's size; it is {overlap}")
    picture = as_rgb(picture)
    frames, height, width, _ = picture.shape
    # A picture that is smaller than a tile is continued with its edge.
    missing = (0, max(0, size - width), 0, max(0, size - height))
    padded = F.pad(picture.movedim(3, 1), missing, mode="replicate").movedim(1, 3)
    rows, columns = (faded_tiles(side, size, overlap) for side in padded.shape[1:3])
    tiles = [(frame, row, column) for frame in range(frames) for row in rows for column in columns]
    cuts = [
        partial(padded.__getitem__, np.s_[frame, top : top + size, left : left + size])
        for frame, (top, _), (left, _) in tiles
    ]
    result = torch.zeros_like(padded)
    restored = restore_in_batches(model, cuts, batch)
    for done, (frame, (top, down), (left, across)) in enumerate(tiles, 1):
        weights = down[:, None, None] * across[None, :, None]
        result[frame, top : top + size, left : left + size] += next(restored)[1] * weights
        if on_tile:
            on_tile(done, len(tiles))
    return result[:, :height, :width]


def _flaw_here(face: Face, width: int, height: int) -> str | None:
    """Why a face cannot be cut out of a picture of this size, or None."""
    left, top, right, bottom = face.box
    outside = right <= 0 or bottom <= 0 or left >= width or top >= height
    return "it lies outside the picture" if outside else None
