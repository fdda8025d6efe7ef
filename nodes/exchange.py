"""Types and habits of ComfyUI and of other packs."""

import torch
from comfy_api.latest import io

# A type of newer versions of ComfyUI, and of other packs.
BoxesType = io.Custom("BOUNDING_BOX")
# Of newer versions of ComfyUI.
LandmarksType = io.Custom("FACE_LANDMARKS")
# A type of other packs; nothing of theirs is imported.
SegmentsType = io.Custom("SEGS")

# What LoadImage hands out for a picture without alpha: a mask of this size, all zeros.
NO_MASK_SIDE = 64


def boxes_input(tooltip: str) -> io.Input:
    """An optional input for boxes of other nodes; newer versions would show a widget of their own in its place."""
    return BoxesType.Input(
        "boxes",
        optional=True,
        tooltip=f"{tooltip}. In pixels; one list for each picture, or one for all.",
        extra_dict={"forceInput": True},
    )


def mask_or_none(mask: torch.Tensor | None, image_hw: tuple[int, ...]) -> torch.Tensor | None:
    """A mask of another node, or None where there is none: LoadImage gives 64×64 zeros for a picture without alpha.

    `image_hw` (height, width) is the size of the picture it is meant for: where that is 64×64 too, zeros are a mask.
    """
    side = (NO_MASK_SIDE, NO_MASK_SIDE)
    stands_for_none = mask is not None and tuple(mask.shape[-2:]) == side != tuple(image_hw) and not mask.any()
    return None if stands_for_none else mask
