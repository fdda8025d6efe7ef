"""Checks at the door: what comes in as a picture or a mask, and what goes on from there."""

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import PictureError, SettingError
from .given import GivenPicture, as_tensor

# Sharp filters overshoot white by a tenth or two; a picture in 0..255 that stays below this is black.
LARGEST_VALUE = 2.0


def as_rgb(picture: GivenPicture) -> Tensor:
    """Pictures (B, H, W, C), C being 1 (grey), 3 (RGB) or 4 (RGB and alpha) → (B, H, W, 3) float32 on the CPU.

    Arrays of numpy, Pillow's pictures and picture files are taken as well; see `as_tensor`.

    Alpha is dropped, and comes back by `with_alpha_of`. What an upscaler's sharp filter left a little below 0 or above
    1 is clipped. A float32 RGB picture in 0..1 on the CPU is returned itself.

    Raises `PictureError` for another shape or type, for a picture without pixels, and for values that are not finite or
    far above 1: those of 0..255 would come out white.
    """
    picture = as_tensor(picture)
    if picture.ndim != 4 or picture.shape[3] not in (1, 3, 4):
        raise PictureError(
            "expected pictures as (batch, height, width, channels) with 1, 3 or 4 channels, "
            f"got a tensor of shape {list(picture.shape)}"
        )
    if not picture.is_floating_point():
        raise PictureError(f"expected a floating-point picture with values in 0..1, got {picture.dtype}; divide by 255")
    if 0 in picture.shape[1:3]:
        raise PictureError(f"the picture has no pixels: its shape is {list(picture.shape)}")
    picture = picture.detach().to("cpu", torch.float32)
    picture = _in_range(picture) if len(picture) else picture
    return picture[..., :3] if picture.shape[3] > 1 else picture.expand(-1, -1, -1, 3)


def _in_range(picture: Tensor) -> Tensor:
    least, most = (float(value) for value in picture.aminmax())  # NaN where there is one
    if not math.isfinite(least) or not math.isfinite(most):
        bad = [frame for frame in range(len(picture)) if not picture[frame].isfinite().all()]
        raise PictureError(
            f"the picture has NaN or infinite values (frame {bad[0]} of {len(picture)}, {len(bad)} affected); "
            "the step before it went wrong, often a VAE decoded in half precision"
        )
    if most > LARGEST_VALUE:
        raise PictureError(
            f"expected a picture with values in 0..1, and this one has values up to {most:.4g}; divide it by 255 where "
            "white is 255, and bring one of high dynamic range to 0..1 before"
        )
    return picture.clamp(0, 1) if least < 0 or most > 1 else picture


def with_alpha_of(given: GivenPicture, result: Tensor) -> Tensor:
    """What was made (B, H, W, 3) of pictures (B, h, w, C), with their alpha as it was; itself where they have none.

    Alpha is clipped to 0..1, as their colours were, and enlarged where the result is larger.
    """
    given = as_tensor(given)
    if given.shape[3] < 4:
        return result
    alpha = given[..., 3:].detach().to(result).clamp(0, 1)
    return torch.cat([result, resized(alpha, *result.shape[1:3])], dim=3)


def as_mask(mask: Tensor | None, picture: Tensor) -> Tensor | None:
    """A mask (B, H, W) or (H, W) in 0..1 → (B, H, W) float32 on the CPU, as many and as large as the pictures.

    One mask serves a whole batch. None is None.

    Args:
        mask: of any size; it is resized to the picture.
        picture: (B, H, W, C).

    Raises `PictureError` for something that is not a mask, `SettingError` for another number of masks than pictures.
    """
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 3) or 0 in mask.shape or not mask.is_floating_point():
        found = f"{mask.dtype} of shape {list(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
        raise PictureError(f"expected a mask as a floating-point tensor (batch, height, width) in 0..1, got {found}")
    if not mask.isfinite().all():
        raise PictureError("the mask has NaN or infinite values; the step before it went wrong")
    mask = mask.detach().to("cpu", torch.float32).reshape(-1, *mask.shape[-2:]).clamp(0, 1)
    frames, height, width, _ = picture.shape
    if len(mask) not in (1, frames):
        raise SettingError(f"expected one mask, or one for each of {frames} pictures, and there are {len(mask)}")
    return resized(mask[..., None], height, width)[..., 0].expand(frames, -1, -1)


def resized(picture: Tensor, height: int, width: int) -> Tensor:
    """Pictures (B, H, W, C) → (B, height, width, C), bilinear, smoothed where they shrink; itself where none do."""
    if picture.shape[1:3] == (height, width):
        return picture
    return F.interpolate(picture.movedim(3, 1), (height, width), mode="bilinear", antialias=True).movedim(1, 3)


def to_uint8(picture: Tensor) -> npt.NDArray[np.uint8]:
    """(..., 3) float in 0..1 → the same shape in 0..255, rounded; values outside are clipped."""
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
