"""Restored faces back into their picture.

The composition is official code's (one mask a face, the larger mask wins where faces overlap), done on each face's
own rectangle instead of the whole frame. One thing differs: official code samples a crop that shrinks bilinearly,
and smooths it with [1 2 1] where the face is smaller than 100 pixels. We smooth by as much as the crop shrinks:
about the same for GPEN-512 at that limit, more for larger networks and smaller faces, less for GPEN-256, and
without the jump at 100 pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import SettingError
from ..faces.face import Face, Faces
from .masks import MASKS, Mask, mask_named
from .picture import as_mask, as_rgb
from .warp import Pixels, footprint, scale_of, smoothed

# A rectangle is done in bands of so many rows, so that a face as large as an 8K picture needs little memory beside it.
BAND_ROWS = 256


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
    *,
    strength: float = 1.0,
    mask: str = MASKS[0],
    on_face: Callable[[int, int], None] | None = None,
) -> Pasted:
    """Put restored faces back where they were.

    Faces that were not restored are passed over, and so are those that the network gave back unchanged: the way
    through the crop would only blur them. Pixels without a face stay exactly as they were.

    Args:
        picture: (B, H, W, C) in 0..1, of any size: faces found in a smaller or larger copy of it are moved along.
        faces: what `restore_faces` returned.
        strength: how much of the restored face is seen, 0..1.
        mask: what of the crop is pasted, one of `MASKS`.
        on_face: called with (faces done, faces in all) after each pasted face; what it raises stops the work.

    Raises `PictureError` for something that is not a picture, and `SettingError` for a strength outside 0..1, an
    unknown mask, or faces of another number of pictures.
    """
    mask_of = mask_named(mask)
    if not 0 <= strength <= 1:
        raise SettingError(f"the strength must be between 0 and 1, and it is {strength}")
    picture = as_rgb(picture)
    frames, height, width, _ = picture.shape
    placed = faces.placed_on(picture)
    image, shares = picture.clone(memory_format=torch.contiguous_format), torch.zeros(frames, height, width)
    pending = [face for face in placed if _has_something_to_paste(face)] if strength > 0 else []
    for done, face in enumerate(pending, 1):
        frame = face.frame
        _paste(face, strength, mask_of, picture[frame].numpy(), image[frame].numpy(), shares[frame].numpy())
        if on_face:
            on_face(done, len(pending))
    # A mask of 1 shows `strength` of the restored face; the rest is the face as it was.
    return Pasted(image, shares.mul_(strength))


def _has_something_to_paste(face: Face) -> bool:
    if face.crop is None or face.restored is None or face.crop_to_picture is None:
        return False
    matrix = face.crop_to_picture
    if not np.isfinite(matrix).all() or not face.size > 0:
        return False
    covers_a_pixel = scale_of(matrix) * len(face.restored) >= 1
    return covers_a_pixel and not np.array_equal(_pixels(face.crop), _pixels(face.restored))


def _paste(face: Face, strength: float, mask_of: Mask, picture: Pixels, image: Pixels, shares: Pixels) -> None:
    """Draw a face into `image` (H, W, 3) and its mask into `shares` (H, W), where its mask is the largest so far."""
    assert face.crop is not None and face.restored is not None and face.crop_to_picture is not None
    size, crop_to_picture = len(face.restored), face.crop_to_picture
    left, top, right, bottom = footprint(crop_to_picture, size, shares.shape)
    if right <= left or bottom <= top:
        return
    pasted = smoothed(_pixels(face.restored), 1 / scale_of(crop_to_picture))
    if strength < 1:
        # The crop is not smoothed: it came out of this picture, so it has no detail too fine for it.
        pasted = strength * pasted + (1 - strength) * _pixels(face.crop)
    mask = mask_of(face) * np.float32(face.weight)
    within = as_mask(face.within, torch.from_numpy(picture)[None])
    for band in range(top, bottom, BAND_ROWS):
        place = np.s_[band : min(band + BAND_ROWS, bottom), left:right]
        before, share_before = picture[place], shares[place]
        matrix, width_height = crop_to_picture - [[0, 0, left], [0, 0, band]], share_before.shape[::-1]
        share = np.asarray(cv2.warpAffine(mask, matrix, width_height, flags=cv2.INTER_LINEAR), np.float32)
        if within is not None:
            share *= within[0].numpy()[place]
        blend = np.asarray(cv2.warpAffine(pasted, matrix, width_height, flags=cv2.INTER_LINEAR), np.float32)
        blend -= before
        blend *= cv2.merge([share, share, share])
        blend += before
        # Strictly larger, so that the face found first wins a tie, and what no face covers stays as it was.
        wins = (share > share_before).view(np.uint8)
        # Many times faster than NumPy's assignment with a mask; it writes into the array that it is given.
        cv2.copyTo(blend, wins, image[place])
        cv2.copyTo(share, wins, share_before)


def _pixels(crop: Tensor) -> Pixels:
    return crop.detach().to("cpu", torch.float32).numpy()
