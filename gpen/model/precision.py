"""What a choice of precision means on a device, and layers that store their weights in 8 bits.

"fp8" takes the memory of 8-bit floats, but its weights are integers with a scale for each output channel: in a
convolution one for each place of its kernel, in a linear layer one for each few weights. Weights of a channel are
spread like noise around zero; steps of one size meet them four times as closely as floats with three bits of mantissa
do. With e4m3 floats GPEN-512 with random weights came to 31 dB against float32 from the generator's convolutions alone,
with integers to 43 dB. And every device knows integers.
"""

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SettingError
from .choices import PRECISIONS

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
SCALED_AT_ONCE = 64
"""Output channels."""
GROUP = 32
"""Weights of a linear layer that share a scale. Errors of the styles count most; with one scale for each output they
cost GPEN-1024 with random weights 2 dB of 35."""


@dataclass(frozen=True)
class Precision:
    """How numbers are kept."""

    dtype: torch.dtype
    """Of the activations, and of the weights that are not in 8 bits."""
    in_8_bits: bool = False
    """Whether the layers that hold most weights store them in 8 bits."""


def choose_precision(name: str, device: torch.device, best: torch.dtype | None = None) -> Precision:
    """One of `PRECISIONS` → what it means on a device.

    `best` is what "auto" stands for: by default fp16 on a GPU and fp32 elsewhere. "fp8" computes in it too, but on a
    CPU in bf16 where the processor has instructions for that, because who asks for 8 bits is short of memory.
    Raises `SettingError` for an unknown name.
    """
    if name not in PRECISIONS:
        raise SettingError.unknown("precision", name, PRECISIONS)
    best = best or (torch.float16 if device.type == "cuda" else torch.float32)
    if name == "fp8":
        if device.type == "cpu":
            best = torch.bfloat16 if has_bf16(device) else torch.float32
        return Precision(best, in_8_bits=True)
    return Precision(DTYPES.get(name, best))


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16; a processor without the instructions takes ten times as long."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of PyTorch cannot tell
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))


class StoredIn8Bits(nn.Module):
    """A layer with integer weights, of which each few share a scale (float32)."""

    output_dim = 0
    """Of the weights."""
    shared_dim = 1
    """Along this dimension of what `grouped` returns, weights share a scale."""
    weight: nn.Parameter

    def __init__(self, *sizes: int, **settings: Any):
        super().__init__(*sizes, **settings)
        # A parameter, because ComfyUI moves the parameters of a layer together.
        self.scale = nn.Parameter(torch.empty_like(self.grouped(self.weight).narrow(self.shared_dim, 0, 1)))

    def _load_from_state_dict(self, *args: Any, **settings: Any) -> None:
        # Newer versions of ComfyUI leave a layer without weights until its state is loaded, and then know "weight" and
        # "bias" alone; those that have a loader of their own they leave as PyTorch makes them.
        super()._load_from_state_dict(*args, **settings)

    def grouped(self, weight: Tensor) -> Tensor:
        """A view of weights in which those that share a scale lie along one dimension."""
        return weight

    def stored(self, weight: Tensor) -> dict[str, Tensor]:
        """Float weights → the parameters that stand for them."""
        grouped = self.grouped(weight)
        scale = grouped.abs().amax(self.shared_dim, keepdim=True).clamp(min=1e-30) / 127
        return {"weight": (grouped / scale).round_().to(torch.int8).reshape(weight.shape), "scale": scale}

    def weight_for(self, input: Tensor) -> Tensor:
        """The weights in the input's dtype, on its device; they travel there in 8 bits."""
        weight = self.weight.to(input.device).to(input.dtype)
        both = self.grouped(weight), self.scale.to(input.device)
        # In parts: a CPU makes a float32 copy of the half precision that it multiplies with float32.
        for part, scale in zip(*(tensor.split(SCALED_AT_ONCE, self.output_dim) for tensor in both), strict=True):
            part.mul_(scale)
        return weight

    def bias_for(self, input: Tensor) -> Tensor | None:
        bias: Tensor | None = self.bias  # type: ignore[assignment]
        return None if bias is None else bias.to(input)


def in_8_bits(ops: Any) -> Any:
    """A namespace of layers → the same layers, which store their weights in 8 bits."""

    class Linear(StoredIn8Bits, ops.Linear):
        shared_dim = 2

        def grouped(self, weight: Tensor) -> Tensor:
            return weight.unflatten(1, (-1, math.gcd(weight.shape[1], GROUP)))

        def forward(self, input: Tensor) -> Tensor:
            return F.linear(input, self.weight_for(input), self.bias_for(input))

    class Conv2d(StoredIn8Bits, ops.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            return self._conv_forward(input, self.weight_for(input), self.bias_for(input))

    class ConvTranspose2d(StoredIn8Bits, ops.ConvTranspose2d):
        output_dim, shared_dim = 1, 0

        def forward(self, input: Tensor) -> Tensor:
            return F.conv_transpose2d(input, self.weight_for(input), self.bias_for(input), self.stride, self.padding)

    return SimpleNamespace(Linear=Linear, Conv2d=Conv2d, ConvTranspose2d=ConvTranspose2d)
