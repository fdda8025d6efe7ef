"""A whole picture through the network at once, taken as one upright face that fills it."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import SettingError, advice_on_out_of_memory
from ..image.given import GivenPicture
from ..image.picture import as_rgb, resized, with_alpha_of
from ..progress import Progress
from ..restorers.protocol import Restorer
from .batches import restore_in_batches
from .inpaint import checked_mask


@advice_on_out_of_memory(
    "to restore the whole picture", "choose memory low or a smaller model, or give fewer pictures at a time"
)
def restore_aligned(
    model: Restorer,
    picture: GivenPicture,
    *,
    strength: float = 1.0,
    inpaint_mask: Tensor | None = None,
    batch: int | None = None,
    on_progress: Progress | None = None,
) -> Tensor:
    """Run the network over each whole picture, taken as one upright face that fills it; no face is looked for.

    The picture is brought to the network's square and back, its proportions kept.

    Args:
        model: the network, of any task.
        picture: (B, H, W, C) in 0..1, of any size; for segmentation the coloured map of a face's parts.
        strength: how much of the result is seen, 0..1.
        inpaint_mask: as in `restore_faces`; what is outside comes out as the very pixels that went in.
        batch: as in `restore_faces`.
        on_progress: called with (pictures done, pictures in all) after each.

    Returns (B, H, W, 3) float32 in 0..1, or (B, H, W, 4) with the alpha that came. Raises `SettingError` for a
    strength outside 0..1, and what `restore_faces` raises.
    """
    if not isinstance(strength, int | float) or not 0 <= strength <= 1:
        raise SettingError(f"the strength must be between 0 and 1, and it is {strength}")
    given, picture = picture, as_rgb(picture)
    mask = checked_mask(model, picture, inpaint_mask)
    if strength == 0:
        return with_alpha_of(given, picture.clone())
    frames, height, width, _ = picture.shape
    scale = model.size / max(height, width)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (model.size - inner_height) // 2, (model.size - inner_width) // 2
    margins = (left, model.size - inner_width - left, top, model.size - inner_height - top)

    def cut(frame: int) -> Tensor:
        given = picture[[frame]] if mask is None else torch.cat([picture[[frame]], mask[[frame], ..., None]], dim=3)
        inner = resized(given, inner_height, inner_width).movedim(3, 1)
        return F.pad(inner, margins, mode="replicate").movedim(1, 3)[0]

    result = torch.empty_like(picture, memory_format=torch.contiguous_format)
    restored = restore_in_batches(model, [partial(cut, frame) for frame in range(frames)], batch)
    for frame, (_, square) in enumerate(restored):
        inner = square[None, top : top + inner_height, left : left + inner_width]
        place = None if mask is None else mask[[frame], ..., None]
        # Finished once more at the picture's own size, where it is as sharp as it came.
        done = model.task.finish(picture[[frame]], resized(inner, height, width).clamp(0, 1), place)[0]
        result[frame] = torch.lerp(picture[frame], done, strength)
        if on_progress:
            on_progress(frame + 1, frames)
    return with_alpha_of(given, result)
