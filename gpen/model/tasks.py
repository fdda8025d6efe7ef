"""What the networks of each task are given, and what is kept of what they give back.

Networks for different tasks are built alike; only what stands here tells them apart. Pictures are (B, H, W, 3) and
holes (B, H, W, 1), both in 0..1.
"""

import torch
from torch import Tensor

# ITU-R BT.601, as in official code, OpenCV's grey and JPEG.
LUMINANCE = (0.299, 0.587, 0.114)
# Below half a grey level, a mask that was blurred somewhere on its way is no mask.
LEAST_HOLE = 0.5 / 255


def value_range(task: str) -> tuple[float, float]:
    """What black is to the network of a task, and how far white is above it."""
    # Official code feeds and reads the segmentation network in 0..1 (its `is_norm=False`), all others in -1..1.
    return (0.0, 1.0) if task == "segmentation" else (-1.0, 2.0)


def prepared(task: str, picture: Tensor, hole: Tensor | None) -> Tensor:
    """A picture as the network of a task was trained to see it: grey for colorization, with white holes for inpainting.

    A map of the parts of a face, which segmentation takes, is given as it is.
    """
    if task == "colorization":
        return luminance(picture).expand_as(picture)
    if hole is not None:
        return torch.where(is_hole(hole), 1.0, picture)
    return picture


def finished(task: str, picture: Tensor, output: Tensor, hole: Tensor | None) -> Tensor:
    """The result of a task: what the network made of a picture, with what the picture itself knows better.

    Colorization keeps the picture's luminance. Inpainting keeps the very pixels outside the hole; a hole in between
    0 and 1 blends.
    """
    if task == "colorization":
        return with_luminance(output, luminance(picture))
    if hole is not None:
        # Where there is no hole, whatever a network gives, be it NaN, is not even multiplied with.
        return torch.where(hole > 0, torch.lerp(picture, output, hole), picture)
    return output


def is_hole(mask: Tensor) -> Tensor:
    """Where the network fills in: wherever the mask is not black, so that no damage under its soft edge is seen."""
    return mask > LEAST_HOLE


def luminance(picture: Tensor) -> Tensor:
    """(..., 3) in 0..1 → (..., 1) in 0..1."""
    return (picture * picture.new_tensor(LUMINANCE)).sum(dim=-1, keepdim=True)


def with_luminance(picture: Tensor, wanted: Tensor) -> Tensor:
    """The colours of a picture (..., 3) at another luminance (..., 1), both in 0..1.

    Where a colour cannot be had that light or that dark it is made paler, not clipped: clipping would change the
    luminance, and with it the drawing of the face.
    """
    chroma = picture - luminance(picture)
    # How many times the chroma fits between the wanted grey and the nearer of black and white, in each channel.
    room = torch.where(chroma > 0, 1 - wanted, wanted) / chroma.abs().clamp(min=1e-6)
    return (wanted + chroma * room.amin(dim=-1, keepdim=True).clamp(0, 1)).clamp(0, 1)
