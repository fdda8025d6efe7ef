"""What networks are for: a row for each task, with what its network is given and what is kept of what it gives back.

Networks for different tasks are built alike; only what stands here tells them apart. Pictures are (B, H, W, 3) and
inpaint masks (B, H, W, 1), both in 0..1.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..image.luminance import luminance_of
from ..image.tint import is_of_one_tint

# Below half a grey level, a mask that was blurred somewhere on its way is no mask.
LEAST_INPAINTED = 0.5 / 255


@dataclass(frozen=True)
class Task:
    """All that tells the networks of one task from the others."""

    name: str
    prepare: Callable[[Tensor, Tensor | None], Tensor]
    """(picture, inpaint mask or None) → the picture as the network was trained to see it, in 0..1."""
    finish: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    """(picture, what the network made of it, inpaint mask or None) → the result, with what the picture itself knows
    better."""
    black: float = -1.0
    """What black is to the network."""
    span: float = 2.0
    """How far white is above it."""
    takes_mask: bool = False
    """Whether it fills in what an inpaint mask says."""
    in_tiles: bool = False
    """Whether its network may see a face in parts."""

    def unfinished(self) -> "Task":
        """The same task for parts of a picture that is finished as a whole."""
        return replace(self, finish=_as_it_came)


def is_inpainted(mask: Tensor) -> Tensor:
    """Where the network fills in: wherever the mask is not black, so that no damage under its soft edge is seen."""
    return mask > LEAST_INPAINTED


def with_luminance(picture: Tensor, wanted: Tensor) -> Tensor:
    """The colours of a picture (..., 3) at another luminance (..., 1), both in 0..1.

    Where a colour cannot be had that light or that dark it is made paler, not clipped: clipping would change the
    luminance, and with it the drawing of the face.
    """
    chroma = picture - luminance_of(picture)
    # How many times the chroma fits between the wanted grey and the nearer of black and white, in each channel.
    room = torch.where(chroma > 0, 1 - wanted, wanted) / chroma.abs().clamp(min=1e-6)
    return (wanted + chroma * room.amin(dim=-1, keepdim=True).clamp(0, 1)).clamp(0, 1)


def relit(picture: Tensor, wanted: Tensor) -> Tensor:
    """A picture (..., 3) with its very chroma at another luminance (..., 1), as far as 0..1 leaves room for it."""
    chroma = picture - luminance_of(picture)
    low, high = -chroma.amin(dim=-1, keepdim=True), 1 - chroma.amax(dim=-1, keepdim=True)
    return torch.minimum(torch.maximum(wanted, low), high) + chroma


def _as_it_is(picture: Tensor, mask: Tensor | None) -> Tensor:
    return picture


def _as_it_came(picture: Tensor, output: Tensor, mask: Tensor | None) -> Tensor:
    return output


def _in_its_tint(picture: Tensor, output: Tensor, mask: Tensor | None) -> Tensor:
    """The result; of a picture that is grey or of one tint, as a sepia print, its luminance alone."""
    results = [
        relit(before, luminance_of(after)) if is_of_one_tint(before.numpy()) else after
        for before, after in zip(picture, output, strict=True)
    ]
    return torch.stack(results) if results else output


def _grey(picture: Tensor, mask: Tensor | None) -> Tensor:
    return luminance_of(picture).expand_as(picture)


def _coloured(picture: Tensor, output: Tensor, mask: Tensor | None) -> Tensor:
    """The colours of the result at the picture's own luminance."""
    return with_luminance(output, luminance_of(picture))


def _with_white(picture: Tensor, mask: Tensor | None) -> Tensor:
    """White wherever something is to be filled in."""
    return picture if mask is None else torch.where(is_inpainted(mask), 1.0, picture)


def _filled_in(picture: Tensor, output: Tensor, mask: Tensor | None) -> Tensor:
    """The very pixels of the picture outside the mask; a mask in between 0 and 1 blends."""
    if mask is None:
        return output
    # Outside the mask, whatever a network gives, be it NaN, is not even multiplied with.
    return torch.where(mask > 0, torch.lerp(picture, output, mask), picture)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("restoration", _as_it_is, _in_its_tint, in_tiles=True),
        Task("colorization", _grey, _coloured),
        Task("inpainting", _with_white, _filled_in, takes_mask=True),
        # It makes a face of a map of its parts. Official code feeds and reads it in 0..1 (its `is_norm=False`).
        Task("segmentation", _as_it_is, _as_it_came, black=0.0, span=1.0),
    )
}
"""Task by name."""
