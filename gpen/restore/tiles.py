"""A picture of any size through the network in tiles that fade into each other."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import SettingError, advice_on_out_of_memory
from ..image.given import GivenPicture
from ..image.picture import as_rgb, with_alpha_of
from ..image.tiles import faded_tiles
from ..progress import Progress
from ..restorers.protocol import Restorer
from .batches import restore_in_batches

OVERLAP = 64


@advice_on_out_of_memory(
    "to restore the picture in tiles", "choose memory low or a smaller model, or give fewer pictures at a time"
)
def restore_tiled(
    model: Restorer,
    picture: GivenPicture,
    *,
    overlap: int = OVERLAP,
    batch: int | None = None,
    on_progress: Progress | None = None,
) -> Tensor:
    """Run the network over a whole picture of any size, in tiles of the network's size that fade into each other.

    Args:
        model: the network.
        picture: (B, H, W, C) in 0..1.
        overlap: least overlap of neighbouring tiles, in pixels, from 0 to half of the network's size.
        batch: as in `restore_faces`.
        on_progress: called with (tiles done, tiles in all) after each.

    Returns (B, H, W, 3) float32 in 0..1, or (B, H, W, 4) with the alpha that came. Raises `SettingError` for an
    overlap that is out of range, and what `restore_faces` raises.
    """
    check_tiles(model)
    size = model.size
    if not isinstance(overlap, int) or not 0 <= overlap <= size // 2:
        raise SettingError(f"the overlap must be between 0 and {size // 2}, half of the model's size; it is {overlap}")
    given, picture = picture, as_rgb(picture)
    frames, height, width, _ = picture.shape
    # A picture that is smaller than a tile is continued with its edge.
    missing = (0, max(0, size - width), 0, max(0, size - height))
    padded = F.pad(picture.movedim(3, 1), missing, mode="replicate").movedim(1, 3)
    rows, columns = (faded_tiles(side, size, overlap) for side in padded.shape[1:3])
    tiles = [(frame, row, column) for frame in range(frames) for row in rows for column in columns]
    cuts = [
        partial(padded.__getitem__, np.s_[frame, top : top + size, left : left + size])
        for frame, (top, _), (left, _) in tiles
    ]
    result = torch.zeros_like(padded)
    restored = restore_in_batches(model.for_parts(), cuts, batch)
    for done, (frame, (top, down), (left, across)) in enumerate(tiles, 1):
        weights = down[:, None, None] * across[None, :, None]
        result[frame, top : top + size, left : left + size] += next(restored)[1] * weights
        if on_progress:
            on_progress(done, len(tiles))
    return with_alpha_of(given, model.task.finish(picture, result[:, :height, :width], None))


def check_tiles(model: Restorer) -> None:
    """Raise `SettingError` where a network must not be run in tiles."""
    if not model.task.in_tiles:
        raise SettingError(
            f"{model.name} is for {model.task.name} and must see a face as a whole, not in tiles; "
            "restore its faces without tiles, or the whole picture as one face (restore_aligned)"
        )
