"""The step where the network runs: each face is cut out upright, restored, and remembers where it was."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from ..errors import advice_on_out_of_memory
from ..faces.alignment import Colour, crop_face
from ..faces.face import Crop, Face, Faces, Outcome
from ..image.given import GivenPicture
from ..image.picture import as_rgb
from ..options import settled
from ..progress import Progress
from ..restorers.protocol import Restorer
from .averaging import averaged, window
from .batches import restore_in_batches
from .inpaint import checked_mask
from .plan import Planned, plan
from .settings import RestoreSettings
from .tiles import OVERLAP, check_tiles, restore_tiled


@advice_on_out_of_memory("to cut out and restore the faces", "choose fewer faces, memory low or a smaller model")
def restore_faces(
    model: Restorer,
    picture: GivenPicture,
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
        settings: how; a network that makes its picture in its last octave takes no less detail
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
    model: Restorer,
    picture: GivenPicture,
    faces: Faces,
    settings: RestoreSettings,
    inpaint_mask: Tensor | None = None,
    batch: int | None = None,
) -> Iterator[Face]:
    """Each of the faces, which are placed on the picture, once it is restored or skipped. Raises at once."""
    picture = as_rgb(picture)
    mask = checked_mask(model.at_detail(settings.detail), picture, inpaint_mask)
    return FaceStream(model, picture.__getitem__, faces, settings, mask, batch).restored()


class FaceStream:
    """The faces of a batch or of a film through the network, in their order; each picture is asked for when needed.

    Before its own faces are done, those of the next frames are looked at, as far as averaging in time goes.
    """

    def __init__(
        self,
        model: Restorer,
        picture_of: Callable[[int], Tensor],
        faces: Faces,
        settings: RestoreSettings,
        mask: Tensor | None = None,
        batch: int | None = None,
    ) -> None:
        """`picture_of` gives a frame (H, W, 3) of the size `faces` refer to; `mask` is (B, H, W), of that size too."""
        self.model, self.batch = model.at_detail(settings.detail), batch
        if settings.tiles:
            check_tiles(self.model)
        self.planned = plan(faces, self.model.size, settings, mask, self.model.alignment)
        # Without a face the network is not brought to the device.
        at_once = self.model.pictures_at_once() if any(one.cut for one in self.planned) else 1
        self.crops = _Crops(picture_of, mask, self.planned, batch or at_once, self.model.alignment.outside)

    def restored(self, first: int = 0, end: int | None = None) -> Iterator[Face]:
        """The faces of the frames from `first` on and before `end`; no batch reaches beyond them."""
        chosen = [
            i for i, one in enumerate(self.planned) if first <= one.face.frame and (end is None or one.face.frame < end)
        ]
        return self._run(chosen)

    def _run(self, chosen: Sequence[int]) -> Iterator[Face]:
        model, crops = self.model, self.crops
        cuts = {i: cut for i in chosen if (cut := self.planned[i].cut)}
        at_once = [partial(crops.averaged, i) for i, cut in cuts.items() if cut.size == model.size]
        restored = restore_in_batches(model, at_once, self.batch)
        for index in chosen:
            one, cut = self.planned[index], cuts.get(index)
            if cut is None:
                yield one.face.skipped(one.problem)
                continue
            if cut.size == model.size:
                after = next(restored)[1]
            else:
                overlap = min(OVERLAP, model.size // 4)
                after = restore_tiled(model, crops.averaged(index)[None], overlap=overlap, batch=self.batch)[0]
            lies = model.alignment.template
            crop = Crop(crops.before(index), cut.crop_to_picture, lies, after, crops.region(index))
            yield replace(one.face, crop=crop, outcome=Outcome("restored"))


class _Crops:
    """The crops of a batch, each cut out once, for itself and for its neighbours in time."""

    def __init__(
        self,
        picture_of: Callable[[int], Tensor],
        mask: Tensor | None,
        planned: Sequence[Planned],
        batch: int,
        outside: Colour,
    ) -> None:
        """Pictures (H, W, 3) and `mask` (B, H, W) are of one size; `batch` crops are held at once besides."""
        self.outside = outside
        self.picture_of, self.mask, self.planned = picture_of, mask, planned
        self.places: dict[tuple[int | None, int], int] = {
            (one.face.track, one.face.frame): i for i, one in enumerate(planned) if one.face.track and one.cut
        }
        self.frames: dict[int | None, list[int]] = defaultdict(list)
        for track, frame in sorted(self.places, key=lambda place: place[1]):
            self.frames[track].append(frame)
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
        if face.track is None or not face.neighbours:
            return self.cut(index)
        near = window(self.frames[face.track], face.frame, face.neighbours)
        return averaged(self.cut(index), [self.cut(self.places[face.track, frame]) for frame in near])

    def region(self, index: int) -> Tensor | None:
        """Where alone a face is pasted: (H, W)."""
        return None if self.mask is None else self.mask[self.planned[index].face.frame]

    def _cut(self, index: int) -> Tensor:
        frame, cut = self.planned[index].face.frame, self.planned[index].cut
        if cut is None:
            raise ValueError("a face that is skipped has no crop")
        crop = crop_face(self.picture_of(frame), cut.picture_to_crop, cut.size, self.outside)
        if self.mask is None:
            return crop
        return torch.cat([crop, crop_face(self.mask[frame, ..., None], cut.picture_to_crop, cut.size)], dim=2)
