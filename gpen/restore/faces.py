"""The station where the network runs: each face is cut out upright, restored, and remembers where it was."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import torch
from torch import Tensor

from ..errors import SettingError
from ..faces.alignment import PERSPECTIVES, align, crop_face, is_turned
from ..faces.face import Face, Faces
from ..image.picture import as_rgb
from ..image.warp import Matrix, scale_of
from ..restorers.gpen import GPENModel
from .averaging import steadied
from .batches import restore_in_batches
from .inpaint import has_hole, hole_for
from .tiles import OVERLAP, check_tiles, restore_tiled

OnStep = Callable[[int, int], None]
"""Called with (done, in all); what it raises stops the work."""

# In sizes of the network's crop: a smaller face is nearly all seen in one, and a larger one would take long.
LEAST_IN_TILES, MOST_IN_TILES = 2**0.5, 4


def restore_faces(
    model: GPENModel,
    picture: Tensor,
    faces: Faces,
    *,
    batch: int | None = None,
    perspective: str = "auto",
    inpaint_mask: Tensor | None = None,
    detail: str = "full",
    tiles: bool = False,
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
        tiles: whether a face that is larger than the network's crop is restored at its own size, up to four times the
            crop's, by a network that sees it in tiles. `benchmarks.large_faces` tells when that is better than the
            detail of the picture that `paste_faces` puts back. For restoration alone.
        on_face: called after each face.

    Raises `SettingError` where faces, picture, mask and model do not belong together, `GPENError` where one face does
    not fit into memory.
    """
    model = model.at_detail(detail)
    picture = as_rgb(picture)
    moved = faces.placed_on(picture)
    hole = hole_for(model, picture, inpaint_mask)
    done: list[Face] = []
    if tiles:
        check_tiles(model)
    for face in one_by_one(model, picture, moved, batch, perspective, hole, tiles):
        done.append(face)
        if on_face:
            on_face(len(done), len(faces))
    return moved.with_faces(done)


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a face is cut out."""

    size: int
    """Side of its crop."""
    picture_to_crop: Matrix
    crop_to_picture: Matrix


def one_by_one(
    model: GPENModel,
    picture: Tensor,
    faces: Faces,
    batch: int | None,
    perspective: str,
    hole: Tensor | None,
    tiles: bool,
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

    sizes = _sizes_in_tiles(faces, model.size) if tiles else {}

    def place_of(face: Face) -> _Place:
        size = sizes.get(id(face), model.size)
        return _Place(size, *align(face.landmarks, size, is_stretched(face)))

    places = [None if flaw else place_of(face) for face, flaw in zip(faces, flaws, strict=True)]
    for index, (face, place) in enumerate(zip(faces, places, strict=True)):
        if place and hole is not None and not has_hole(hole[face.frame], place.crop_to_picture, place.size):
            flaws[index], places[index] = "the mask does not touch it", None
    at: dict[tuple[int | None, int], int] = {
        (face.track, face.frame): i for i, face in enumerate(faces) if face.track and places[i]
    }
    # Each crop is cut once, for itself and its neighbours in time: as many are kept as those span, and a batch.
    most_in_a_frame = max(Counter(face.frame for face in faces).values(), default=0)
    span = 2 * max((face.steady for face in faces), default=0) + 1
    # Without a face the network is not brought to the device.
    batch = batch or (model.pictures_at_once() if any(places) else 1)

    @lru_cache(maxsize=most_in_a_frame * span + batch)
    def cut(index: int) -> Tensor:
        place, frame = places[index], faces[index].frame
        assert place is not None
        layers = [picture[frame]] if hole is None else [picture[frame], hole[frame, ..., None]]
        return torch.cat([crop_face(layer, place.picture_to_crop, place.size) for layer in layers], dim=2)

    def steady_cut(index: int) -> Tensor:
        face = faces[index]
        near = [
            cut(at[face.track, frame])
            for frame in range(face.frame - face.steady, face.frame + face.steady + 1)
            if frame != face.frame and (face.track, frame) in at
        ]
        return steadied(cut(index), near)

    whole = [i for i, place in enumerate(places) if place and place.size == model.size]
    restored = restore_in_batches(model, [partial(steady_cut, i) for i in whole], batch)
    for index, (face, flaw, place) in enumerate(zip(faces, flaws, places, strict=True)):
        if place is None:
            # What an earlier run made of it would be pasted in spite of what is said here.
            nothing = dict.fromkeys(("crop", "restored", "crop_to_picture", "within"))
            yield replace(face, **nothing, crops_let_go=False, skipped=True, fate=f"skipped: {flaw}")
        else:
            if place.size == model.size:
                after = next(restored)[1]
            else:
                overlap = min(OVERLAP, model.size // 4)
                after = restore_tiled(model, steady_cut(index)[None], overlap=overlap, batch=batch)[0]
            crop, within = cut(index)[..., :3].contiguous(), None if hole is None else hole[face.frame]
            face = replace(face, crop=crop, restored=after, crop_to_picture=place.crop_to_picture, within=within)
            yield replace(face, crops_let_go=False, skipped=False, fate="restored")


def _sizes_in_tiles(faces: Faces, size: int) -> dict[int, int]:
    """The side of the crop of each face, by the face's id, that is to be done in tiles.

    It is one for a whole track: crops of neighbouring frames are averaged.
    """
    times: dict[tuple[int | None, int], float] = defaultdict(float)
    keys = {id(face): (face.track, 0 if face.track else id(face)) for face in faces if not face.flaw}
    for face in faces:
        if (key := keys.get(id(face))) is not None:
            times[key] = max(times[key], scale_of(align(face.landmarks, size)[1]))
    return {
        face: round(size * min(times[key], MOST_IN_TILES)) for face, key in keys.items() if times[key] > LEAST_IN_TILES
    }


def _turned_tracks(faces: Faces) -> set[int]:
    """Tracks whose face is turned in most of their frames: to decide frame by frame would flicker."""
    votes: dict[int, list[bool]] = defaultdict(list)
    for face in faces:
        if face.track and not face.flaw:
            votes[face.track].append(is_turned(face.landmarks))
    return {track for track, turned in votes.items() if sum(turned) > len(turned) / 2}
