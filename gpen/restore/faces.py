"""The step where the network runs: each face is cut out upright, restored, and remembers where it was."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from ..faces.alignment import GPEN_TEMPLATE, crop_face
from ..faces.face import Crop, Face, Faces, Outcome
from ..image.picture import as_rgb
from ..options import settled
from ..progress import Progress
from ..restorers.gpen import GPENModel
from .averaging import averaged
from .batches import restore_in_batches
from .inpaint import checked_mask
from .plan import Planned, RestoreSettings, plan
from .tiles import OVERLAP, check_tiles, restore_tiled


def restore_faces(
    model: GPENModel,
    picture: Tensor,
    faces: Faces,
    settings: RestoreSettings | None = None,
    *,
    batch: int | None = None,
    inpaint_mask: Tensor | None = None,
    on_progress: Progress | None = None,
    **changes: Any,
) -> Faces:
    """Cut each face out of its picture and run the network over it.

    Args:
        model: the network.
        picture: (B, H, W, C) in 0..1, of any size: faces found in a smaller or larger copy of it are moved along.
        faces: what to restore.
        settings: how; a network that makes its picture in its last octave, as the preview does, takes no less detail
            than "full".
        batch: how many crops go through the network at once; see `restore_in_batches`.
        inpaint_mask: (B, H, W) in 0..1, for an inpainting model: what it fills in, and where alone faces are pasted.
            Without one it fills in what is white.
        on_progress: called with (faces done, faces in all) after each.
        **changes: single settings by name, as in `restore_faces(model, picture, faces, tiles=True)`.

    Raises `SettingError` for a setting that cannot be, and where faces, picture, mask and model do not belong together;
    `OutOfMemory` where one face does not fit.
    """
    moved = faces.placed_on(as_rgb(picture))
    settings = settled(RestoreSettings, settings, changes)
    done: list[Face] = []
    for face in one_by_one(model, picture, moved, settings, inpaint_mask, batch):
        done.append(face)
        if on_progress:
            on_progress(len(done), len(faces))
    return moved.with_faces(done)


def one_by_one(
    model: GPENModel,
    picture: Tensor,
    faces: Faces,
    settings: RestoreSettings,
    inpaint_mask: Tensor | None = None,
    batch: int | None = None,
) -> Iterator[Face]:
    """Each of the faces, which are placed on the picture, once it is restored or skipped. Raises at once."""
    model, picture = model.at_detail(settings.detail), as_rgb(picture)
    mask = checked_mask(model, picture, inpaint_mask)
    if settings.tiles:
        check_tiles(model)
    planned = plan(faces, model.size, settings, mask)
    return _run(model, planned, _Crops(picture, mask, planned, batch or model.pictures_at_once()), batch)


def _run(model: GPENModel, planned: list[Planned], crops: "_Crops", batch: int | None) -> Iterator[Face]:
    at_once = [i for i, one in enumerate(planned) if one.cut and one.cut.size == model.size]
    restored = restore_in_batches(model, [partial(crops.averaged, i) for i in at_once], batch)
    for index, one in enumerate(planned):
        if one.cut is None:
            yield one.face.skipped(one.problem)
            continue
        if one.cut.size == model.size:
            after = next(restored)[1]
        else:
            overlap = min(OVERLAP, model.size // 4)
            after = restore_tiled(model, crops.averaged(index)[None], overlap=overlap, batch=batch)[0]
        crop = Crop(crops.before(index), one.cut.crop_to_picture, GPEN_TEMPLATE, after, crops.region(index))
        yield replace(one.face, crop=crop, outcome=Outcome("restored"))


class _Crops:
    """The crops of a batch, each cut out once, for itself and for its neighbours in time."""

    def __init__(self, picture: Tensor, mask: Tensor | None, planned: Sequence[Planned], batch: int) -> None:
        """`picture` (B, H, W, 3) and `mask` (B, H, W) are of one size; `batch` crops are held at once besides."""
        self.picture, self.mask, self.planned = picture, mask, planned
        self.places: dict[tuple[int | None, int], int] = {
            (one.face.track, one.face.frame): i for i, one in enumerate(planned) if one.face.track and one.cut
        }
        # As many are kept as the neighbours of one face span, and a batch.
        most_in_a_frame = max(Counter(one.face.frame for one in planned).values(), default=0)
        span = 2 * max((one.face.neighbours for one in planned), default=0) + 1
        self.cut = lru_cache(maxsize=most_in_a_frame * span + batch)(self._cut)

    def before(self, index: int) -> Tensor:
        """A face as it is in the picture: (S, S, 3)."""
        return self.cut(index)[..., :3].contiguous()

    def averaged(self, index: int) -> Tensor:
        """What the network is given of a face: averaged in time; (S, S, 3), or with its mask (S, S, 4)."""
        face = self.planned[index].face
        frames = range(face.frame - face.neighbours, face.frame + face.neighbours + 1)
        near = [self.places.get((face.track, frame)) for frame in frames if frame != face.frame]
        return averaged(self.cut(index), [self.cut(other) for other in near if other is not None])

    def region(self, index: int) -> Tensor | None:
        """Where alone a face is pasted: (H, W)."""
        return None if self.mask is None else self.mask[self.planned[index].face.frame]

    def _cut(self, index: int) -> Tensor:
        frame, cut = self.planned[index].face.frame, self.planned[index].cut
        if cut is None:
            raise ValueError("a face that is skipped has no crop")
        layers = [self.picture[frame]] if self.mask is None else [self.picture[frame], self.mask[frame, ..., None]]
        return torch.cat([crop_face(layer, cut.picture_to_crop, cut.size) for layer in layers], dim=2)
