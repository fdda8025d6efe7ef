"""Restored faces back into their picture.

Each face is done on its own rectangle instead of the whole frame. The masks "box" and "official" are composed as
official code does: where faces overlap the larger mask wins, because their squares hold parts of each other. "oval" and
"parse" are faces themselves: the nearer (larger) one is drawn over the other.

One thing always differs: official code samples a crop that shrinks bilinearly, and smooths it with [1 2 1] where the
face is smaller than 100 pixels. We smooth by as much as the crop shrinks: about the same for GPEN-512 at that limit,
more for larger networks and smaller faces, less for GPEN-256, and without the jump at 100 pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..faces.face import Face, Faces
from ..image.grain import grain, grain_levels, missing_grain
from ..image.picture import as_mask, as_rgb
from ..image.warp import Matrix, Pixels, footprint, inverse, scale_of, smoothed
from .color import matched_color
from .masks import Shape, mask_of
from .settings import PasteSettings
from .texture import (
    TEXTURE_SIGMA,
    beyond_crop,
    blockiness,
    flat_level,
    kept_detail,
    luminance,
    noise_level,
    skin_mask,
    texture_change,
)

# A rectangle is done in bands of so many rows, so that a face as large as an 8K picture needs little memory beside it.
BAND_ROWS = 256
# Noise is measured in a window of at most so many pixels each way; that of detail in one that holds little but face.
WINDOW = 768
DETAIL_WINDOW = 256
# What a mask shows less of is not done: half a grey level, of white on black.
LEAST_SHARE = 1 / 512

Place = tuple[int, int, int, int]
"""left, top, right, bottom of a rectangle of the picture, in whole pixels"""


@dataclass(frozen=True, eq=False)
class Pasted:
    """Pictures with their restored faces in them."""

    image: Tensor
    """(B, H, W, 3) float32 in 0..1, on the CPU"""
    mask: Tensor
    """(B, H, W) float32 in 0..1: how much of each pixel comes from a restored face"""


def paste_faces(
    picture: Tensor,
    faces: Faces,
    settings: PasteSettings | None = None,
    *,
    on_face: Callable[[int, int], None] | None = None,
    **changes: Any,
) -> Pasted:
    """Put restored faces back where they were.

    Faces that were not restored are passed over, and so are those that the network gave back unchanged: the way
    through the crop would only blur them. Pixels without a face stay exactly as they were.

    Args:
        picture: (B, H, W, C) in 0..1, of any size: faces found in a smaller or larger copy of it are moved along.
        faces: what `restore_faces` returned.
        settings: how they are pasted.
        on_face: called with (faces done, faces in all) after each pasted face; what it raises stops the work.
        **changes: single settings by name, as in `paste_faces(picture, faces, strength=0.5)`.

    Raises `PictureError` for something that is not a picture, and `SettingError` for a setting out of its range or
    faces of another number of pictures.
    """
    settings = replace(settings or PasteSettings(), **changes)
    picture = as_rgb(picture)
    frames, height, width, _ = picture.shape
    placed = faces.placed_on(picture)
    image, shares = picture.clone(memory_format=torch.contiguous_format), torch.zeros(frames, height, width)
    allowed, texture = as_mask(settings.custom_mask, picture), as_mask(settings.keep_texture, picture)
    pending = [(i, face) for i, face in enumerate(placed) if _has_something_to_paste(face)]
    pending = pending if settings.strength > 0 else []
    if _nearer_wins(settings):
        # Of two that are as near, the one found first is drawn last.
        pending.sort(key=lambda item: (_width(item[1]), -item[0]))
    for done, (index, face) in enumerate(pending, 1):
        frame = face.frame
        seed = (settings.first_frame + frame, index)
        job = _Job(face, settings, picture[frame].numpy(), _of(allowed, frame), _of(texture, frame), seed)
        _paste(job, image[frame].numpy(), shares[frame].numpy())
        if on_face:
            on_face(done, len(pending))
    # A mask of 1 shows `strength` of the restored face; the rest is the face as it was.
    return Pasted(image, shares.mul_(settings.strength))


def _has_something_to_paste(face: Face) -> bool:
    if face.crop is None or face.restored is None or face.crop_to_picture is None:
        return False
    matrix = face.crop_to_picture
    if not np.isfinite(matrix).all() or not face.size > 0:
        return False
    covers_a_pixel = scale_of(matrix) * len(face.restored) >= 1
    return covers_a_pixel and not np.array_equal(_pixels(face.crop), _pixels(face.restored))


def _nearer_wins(settings: PasteSettings) -> bool:
    return settings.mask in ("oval", "parse")


def _width(face: Face) -> float:
    assert face.restored is not None and face.crop_to_picture is not None
    return scale_of(face.crop_to_picture) * len(face.restored)


@dataclass(frozen=True, eq=False)
class _Job:
    """One face to paste into one picture."""

    face: Face
    settings: PasteSettings
    picture: Pixels
    """(H, W, 3) as it came in, without other faces."""
    allowed: Shape | None
    """(H, W): where restored pixels may go"""
    texture: Shape | None
    """(H, W): whose own texture stays"""
    seed: tuple[int, int]


def _paste(job: _Job, image: Pixels, shares: Shape) -> None:
    """Draw a face into `image` (H, W, 3) and its mask into `shares` (H, W)."""
    face, settings = job.face, job.settings
    assert face.crop is not None and face.restored is not None and face.crop_to_picture is not None
    size, crop_to_picture = len(face.restored), face.crop_to_picture
    mask = mask_of(face, settings) * np.float32(face.weight)
    least = LEAST_SHARE if _nearer_wins(settings) else 0
    place = left, top, right, bottom = _touched(mask > least, crop_to_picture, shares.shape)
    if right <= left or bottom <= top:
        return
    crop, restored = _pixels(face.crop), _pixels(face.restored)
    if settings.color != "off":
        weights = mask * _inside(crop_to_picture, size, shares.shape)
        restored = matched_color(restored, crop, weights, settings.color)
    pasted = smoothed(restored, 1 / scale_of(crop_to_picture))
    opacity = settings.strength
    if settings.mask == "official":
        # As official code: the crop shows through, and not the picture itself. It is not smoothed: it came out of this
        # picture, so it has no detail too fine for it.
        pasted = np.asarray(opacity * pasted + (1 - opacity) * crop, np.float32)
        opacity = 1.0
    within = _of(as_mask(face.within, torch.from_numpy(job.picture)[None]), 0)
    finish = _Finish(job, pasted, place)
    for band in range(top, bottom, BAND_ROWS):
        rows = slice(band, min(band + BAND_ROWS, bottom))
        here = np.s_[rows, left:right]
        under, share_before = image[here], shares[here]
        share = _warped(mask, crop_to_picture, (left, rows.start, right, rows.stop))
        for allowed in (job.allowed, within):
            if allowed is not None:
                share *= allowed[here]
        blend = finish.band(rows)
        if _nearer_wins(settings):
            covered, share_after = share > 0, share + share_before * (1 - share)
        else:
            # Strictly larger, so that the face found first wins a tie, and what no face covers stays as it was.
            covered, share_after, under = share > share_before, share, job.picture[here]
        blend -= under
        weight = share * opacity
        blend *= cv2.merge([weight, weight, weight])
        blend += under
        # Many times faster than NumPy's assignment with a mask; it writes into the array that it is given.
        cv2.copyTo(blend, covered.view(np.uint8), image[here])
        cv2.copyTo(share_after, covered.view(np.uint8), share_before)


class _Finish:
    """A restored face in the space of its picture, with what it is to keep of it: detail, texture, grain."""

    def __init__(self, job: _Job, pasted: Pixels, place: Place):
        face, settings = job.face, job.settings
        assert face.crop is not None and face.restored is not None and face.crop_to_picture is not None
        self.job, self.pasted, self.place = job, pasted, place
        self.matrix, self.scale = face.crop_to_picture, scale_of(face.crop_to_picture)
        self.sigma = max(0.8, TEXTURE_SIGMA * _width(face))
        # The official mask is for who wants the official picture, and the detail of what is filled in is to go.
        self.detail = settings.large_faces == "keep detail" and settings.mask != "official" and face.within is None
        self.texture = settings.skin < 1 or job.texture is not None
        self.grain = settings.grain > 0
        self.margin = 0
        if self.detail:
            left, top, right, bottom = middle = _middle(place, DETAIL_WINDOW)
            # Of luminance alone: colour that fine is not seen, and compressed pictures have none.
            self.crop = luminance(smoothed(_pixels(face.crop), 1 / self.scale))
            self.margin = max(self.margin, round(5 * max(1.0, self.scale)) + 2)
            crop = _warped(self.crop, self.matrix, middle)
            beyond = beyond_crop(luminance(job.picture[top:bottom, left:right]), crop, self.scale)
            self.detail_noise = flat_level(beyond)
        left, top, right, bottom = window_place = _middle(place, WINDOW)
        window = job.picture[top:bottom, left:right]
        if self.texture:
            self.margin = max(self.margin, round(6 * self.sigma))
            plane = luminance(window)
            self.noise = noise_level(plane)
            # From clean to a compression whose blocks are seen: those would be laid over the skin as its texture.
            self.trust = float(np.clip((1.6 - blockiness(plane)) / 0.4, 0, 1))
            self.skin = skin_mask(_pixels(face.restored)) * (1 - settings.skin)
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
        blend = _warped(self.pasted, self.matrix, place)
        added: list[Shape] = []
        if self.texture:
            amount = _warped(self.skin, self.matrix, place)
            if self.job.texture is not None:
                amount = np.maximum(amount, self.job.texture[top:bottom, left:right])
            amount *= np.float32(self.trust)
            added.append(texture_change(picture, blend, self.noise, self.sigma) * amount)
        if self.detail:
            crop = _warped(self.crop, self.matrix, place)
            added.append(kept_detail(picture, crop, blend, self.detail_noise, self.scale))
        for plane in added:
            blend += cv2.merge([plane, plane, plane])
        return blend


def _touched(shown: npt.NDArray[np.bool_], crop_to_picture: Matrix, picture_hw: tuple[int, ...]) -> Place:
    """The rectangle of the picture that the pixels of a crop (S, S) that are shown lie in."""
    x, y, width, height = cv2.boundingRect(shown.astype(np.uint8))
    shifted = crop_to_picture.copy()
    shifted[:, 2] += shifted[:, :2] @ [x, y]
    return footprint(shifted, (width, height), picture_hw)


def _middle(place: Place, most: int) -> Place:
    """The middle of a rectangle, at most so many pixels each way."""
    left, top, right, bottom = place
    x, y = max(0, right - left - most) // 2, max(0, bottom - top - most) // 2
    return left + x, top + y, right - x, bottom - y


def _warped(pixels: Pixels, crop_to_picture: Matrix, place: Place) -> Pixels:
    """Pixels of a crop where they lie in the rectangle (left, top, right, bottom) of the picture, 0 outside."""
    left, top, right, bottom = place
    matrix = crop_to_picture - [[0, 0, left], [0, 0, top]]
    return np.asarray(cv2.warpAffine(pixels, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR), np.float32)


def _inside(crop_to_picture: Matrix, size: int, picture_hw: tuple[int, ...]) -> Shape:
    """(S, S): 1 where the crop shows the picture, 0 where it reaches over its edge."""
    left, top, right, bottom = footprint(crop_to_picture, size, picture_hw)
    ones = np.ones((bottom - top, right - left), np.float32)
    matrix = inverse(crop_to_picture - [[0, 0, left], [0, 0, top]])
    return np.asarray(cv2.warpAffine(ones, matrix, (size, size), flags=cv2.INTER_LINEAR), np.float32)


def _of(masks: Tensor | None, frame: int) -> Shape | None:
    return None if masks is None else masks[frame].numpy()


def _pixels(crop: Tensor) -> Pixels:
    return crop.detach().to("cpu", torch.float32).numpy()
