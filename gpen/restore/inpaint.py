"""Holes: what an inpainting model fills in, and where its faces alone are pasted."""

from torch import Tensor

from ..errors import SettingError
from ..image.picture import as_mask
from ..image.warp import Matrix, footprint
from ..model.tasks import is_hole
from ..restorers.gpen import GPENModel


def hole_for(model: GPENModel, picture: Tensor, inpaint_mask: Tensor | None) -> Tensor | None:
    """The mask (B, H, W) in 0..1 of what an inpainting model fills in of the pictures (B, H, W, 3), or None.

    Raises `SettingError` where a model for another task is given a mask, and what `as_mask` raises.
    """
    hole = as_mask(inpaint_mask, picture)
    if hole is not None and model.task != "inpainting":
        raise SettingError(
            f"a mask says what an inpainting model fills in, and {model.name} is for {model.task}; "
            "leave the mask out, or load GPEN-Inpainting-1024"
        )
    return hole


def has_hole(hole: Tensor, crop_to_picture: Matrix, size: int) -> bool:
    """Whether anything of a hole (H, W) lies in the rectangle around a crop of `size`×`size` pixels."""
    left, top, right, bottom = footprint(crop_to_picture, size, hole.shape)
    return bool(is_hole(hole[top:bottom, left:right]).any())
