"""A picture in overlapping tiles that fade into each other."""

import math

import torch
from torch import Tensor


def faded_tiles(length: int, tile: int, overlap: int) -> list[tuple[int, Tensor]]:
    """Cut a side of `length` pixels into tiles: where each begins, and its weights (tile,).

    Neighbours overlap by at least `overlap` pixels, over which their weights fade linearly. At every pixel of the side
    the weights sum to one, at its ends too. Expects 0 ≤ overlap < tile ≤ length.
    """
    count = max(1, math.ceil((length - overlap) / (tile - overlap)))
    starts = [round(i * (length - tile) / max(1, count - 1)) for i in range(count)]
    from_edge = torch.minimum(torch.arange(tile), torch.arange(tile).flip(0)) + 0.5
    fade = (from_edge / max(overlap, 0.5)).clamp(max=1)
    total = torch.zeros(length)
    for start in starts:
        total[start : start + tile] += fade
    return [(start, fade / total[start : start + tile]) for start in starts]
