"""Inpaint masks: what an inpainting model fills in, and where its faces alone are pasted."""

from torch import Tensor

from ..errors import SettingError
from ..image.picture import as_mask
from ..image.warp import Matrix, footprint
from ..model.tasks import is_inpainted
from ..restorers.protocol import Restorer


def checked_mask(model: Restorer, picture: Tensor, mask: Tensor | None) -> Tensor | None:
    """The mask (B, H, W) in 0..1 of what an inpainting model fills in of the pictures (B, H, W, 3), or None.

    Raises `SettingError` where a model for another task is given a mask, and what `as_mask` raises.
    """
    mask = as_mask(mask, picture)
    if mask is not None and not model.task.takes_mask:
        raise SettingError(
            f"a mask says what an inpainting model fills in, and {model.name} is for {model.task.name}; "
            "leave the mask out, or load GPEN-Inpainting-1024"
        )
    return mask


def touches(mask: Tensor, crop_to_picture: Matrix, size: int) -> bool:
    """Whether anything of a mask (H, W) lies in the rectangle around a crop of `size`×`size` pixels."""
    left, top, right, bottom = footprint(crop_to_picture, size, mask.shape)
    return bool(is_inpainted(mask[top:bottom, left:right]).any())
