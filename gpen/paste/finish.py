"""A restored face in the space of its picture, with what it is to keep of the picture: detail, texture, grain."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..faces.face import Crop
from ..image.grain import grain, grain_levels, missing_grain
from ..image.luminance import luminance
from ..image.shrinkage import SIDE
from ..image.warp import Matrix, Pixels, Plane, Rectangle, scale_of, smoothed
from .detail import Noise, kept_detail, own_detail
from .masks import MASKS
from .settings import PasteSettings
from .skin import skin_mask

# Noise is measured in a window of at most so many pixels each way.
WINDOW = 768
# In 0..1: nobody sees a difference of colour this small.
SAME_CHROMA = 0.25 / 255


@dataclass(frozen=True, eq=False)
class Job:
    """One face to paste into one picture."""

    crop: Crop
    """The face, restored."""
    weight: float
    """How much of it is pasted, 0..1, times the strength."""
    settings: PasteSettings
    picture: Pixels
    """(H, W, 3) as it came in, without other faces."""
    allowed: Plane | None
    """(H, W): where restored pixels may go"""
    texture: Plane | None
    """(H, W): whose own texture stays"""
    source: Pixels | None
    """(h, w, 3) that the face was cut out of, where the picture is an enlarged copy of it"""
    seed: tuple[int, int]
    replaced: bool = False
    """Whether another tool made what is pasted: what it took away is to stay away."""


class Finish:
    """A restored face in the space of its picture, with what it is to keep of it: detail, texture, grain."""

    def __init__(self, job: Job, pasted: Pixels, place: Rectangle):
        crop, settings = job.crop, job.settings
        self.job, self.pasted, self.place = job, pasted, place
        self.matrix, self.scale = crop.crop_to_picture, scale_of(crop.crop_to_picture)
        # The official mask is for who wants the official picture, and the detail of what is filled in is to go.
        own = crop.paste_region is None and not job.replaced
        self.detail = settings.large_faces == "keep detail" and not MASKS[settings.mask].as_official and own
        self.texture = (settings.skin < 1 and own) or job.texture is not None
        window_place = middle(place, WINDOW)
        self.relit = _is_relit(pixels_of(crop.before), pixels_of(crop.latest))
        self.margin = 0
        if self.detail or self.texture:
            # As far as what is kept of a pixel depends on others; even, so that all bands cut the same squares.
            self.margin = 2 * round(2.5 * max(1.0, self.scale)) + SIDE + 2
            self.noise = Noise.of(luminance(self._noisy()))
            before = pixels_of(crop.before)
            self.crop = luminance(smoothed(before, 1 / self.scale))
            self.amount = self._amount(1 - settings.skin if own else 0)
            kept = own_detail(before, pasted, self.noise, self.scale) * self.amount
            self.pasted = np.asarray(pasted + kept[..., None], np.float32)
        self.grain = settings.grain > 0
        if self.grain:
            levels = (grain_levels(luminance(x)) for x in (_part(job.picture, window_place), self._kept(window_place)))
            self.levels = [level * settings.grain for level in missing_grain(*levels)]

    def band(self, rows: slice) -> Pixels:
        """The rows of the picture that `rows` say, as wide as the face's rectangle."""
        left, top, right, bottom = self.place
        begin, end = max(top, rows.start - self.margin), min(bottom, rows.stop + self.margin)
        blend = self._kept((left, begin, right, end))[rows.start - begin : rows.stop - begin]
        if self.grain:
            height, width, _ = blend.shape
            noise = grain(height, width, self.levels, (*self.job.seed, rows.start))
            blend += noise[..., None]
        return np.clip(blend, 0, 1)

    def _noisy(self) -> Pixels:
        """What noise is measured in: the picture that the face was cut out of, where the face is."""
        source, picture, place = self.job.source, self.job.picture, self.place
        if source is None:
            return _part(picture, middle(place, WINDOW))
        (height, width), (high, wide) = source.shape[:2], picture.shape[:2]
        left, right = (side * width // wide for side in place[::2])
        top, bottom = (side * height // high for side in place[1::2])
        return _part(source, middle((left, top, max(right, left + 1), max(bottom, top + 1)), WINDOW))

    def _amount(self, of_skin: float) -> Plane:
        """How much of its own detail each place of the crop keeps, (S, S) in 0..1; `of_skin` is that of skin."""
        crop = self.job.crop
        skin = skin_mask(pixels_of(crop.latest), crop.template)
        amount = 1 - (1 - of_skin) * skin if self.detail else of_skin * skin
        if self.job.texture is not None:
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            marked = cv2.warpAffine(self.job.texture, self.matrix, (crop.size, crop.size), flags=flags)
            amount = np.maximum(amount, marked)
        return amount

    def _kept(self, place: Rectangle) -> Pixels:
        blend = warped(self.pasted, self.matrix, place)
        if self.detail or self.texture:
            again = warped(self.crop, self.matrix, place)
            detail = kept_detail(_part(self.job.picture, place), again, blend, self.noise, self.scale)
            if not self.detail:
                detail *= warped(self.amount, self.matrix, place)
            blend += cv2.merge([detail, detail, detail])
        return _relit(_part(self.job.picture, place), blend) if self.relit else blend


def _chroma(pixels: Pixels) -> Pixels:
    return pixels - luminance(pixels)[..., None]


def _is_relit(before: Pixels, after: Pixels) -> bool:
    """Whether the luminance of a crop (S, S, 3) is all that was changed, as of one that is grey or of one tint."""
    return float(np.abs(_chroma(after) - _chroma(before)).max()) < SAME_CHROMA


def _relit(picture: Pixels, blend: Pixels) -> Pixels:
    """The luminance of `blend` with the very chroma of the picture, both (H, W, 3), as far as 0..1 leaves room."""
    chroma = _chroma(picture)
    return np.clip(luminance(blend), -chroma.min(axis=2), 1 - chroma.max(axis=2))[..., None] + chroma


def _part(picture: Pixels, place: Rectangle) -> Pixels:
    left, top, right, bottom = place
    return picture[top:bottom, left:right]


def middle(place: Rectangle, most: int) -> Rectangle:
    """The middle of a rectangle, at most so many pixels each way."""
    left, top, right, bottom = place
    x, y = max(0, right - left - most) // 2, max(0, bottom - top - most) // 2
    return left + x, top + y, right - x, bottom - y


def warped(pixels: Pixels, crop_to_picture: Matrix, place: Rectangle) -> Pixels:
    """Pixels of a crop where they lie in the rectangle (left, top, right, bottom) of the picture, 0 outside."""
    left, top, right, bottom = place
    matrix = crop_to_picture - [[0, 0, left], [0, 0, top]]
    return np.asarray(cv2.warpAffine(pixels, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR), np.float32)


def width_of(crop: Crop) -> float:
    """How wide a crop is in its picture, in pixels."""
    return scale_of(crop.crop_to_picture) * crop.size


def pixels_of(crop: Tensor) -> Pixels:
    return crop.detach().to("cpu", torch.float32).numpy()
