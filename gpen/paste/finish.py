"""A restored face in the space of its picture, with what it is to keep of the picture: detail, texture, grain."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..faces.face import Crop
from ..image.grain import grain, grain_levels, missing_grain
from ..image.noise import blockiness, flat_level, luminance, noise_level
from ..image.warp import Matrix, Pixels, scale_of, smoothed
from .detail import TEXTURE_SIGMA, beyond_crop, kept_detail, texture_change
from .masks import MASKS, Shape
from .settings import PasteSettings
from .skin import skin_mask

# Noise is measured in a window of at most so many pixels each way; that of detail in one that holds little but face.
WINDOW = 768
DETAIL_WINDOW = 256

Place = tuple[int, int, int, int]
"""left, top, right, bottom of a rectangle of the picture, in whole pixels"""


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
    allowed: Shape | None
    """(H, W): where restored pixels may go"""
    texture: Shape | None
    """(H, W): whose own texture stays"""
    seed: tuple[int, int]


class Finish:
    """A restored face in the space of its picture, with what it is to keep of it: detail, texture, grain."""

    def __init__(self, job: Job, pasted: Pixels, place: Place):
        crop, settings = job.crop, job.settings
        self.job, self.pasted, self.place = job, pasted, place
        self.matrix, self.scale = crop.crop_to_picture, scale_of(crop.crop_to_picture)
        self.sigma = max(0.8, TEXTURE_SIGMA * width_of(crop))
        # The official mask is for who wants the official picture, and the detail of what is filled in is to go.
        official = MASKS[settings.mask].as_official
        self.detail = settings.large_faces == "keep detail" and not official and crop.paste_region is None
        self.texture = settings.skin < 1 or job.texture is not None
        self.grain = settings.grain > 0
        self.margin = 0
        if self.detail:
            left, top, right, bottom = detail_place = middle(place, DETAIL_WINDOW)
            # Of luminance alone: colour that fine is not seen, and compressed pictures have none.
            self.crop = luminance(smoothed(pixels_of(crop.before), 1 / self.scale))
            self.margin = max(self.margin, round(5 * max(1.0, self.scale)) + 2)
            again = warped(self.crop, self.matrix, detail_place)
            beyond = beyond_crop(luminance(job.picture[top:bottom, left:right]), again, self.scale)
            self.detail_noise = flat_level(beyond)
        left, top, right, bottom = window_place = middle(place, WINDOW)
        window = job.picture[top:bottom, left:right]
        if self.texture:
            self.margin = max(self.margin, round(6 * self.sigma))
            plane = luminance(window)
            self.noise = noise_level(plane)
            # From clean to a compression whose blocks are seen: those would be laid over the skin as its texture.
            self.trust = float(np.clip((1.6 - blockiness(plane)) / 0.4, 0, 1))
            self.skin = skin_mask(pixels_of(crop.latest), crop.template) * (1 - settings.skin)
        if self.grain:
            levels = (grain_levels(luminance(x)) for x in (window, self._kept(window_place)))
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
        return np.ascontiguousarray(blend)

    def _kept(self, place: Place) -> Pixels:
        left, top, right, bottom = place
        picture = self.job.picture[top:bottom, left:right]
        blend = warped(self.pasted, self.matrix, place)
        added: list[Shape] = []
        if self.texture:
            amount = warped(self.skin, self.matrix, place)
            if self.job.texture is not None:
                amount = np.maximum(amount, self.job.texture[top:bottom, left:right])
            amount *= np.float32(self.trust)
            added.append(texture_change(picture, blend, self.noise, self.sigma) * amount)
        if self.detail:
            crop = warped(self.crop, self.matrix, place)
            added.append(kept_detail(picture, crop, blend, self.detail_noise, self.scale))
        for plane in added:
            blend += cv2.merge([plane, plane, plane])
        return blend


def middle(place: Place, most: int) -> Place:
    """The middle of a rectangle, at most so many pixels each way."""
    left, top, right, bottom = place
    x, y = max(0, right - left - most) // 2, max(0, bottom - top - most) // 2
    return left + x, top + y, right - x, bottom - y


def warped(pixels: Pixels, crop_to_picture: Matrix, place: Place) -> Pixels:
    """Pixels of a crop where they lie in the rectangle (left, top, right, bottom) of the picture, 0 outside."""
    left, top, right, bottom = place
    matrix = crop_to_picture - [[0, 0, left], [0, 0, top]]
    return np.asarray(cv2.warpAffine(pixels, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR), np.float32)


def width_of(crop: Crop) -> float:
    """How wide a crop is in its picture, in pixels."""
    return scale_of(crop.crop_to_picture) * crop.size


def pixels_of(crop: Tensor) -> Pixels:
    return crop.detach().to("cpu", torch.float32).numpy()
