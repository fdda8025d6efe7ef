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
from ..image.picture import as_mask, as_rgb
from ..image.warp import Matrix, Pixels, footprint, inverse, scale_of, smoothed
from .color import matched_color
from .finish import Finish, Job, Place, pixels_of, warped, width_of
from .masks import Shape, mask_of
from .settings import PasteSettings

# A rectangle is done in bands of so many rows, so that a face as large as an 8K picture needs little memory beside it.
BAND_ROWS = 256
# What a mask shows less of is not done: half a grey level, of white on black.
LEAST_SHARE = 1 / 512


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
        pending.sort(key=lambda item: (width_of(item[1]), -item[0]))
    for done, (index, face) in enumerate(pending, 1):
        frame = face.frame
        seed = (settings.first_frame + frame, index)
        job = Job(face, settings, picture[frame].numpy(), _of(allowed, frame), _of(texture, frame), seed)
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
    return covers_a_pixel and not np.array_equal(pixels_of(face.crop), pixels_of(face.restored))


def _nearer_wins(settings: PasteSettings) -> bool:
    return settings.mask in ("oval", "parse")


def _paste(job: Job, image: Pixels, shares: Shape) -> None:
    """Draw a face into `image` (H, W, 3) and its mask into `shares` (H, W)."""
    face, settings = job.face, job.settings
    assert face.crop is not None and face.restored is not None and face.crop_to_picture is not None
    size, crop_to_picture = len(face.restored), face.crop_to_picture
    mask = mask_of(face, settings) * np.float32(face.weight)
    least = LEAST_SHARE if _nearer_wins(settings) else 0
    place = left, top, right, bottom = _touched(mask > least, crop_to_picture, shares.shape)
    if right <= left or bottom <= top:
        return
    crop, restored = pixels_of(face.crop), pixels_of(face.restored)
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
    finish = Finish(job, pasted, place)
    for band in range(top, bottom, BAND_ROWS):
        rows = slice(band, min(band + BAND_ROWS, bottom))
        here = np.s_[rows, left:right]
        under, share_before = image[here], shares[here]
        share = warped(mask, crop_to_picture, (left, rows.start, right, rows.stop))
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


def _touched(shown: npt.NDArray[np.bool_], crop_to_picture: Matrix, picture_hw: tuple[int, ...]) -> Place:
    """The rectangle of the picture that the pixels of a crop (S, S) that are shown lie in."""
    x, y, width, height = cv2.boundingRect(shown.astype(np.uint8))
    shifted = crop_to_picture.copy()
    shifted[:, 2] += shifted[:, :2] @ [x, y]
    return footprint(shifted, (width, height), picture_hw)


def _inside(crop_to_picture: Matrix, size: int, picture_hw: tuple[int, ...]) -> Shape:
    """(S, S): 1 where the crop shows the picture, 0 where it reaches over its edge."""
    left, top, right, bottom = footprint(crop_to_picture, size, picture_hw)
    ones = np.ones((bottom - top, right - left), np.float32)
    matrix = inverse(crop_to_picture - [[0, 0, left], [0, 0, top]])
    return np.asarray(cv2.warpAffine(ones, matrix, (size, size), flags=cv2.INTER_LINEAR), np.float32)


def _of(masks: Tensor | None, frame: int) -> Shape | None:
    return None if masks is None else masks[frame].numpy()
