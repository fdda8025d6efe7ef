"""What the network is asked to make small. Pictures are (B, 3, H, W) in -1..1, float32."""

import torch
from torch import Tensor

EDGE_WEIGHT = 0.25


def pixel_loss(restored: Tensor, original: Tensor) -> Tensor:
    """The error of each picture on a logarithmic scale, as PSNR has it: being careful with a good picture pays as much
    as repairing a bad one. The error is the mean absolute one of the pixels and, which keeps edges sharp, of their
    differences to the right and below."""
    error = restored - original
    edges = _mean(error[..., 1:] - error[..., :-1]) + _mean(error[..., 1:, :] - error[..., :-1, :])
    return torch.log(_mean(error) + EDGE_WEIGHT * edges + 1e-3).mean()


def _mean(error: Tensor) -> Tensor:
    return error.abs().mean((1, 2, 3))


def psnr(restored: Tensor, original: Tensor) -> Tensor:
    """(B,) in dB, of pictures clamped to -1..1."""
    error = restored.clamp(-1, 1) - original
    return -10 * torch.log10(error.square().mean((1, 2, 3)) / 4)
