"""Lens distortion: out of a picture before its faces are looked at, and back into the result.

The radial model of most lenses: a point at radius r of the true picture is seen at r·(1 + k·r²), half the diagonal
being 1. Either way all of the picture stays in the frame, and what the frame has beyond it continues its edge.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import SettingError, advice_on_out_of_memory
from .given import GivenPicture
from .picture import as_rgb, with_alpha_of
from .warp import Pixels

DIRECTIONS = ("take out", "put back")
# At strength 1 a corner is drawn in by a quarter, as by a wide action camera. The model turns back on itself at 1/3.
STRONGEST = 0.25
NEWTON_STEPS = 8


@advice_on_out_of_memory("to correct the lens", "give fewer or smaller pictures at a time")
def correct_lens(picture: GivenPicture, strength: float, direction: str = DIRECTIONS[0]) -> Tensor:
    """Take a lens's distortion out of pictures (B, H, W, C) in 0..1, or put it back → (B, H, W, 3), of the same size.

    Alpha moves along, so that it is (B, H, W, 4) where there is any.

    Args:
        picture: the pictures.
        strength: above 0 for a barrel (a wide lens; lines bend outwards), below 0 for a pincushion, -1..1; with 0 the
            very pixels come back.
        direction: one of `DIRECTIONS`; "put back" with the same strength undoes "take out", but for what two
            resamplings cost.

    Raises `SettingError` for a strength out of range and an unknown direction.
    """
    if not isinstance(strength, int | float) or not -1 <= strength <= 1:
        raise SettingError(f"the strength must be between -1 and 1, and it is {strength}")
    if direction not in DIRECTIONS:
        raise SettingError.unknown("direction", direction, DIRECTIONS)
    picture = with_alpha_of(picture, as_rgb(picture))
    if strength == 0:
        return picture
    _, height, width, _ = picture.shape
    x, y = _sources(width, height, -STRONGEST * strength, direction)
    result = torch.empty_like(picture, memory_format=torch.contiguous_format)
    for before, after in zip(picture, result, strict=True):
        pixels = before.contiguous().numpy()
        moved = cv2.remap(pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        # Cubic interpolation overshoots at sharp edges.
        np.clip(moved, pixels.min((0, 1)), pixels.max((0, 1)), out=after.numpy())
    return result


def _sources(width: int, height: int, k: float, direction: str) -> tuple[Pixels, Pixels]:
    """Where each pixel of the result comes from: x and y, each (H, W)."""
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    half_diagonal = np.hypot(*center) or 1.0
    x, y = np.meshgrid(np.arange(width) - center[0], np.arange(height) - center[1])
    radius = np.hypot(x, y) / half_diagonal
    # A barrel keeps the corners where they are and a pincushion the middles of the nearer sides; the rest moves in.
    fixed = 1.0 if k < 0 else min(center) / half_diagonal
    unit = 1 + k * fixed**2
    if direction == "take out":
        factor = (1 + k * radius**2) / unit
    else:
        seen = radius * unit
        true = seen.copy()
        for _ in range(NEWTON_STEPS):
            true -= (true * (1 + k * true**2) - seen) / (1 + 3 * k * true**2)
        factor = np.divide(true, radius, out=np.ones_like(true), where=radius > 0)
    return (x * factor + center[0]).astype(np.float32), (y * factor + center[1]).astype(np.float32)
