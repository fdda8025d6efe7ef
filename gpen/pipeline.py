"""How a picture flows: find the faces, cut each out upright, run the network, put it back."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import SettingError
from .faces.alignment import PERSPECTIVES, align, crop_face, is_turned
from .faces.detect import find_faces
from .faces.detectors import Detector
from .faces.face import Face, Faces
from .faces.search import Search
from .faces.select import Selected
from .faces.track import track_faces
from .image.paste import paste_faces
from .image.picture import as_rgb
from .image.settings import PasteSettings
from .image.steady import steadied
from .image.tiles import faded_tiles
from .inpaint import has_hole, hole_for
from .model.batches import restore_in_batches
from .model.loaded import GPENModel

OnStep = Callable[[int, int], None]
"""Called with (done, in all); what it raises stops the work."""

# `restore` keeps the crops of so many bytes, for pasting again, and none of a longer clip's.
MOST_KEPT = 2**30


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
    paste: PasteSettings | None = None,
    perspective: str = "auto",
    clip: bool = False,
    inpaint_mask: Tensor | None = None,
    search: Search | None = None,
    select: Callable[[Faces], Selected] | None = None,
    detail: str = "full",
    on_step: OnStep | None = None,
) -> Restored:
    """Restore the faces of a batch of pictures (B, H, W, C) in 0..1: all stations in a row.

    Each picture is done before the next one is begun, and the crops of more than `MOST_KEPT` bytes are let go, so that
    a clip needs no more memory than the pictures that come in and go out. With `clip` the batch is one: its faces are
    followed with `track_faces`. `paste` says how they go back. `on_step` is called by each station, so that the work
    can be stopped anywhere.

    `select` says which faces are restored; by default all. Those left out are among the faces that come back, and their
    fate says why. `detail` is that of `restore_faces`.
    """
    model = model.at_detail(detail)
    picture, settings = as_rgb(picture), paste or PasteSettings()
    hole = hole_for(model, picture, inpaint_mask)
    faces = find_faces(picture, detector, threshold, on_frame=on_step, search=search)
    selected = select(faces) if select else None
    if selected:
        faces = selected.chosen
    if clip:
        faces = track_faces(faces)
    faces = faces.with_faces(sorted(faces, key=lambda face: face.frame))
    keep = len(faces) * 2 * 3 * 4 * model.size**2 <= MOST_KEPT
    image, shares = torch.empty_like(picture, memory_format=torch.contiguous_format), torch.empty(picture.shape[:3])
    restored = _one_by_one(model, picture, faces, None, perspective, hole)
    done: list[Face] = []
    for frame in range(faces.frames):
        here = []
        for _ in faces.of_frame(frame):
            here.append(next(restored))
            if on_step:
                on_step(len(done) + len(here), len(faces))
        alone = Faces(tuple(replace(face, frame=0) for face in here), faces.width, faces.height, 1)
        pasted = paste_faces(picture[frame : frame + 1], alone, settings.of_frame(frame, faces.frames))
        image[frame], shares[frame] = pasted.image[0], pasted.mask[0]
        done += here if keep else [_without_crops(face) for face in here]
    faces = faces.with_faces(done)
    if selected:
        faces = selected.with_chosen(faces, same=not clip)
    return Restored(image, shares, faces)


def restore_faces(
    model: GPENModel,
    picture: Tensor,
    faces: Faces,
    *,
    batch: int | None = None,
    perspective: str = "auto",
    inpaint_mask: Tensor | None = None,
    detail: str = "full",
    on_face: OnStep | None = None,
) -> Faces:
    """Cut each face out of its picture and run the network over it.

    Args:
        model: the network.
        picture: (B, H, W, C) in 0..1, of any size: faces found in a smaller or larger copy of it are moved along.
        faces: what to restore.
        batch: how many crops go through the network at once; see `restore_in_batches`.
        perspective: whether a turned face is stretched to a frontal one for the network, one of `PERSPECTIVES`.
        inpaint_mask: (B, H, W) in 0..1, for an inpainting model: what it fills in, and where alone faces are pasted.
            Without one it fills in what is white.
        detail: "full", or for a quick look "half" or "quarter": the network stops one or two octaves early, in a part
            of the time and memory. The restored faces have the size of their crops nevertheless. A network that makes
            its picture in its last octave, as the preview does, has none by then: a `SettingError`.
        on_face: called after each face.

    Raises `SettingError` where faces, picture, mask and model do not belong together, `GPENError` where one face does
    not fit into memory.
    """
    model = model.at_detail(detail)
    picture = as_rgb(picture)
    moved = faces.placed_on(picture)
    hole = hole_for(model, picture, inpaint_mask)
    done: list[Face] = []
    for face in _one_by_one(model, picture, moved, batch, perspective, hole):
        done.append(face)
        if on_face:
            on_face(len(done), len(faces))
    return moved.with_faces(done)


def _one_by_one(
    model: GPENModel, picture: Tensor, faces: Faces, batch: int | None, perspective: str, hole: Tensor | None
) -> Iterator[Face]:
    """Each of the faces once it is restored, or skipped; faces, picture and hole are of one size."""
    if perspective not in PERSPECTIVES:
        raise SettingError.unknown("perspective", perspective, PERSPECTIVES)
    flaws = [face.flaw_in(faces.width, faces.height) for face in faces]
    turned = _turned_tracks(faces)

    def is_stretched(face: Face) -> bool:
        if perspective != "auto":
            return perspective == "on"
        return face.track in turned if face.track else is_turned(face.landmarks)

    places = [
        None if flaw else align(face.landmarks, model.size, is_stretched(face))
        for face, flaw in zip(faces, flaws, strict=True)
    ]
    for index, (face, place) in enumerate(zip(faces, places, strict=True)):
        if place and hole is not None and not has_hole(hole[face.frame], place[1], model.size):
            flaws[index], places[index] = "the mask does not touch it", None
    at: dict[tuple[int | None, int], int] = {
        (face.track, face.frame): i for i, face in enumerate(faces) if face.track and places[i]
    }
    # Each crop is cut once, for itself and its neighbours in time: as many are kept as those span, and a batch.
    most_in_a_frame = max(Counter(face.frame for face in faces).values(), default=0)
    span = 2 * max((face.steady for face in faces), default=0) + 1

    @lru_cache(maxsize=most_in_a_frame * span + (batch or model.pictures_at_once()))
    def cut(index: int) -> Tensor:
        place, frame = places[index], faces[index].frame
        assert place is not None
        layers = [picture[frame]] if hole is None else [picture[frame], hole[frame, ..., None]]
        return torch.cat([crop_face(layer, place[0], model.size) for layer in layers], dim=2)

    def steady_cut(index: int) -> Tensor:
        face = faces[index]
        near = [
            cut(at[face.track, frame])
            for frame in range(face.frame - face.steady, face.frame + face.steady + 1)
            if frame != face.frame and (face.track, frame) in at
        ]
        return steadied(cut(index), near)

    restored = restore_in_batches(model, [partial(steady_cut, i) for i, place in enumerate(places) if place], batch)
    for index, (face, flaw, place) in enumerate(zip(faces, flaws, places, strict=True)):
        if place is None:
            # What an earlier run made of it would be pasted in spite of what is said here.
            nothing = dict.fromkeys(("crop", "restored", "crop_to_picture", "within"))
            yield replace(face, **nothing, fate=f"skipped: {flaw}")
        else:
            after = next(restored)[1]
            crop, within = cut(index)[..., :3].contiguous(), None if hole is None else hole[face.frame]
            yield replace(face, crop=crop, restored=after, crop_to_picture=place[1], within=within, fate="restored")


def _turned_tracks(faces: Faces) -> set[int]:
    """Tracks whose face is turned in most of their frames: to decide frame by frame would flicker."""
    votes: dict[int, list[bool]] = defaultdict(list)
    for face in faces:
        if face.track and not face.flaw:
            votes[face.track].append(is_turned(face.landmarks))
    return {track for track, turned in votes.items() if sum(turned) > len(turned) / 2}


def _without_crops(face: Face) -> Face:
    if face.restored is None:
        return face
    fate = f"{face.fate}: its crop is not kept, as there are so many"
    return replace(face, crop=None, restored=None, crop_to_picture=None, fate=fate)


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
    if model.task != "restoration":
        raise SettingError(
            f"{model.name} is for {model.task} and must see a face as a whole, not in tiles; "
            "restore the whole picture instead (restore_aligned), or its faces"
        )
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
