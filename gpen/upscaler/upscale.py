"""A picture of any size through an upscaler: in tiles that memory has room for, each seen with what is around it."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import OutOfMemory, advice_on_out_of_memory, unless_out_of_memory
from ..image.given import GivenPicture
from ..image.picture import as_rgb, with_alpha_of
from ..image.tiles import faded_tiles
from ..options import settled
from ..progress import Progress
from .network import Upscaler
from .settings import LEAST_TILE, UpscaleSettings

TILE = 256
"""Side of a tile where nobody knows how much memory there is, in pixels."""
MOST_TILE = 1024
"""Larger ones are no quicker."""
AROUND = 16
"""Pixels beside a tile that the network sees as well, and that are not kept: a place depends on what is around it."""
FADE = 8
"""Pixels over which neighbouring tiles fade into each other."""
WINDOW = 16
"""Tiles begin at multiples of so many pixels, or of what the network asks for: some look at a picture in windows."""


@advice_on_out_of_memory(
    "to enlarge the picture", "choose a smaller scale, or give fewer or smaller pictures at a time"
)
def upscale(
    upscaler: Upscaler,
    picture: GivenPicture,
    settings: UpscaleSettings | None = None,
    *,
    on_progress: Progress | None = None,
    **changes: Any,
) -> Tensor:
    """Enlarge pictures, in tiles where memory has no room for all of one at once.

    Where memory runs out, tiles become smaller, and what is done is kept.

    Args:
        upscaler: what `open_upscaler` returned.
        picture: (B, H, W, C) in 0..1.
        settings: how.
        on_progress: called with (pixels done, pixels in all) after each tile; what it raises stops the work.
        **changes: single settings by name, as in `upscale(upscaler, picture, scale=2)`.

    Returns (B, sH, sW, 3) float32 in 0..1, on the CPU; (B, sH, sW, 4) where the pictures came with alpha, which is
    resized. Raises `SettingError` for a setting that cannot be, `CheckpointError` where the upscaler gives no picture,
    and `OutOfMemory` where not even a tile of 32 pixels fits.
    """
    settings = settled(UpscaleSettings, settings, changes)
    given, picture = picture, as_rgb(picture)
    result = picture.new_empty(len(picture), *enlarged_size(upscaler, settings, picture), 3)
    pixels, done = math.prod(picture.shape[:3]), 0.0

    def count(share: float) -> None:
        nonlocal done
        done += share
        if on_progress:
            on_progress(round(done * pixels / len(picture)), pixels)

    tile = settings.tile
    for frame, one in enumerate(picture):
        work = _Enlarging(upscaler, one.movedim(2, 0), tile, count)
        result[frame] = _of_size(work.place(0, 0, *one.shape[:2]).movedim(0, 2), *result.shape[1:3])
        tile = work.tile  # what fits
    return with_alpha_of(given, result)


def enlarged_size(upscaler: Upscaler, settings: UpscaleSettings, picture: Tensor) -> tuple[int, int]:
    """Height and width that pictures (B, H, W, C) become."""
    scale = settings.scale or upscaler.scale
    height, width = (max(1, round(side * scale)) for side in picture.shape[1:3])
    return height, width


class _Enlarging:
    """One picture (3, H, W) on its way through an upscaler.

    Args:
        tile: side of the tiles; 0: what memory has room for.
        count: called with the share of the picture that is done, after each tile.
    """

    def __init__(self, upscaler: Upscaler, picture: Tensor, tile: int, count: Callable[[float], None]):
        self.upscaler, self.picture, self.count = upscaler, picture, count
        self.window = math.lcm(WINDOW, upscaler.descriptor.size_requirements.multiple_of)
        self.tile = tile or (max(picture.shape[1:]) if upscaler.whole else self._what_fits())

    def place(self, top: int, left: int, height: int, width: int, share: float = 1.0) -> Tensor:
        """A part of the picture, enlarged: (3, s·height, s·width). `share` is how much of the work it is."""
        if max(height, width) <= self.tile:
            done = unless_out_of_memory(partial(self._at_once, top, left, height, width))
            if done is not None:
                self.count(share)
                return done
            self.tile = max(height, width) // 2
            if self.tile < LEAST_TILE:
                raise OutOfMemory(
                    f"not enough memory for {self.upscaler.name} on {width}×{height} pixels; close other programs, "
                    "choose a lower precision or a smaller upscaler"
                )
        return self._in_tiles(top, left, height, width, share)

    def _in_tiles(self, top: int, left: int, height: int, width: int, share: float) -> Tensor:
        scale = self.upscaler.scale
        rows, columns = (
            faded_tiles(side, min(self.tile, side), FADE if side > self.tile else 0) for side in (height, width)
        )
        result = torch.zeros(3, height * scale, width * scale)
        share /= len(rows) * len(columns)
        for down, across in ((down, across) for down in rows for across in columns):
            (y, fade_down), (x, fade_across) = down, across
            tile = self.place(top + y, left + x, len(fade_down), len(fade_across), share)
            weights = fade_down.repeat_interleave(scale)[:, None] * fade_across.repeat_interleave(scale)[None]
            _, high, wide = tile.shape
            result[:, y * scale : y * scale + high, x * scale : x * scale + wide] += tile * weights
        return result

    def _at_once(self, top: int, left: int, height: int, width: int) -> Tensor:
        scale = self.upscaler.scale
        (y, bottom), (x, right) = (
            self._around(start, length, side)
            for start, length, side in zip((top, left), (height, width), self.picture.shape[1:], strict=True)
        )
        self.upscaler.make_ready(round(self.upscaler.bytes_of_pixel() * (bottom - y) * (right - x)))
        done = self.upscaler.enlarge(self.picture[:, y:bottom, x:right])
        y, x = (top - y) * scale, (left - x) * scale
        return done[:, y : y + height * scale, x : x + width * scale]

    def _around(self, start: int, length: int, side: int) -> tuple[int, int]:
        """Where what the network sees of a side of the picture begins and ends."""
        first = max(0, start - AROUND) // self.window * self.window
        end = -(-(start + length + AROUND) // self.window) * self.window
        return first, min(side, end)

    def _what_fits(self) -> int:
        """The side of a tile that half of the free memory has room for, with what is around it."""
        free, each = self.upscaler.free_bytes(), self.upscaler.bytes_of_pixel()
        if not each or not math.isfinite(free):
            return TILE
        side = math.sqrt(free / 2 / each) - 2 * (AROUND + self.window)
        return int(min(MOST_TILE, max(LEAST_TILE, side)))


def _of_size(picture: Tensor, height: int, width: int) -> Tensor:
    """A picture (H, W, 3) in 0..1 → (height, width, 3)."""
    if picture.shape[:2] == (height, width):
        return picture
    planes = [
        Image.fromarray(np.ascontiguousarray(plane)).resize((width, height), Image.Resampling.LANCZOS)
        for plane in picture.movedim(2, 0).numpy()
    ]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes], axis=2)).clamp(0, 1)
