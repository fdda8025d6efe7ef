"""Layers that store their weights in one dtype and compute in the dtype and on the device of their input.

The library's stand-in for ComfyUI's `comfy.ops.manual_cast`, with the same three names.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """`nn.Linear`; weights are cast to the input."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight.to(input), _cast(self.bias, input))


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`; weights are cast to the input."""

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight.to(input), _cast(self.bias, input))


class ConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` without output padding; weights are cast to the input."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        weight, bias = self.weight.to(input), _cast(self.bias, input)
        return F.conv_transpose2d(input, weight, bias, self.stride, self.padding)  # type: ignore[arg-type]


def _cast(bias: Tensor | None, like: Tensor) -> Tensor | None:
    return None if bias is None else bias.to(like)
