"""Restored faces back into their picture.

Each face is done on its own rectangle instead of the whole frame. The masks "box" and "official" are composed as
official code does: where faces overlap the larger mask wins, because their squares hold parts of each other. "oval" and
"parse" are faces themselves: the nearer (larger) one is seen, and the other beside it.

One thing always differs: official code samples a crop that shrinks bilinearly, and smooths it with [1 2 1] where the
face is smaller than 100 pixels. We smooth by as much as the crop shrinks: about the same for GPEN-512 at that limit,
more for larger networks and smaller faces, less for GPEN-256, and without the jump at 100 pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import SettingError, advice_on_out_of_memory
from ..faces.face import Crop, Face, Faces
from ..image.given import GivenPicture
from ..image.picture import as_mask, as_rgb, with_alpha_of
from ..image.warp import Matrix, Pixels, Plane, Rectangle, footprint, inverse, scale_of, smoothed
from ..options import settled
from ..progress import Progress
from .color import matched_color
from .finish import Finish, Job, pixels_of, warped, width_of
from .masks import MASKS, check_parser, distance_inside, mask_of
from .parsers import Parser
from .settings import PasteSettings

# A rectangle is done in bands of so many rows, so that a face as large as an 8K picture needs little memory beside it.
BAND_ROWS = 256
# What a mask shows less of is not done: half a grey level, of white on black.
LEAST_SHARE = 1 / 512
# Over so much of a nearer face's crop, beside its mask, the face behind it fades in.
FADE_BEHIND = 0.03


@dataclass(frozen=True, eq=False)
class Pasted:
    """Pictures with their restored faces in them."""

    image: Tensor
    """(B, H, W, 3) float32 in 0..1, on the CPU; (B, H, W, 4) where the pictures came with alpha"""
    mask: Tensor
    """(B, H, W) float32 in 0..1: how much of each pixel comes from a restored face"""


@advice_on_out_of_memory("to paste the faces", "give fewer or smaller pictures at a time")
def paste_faces(
    picture: GivenPicture,
    faces: Faces,
    settings: PasteSettings | None = None,
    *,
    parser: Parser | None = None,
    custom_mask: Tensor | None = None,
    keep_texture: Tensor | None = None,
    cut_from: "GivenPicture | None" = None,
    on_progress: Progress | None = None,
    **changes: Any,
) -> Pasted:
    """Put restored faces back where they were.

    Faces that were not restored are passed over, and so are those that the network gave back unchanged: the way
    through the crop would only blur them. Pixels without a face stay exactly as they were.

    Args:
        picture: (B, H, W, C) in 0..1, of any size: faces found in a smaller or larger copy of it are moved along.
        faces: what `restore_faces` returned.
        settings: how they are pasted.
        parser: what tells the parts of a face apart, for the masks that need one: `gpen.open_parser(mask)`.
        custom_mask: (B or 1, H, W) in 0..1: where restored pixels may go; of another size it is stretched.
        keep_texture: (B or 1, H, W) in 0..1: places whose own texture stays whatever `skin` says.
        cut_from: (B, h, w, C), what the faces were cut out of, where `picture` is an enlarged copy of it: an upscaler
            hides the noise by which is told what of a face is its own.
        on_progress: called with (faces done, faces in all) after each restored face.
        **changes: single settings by name, as in `paste_faces(picture, faces, strength=0.5)`.

    Raises `PictureError` for something that is not a picture, and `SettingError` for a setting that cannot be, a mask
    without its parser, and faces or masks of another number of pictures.
    """
    settings = settled(PasteSettings, settings, changes)
    check_parser(settings.mask, parser)
    given, picture = picture, as_rgb(picture)
    placed = faces.placed_on(picture)
    image, shares = torch.empty_like(picture, memory_format=torch.contiguous_format), torch.empty(picture.shape[:3])
    allowed, texture = as_mask(custom_mask, picture), as_mask(keep_texture, picture)
    source = None if cut_from is None else as_rgb(cut_from)
    if source is not None and len(source) != len(picture):
        raise SettingError(f"{len(picture)} pictures cannot be enlarged copies of {len(source)}")
    total, done = sum(_is_restored(face) for face in placed), 0

    def count(_: int, __: int | None) -> None:
        nonlocal done
        done += 1
        if on_progress:
            on_progress(done, total)

    for frame, before in enumerate(picture):
        image[frame], shares[frame] = paste_frame(
            before,
            placed.of_frame(frame),
            settings,
            parser=parser,
            allowed=_of(allowed, frame),
            texture=_of(texture, frame),
            source=_of(source, frame),
            on_progress=count,
        )
    return Pasted(with_alpha_of(given, image), shares)


def paste_frame(
    picture: Tensor,
    faces: Sequence[Face],
    settings: PasteSettings,
    *,
    parser: Parser | None = None,
    allowed: Tensor | None = None,
    texture: Tensor | None = None,
    source: Tensor | None = None,
    on_progress: Progress | None = None,
) -> tuple[Tensor, Tensor]:
    """Put the restored faces of one picture back.

    Args:
        picture: (H, W, 3) float32 in 0..1.
        faces: those of this picture, placed on it.
        settings: how they are pasted.
        parser: as in `paste_faces`.
        allowed: (H, W) in 0..1: where restored pixels may go.
        texture: (H, W) in 0..1: places whose own texture stays.
        source: (h, w, 3), what the faces were cut out of, where `picture` is an enlarged copy of it.
        on_progress: called with (faces done, faces in all) after each restored face.

    Returns the picture (H, W, 3), and (H, W) in 0..1: how much of each pixel comes from a restored face.
    """
    image, shares = picture.clone(memory_format=torch.contiguous_format), torch.zeros(picture.shape[:2])
    if settings.strength == 0:
        return image, shares
    pending = [(face, face.crop) for face in faces if face.crop is not None and _is_restored(face)]
    if MASKS[settings.mask].nearer_wins:
        # Of two that are as near, the one found first is drawn last.
        pending.sort(key=lambda pair: (width_of(pair[1]), -pair[0].number))
    pictures = [None if one is None else one.numpy() for one in (allowed, texture, source)]
    jobs = [
        _job(face, crop, settings, picture.numpy(), pictures) if _changes_something(face, crop) else None
        for face, crop in pending
    ]
    masks = [None if job is None else _mask(job, parser) for job in jobs]
    for done, (job, mask) in enumerate(zip(jobs, masks, strict=True), 1):
        if job is not None and mask is not None:
            nearer = zip(jobs[done:], masks[done:], strict=True) if MASKS[settings.mask].nearer_wins else ()
            free = _not_hidden(job, mask, [(one.crop, shape) for one, shape in nearer if one and shape is not None])
            _paste(job, mask, free, image.numpy(), shares.numpy())
        if on_progress:
            on_progress(done, len(pending))
    # A mask of 1 shows `strength` of the restored face; the rest is the face as it was.
    return image, shares.mul_(settings.strength)


def _job(face: Face, crop: Crop, settings: PasteSettings, picture: Pixels, others: list[Pixels | None]) -> Job:
    replaced = face.outcome.kind == "replaced"
    # The same grain at every run, and another one in each frame of a clip.
    return Job(crop, face.weight, settings, picture, *others, seed=face.key, replaced=replaced)


def _mask(job: Job, parser: Parser | None) -> Plane:
    """How much of the crop (S, S) is pasted where."""
    settings = job.settings
    mask = mask_of(job.crop, settings.mask, settings.parts, settings.grow, settings.feather, parser)
    return mask * np.float32(job.weight)


def _not_hidden(job: Job, mask: Plane, nearer: Sequence[tuple[Crop, Plane]]) -> Plane | None:
    """(H, W) in 0..1: where no nearer face is before this one, or None where none meets it.

    Beside a nearer face it fades in, so that there is no seam. Otherwise the soft edge of the nearer one would show it
    as a ghost of the restored face behind.
    """
    hw = job.picture.shape[:2]
    place = _touched(mask > LEAST_SHARE, job.crop.crop_to_picture, hw)
    free: Plane | None = None
    for crop, shape in nearer:
        fade = max(2.0, FADE_BEHIND * width_of(crop))
        reach = round(fade) + 1
        x, y, x_end, y_end = _touched(shape > LEAST_SHARE, crop.crop_to_picture, hw)
        left, top, right, bottom = _common(place, (x - reach, y - reach, x_end + reach, y_end + reach))
        if right <= left or bottom <= top:
            continue
        # Their whole neighbourhood is looked at: what hides the face may lie just beside its place.
        wide = max(left - reach, 0), max(top - reach, 0), min(right + reach, hw[1]), min(bottom + reach, hw[0])
        hidden = warped(shape, crop.crop_to_picture, wide) > 0
        away = distance_inside((~hidden).astype(np.uint8))
        if free is None:
            free = np.ones(hw, np.float32)
        here = free[wide[1] : wide[3], wide[0] : wide[2]]
        np.minimum(here, (away - 1) / np.float32(fade), out=here)
    return None if free is None else free.clip(0, 1)


def _common(one: Rectangle, other: Rectangle) -> Rectangle:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _is_restored(face: Face) -> bool:
    return face.crop is not None and face.crop.after is not None


def _changes_something(face: Face, crop: Crop) -> bool:
    """Whether pasting a face can change a pixel."""
    matrix = crop.crop_to_picture
    if crop.after is None or not np.isfinite(matrix).all() or not face.size > 0:
        return False
    return width_of(crop) >= 1 and not np.array_equal(pixels_of(crop.before), pixels_of(crop.after))


def _paste(job: Job, mask: Plane, free: Plane | None, image: Pixels, shares: Plane) -> None:
    """Draw a face into `image` (H, W, 3) and its mask into `shares` (H, W), where `free` (H, W) lets it be seen."""
    kind, matrix = MASKS[job.settings.mask], job.crop.crop_to_picture
    place = left, top, right, bottom = _touched(mask > (LEAST_SHARE if kind.nearer_wins else 0), matrix, shares.shape)
    if right <= left or bottom <= top:
        return
    pasted, opacity = _to_paste(job, mask, shares.shape)
    region = as_mask(job.crop.paste_region, torch.from_numpy(job.picture)[None])
    limits = [one for one in (job.allowed, None if region is None else region[0].numpy(), free) if one is not None]
    finish = Finish(job, pasted, place)
    for band in range(top, bottom, BAND_ROWS):
        rows = slice(band, min(band + BAND_ROWS, bottom))
        here = np.s_[rows, left:right]
        under, share_before = image[here], shares[here]
        share = warped(mask, matrix, (left, rows.start, right, rows.stop))
        for limit in limits:
            share *= limit[here]
        blend = finish.band(rows)
        if kind.nearer_wins:
            covered, share_after = share > 0, share + share_before * (1 - share)
        else:
            # Strictly larger, so that the face found first wins a tie, and what no face covers stays as it was.
            covered, share_after, under = share > share_before, share, job.picture[here]
        blend -= under
        weight = share * opacity
        blend *= cv2.merge([weight, weight, weight])
        blend += under
        np.clip(blend, 0, 1, out=blend)  # sums of numbers in 0..1 are off by their rounding
        # Many times faster than NumPy's assignment with a mask; it writes into the array that it is given.
        cv2.copyTo(blend, covered.view(np.uint8), image[here])
        cv2.copyTo(share_after, covered.view(np.uint8), share_before)


def _to_paste(job: Job, mask: Plane, picture_hw: tuple[int, ...]) -> tuple[Pixels, float]:
    """The restored crop (S, S, 3) in its colours, smoothed for its place, and how opaque it is."""
    crop, settings = job.crop, job.settings
    before, after = pixels_of(crop.before), pixels_of(crop.latest)
    if settings.color != "off":
        weights = mask * _inside(crop.crop_to_picture, crop.size, picture_hw)
        after = matched_color(after, before, weights, settings.color)
    pasted = smoothed(after, 1 / scale_of(crop.crop_to_picture))
    if not MASKS[settings.mask].as_official:
        return pasted, settings.strength
    # As official code: the crop shows through, and not the picture itself. It is not smoothed: it came out of this
    # picture, so it has no detail too fine for it.
    return np.asarray(settings.strength * pasted + (1 - settings.strength) * before, np.float32), 1.0


def _touched(shown: npt.NDArray[np.bool_], crop_to_picture: Matrix, picture_hw: tuple[int, ...]) -> Rectangle:
    """The rectangle of the picture that the pixels of a crop (S, S) that are shown lie in."""
    x, y, width, height = cv2.boundingRect(shown.astype(np.uint8))
    shifted = crop_to_picture.copy()
    shifted[:, 2] += shifted[:, :2] @ [x, y]
    return footprint(shifted, (width, height), picture_hw)


def _inside(crop_to_picture: Matrix, size: int, picture_hw: tuple[int, ...]) -> Plane:
    """(S, S): 1 where the crop shows the picture, 0 where it reaches over its edge."""
    left, top, right, bottom = footprint(crop_to_picture, size, picture_hw)
    ones = np.ones((bottom - top, right - left), np.float32)
    matrix = inverse(crop_to_picture - [[0, 0, left], [0, 0, top]])
    return np.asarray(cv2.warpAffine(ones, matrix, (size, size), flags=cv2.INTER_LINEAR), np.float32)


def _of(masks: Tensor | None, frame: int) -> Tensor | None:
    return None if masks is None else masks[frame]
