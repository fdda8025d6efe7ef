"""Between the official tensor layout of a checkpoint and the weights of `network.GPEN`.

Official networks are *equalised*: a layer multiplies its stored weight by 1/√fan_in each time it runs
(linear layers also by lr_mul), and each activation multiplies by √2. Here these factors are multiplied
into the weights once. `to_official` undoes it exactly, so that what we train, prune or convert is stored
as official code would store it.
"""

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .config import GPENConfig


def from_official(config: GPENConfig, official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official tensors → the state dict of `network.GPEN`, in float32."""
    return dict(converted(config, official))


def converted(config: GPENConfig, official: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """What `from_official` gives, one tensor after the other, so that not all of them are in memory in float32."""
    for source, _, target, factor, _ in config.tensors():
        tensor = official[source].to(torch.float32) * factor
        if source.endswith("bias"):
            tensor = tensor.flatten()
        elif tensor.ndim == 5:
            tensor = tensor[0]
        if conv := _styled_conv(target):
            yield f"convs.{conv}.energy.weight", tensor.square().sum((2, 3))
            if int(conv) % 2:
                tensor = tensor.transpose(0, 1)  # a transposed convolution stores its inputs first
        yield target, tensor.contiguous()


def to_official(config: GPENConfig, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `from_official`, in float32."""
    official: dict[str, Tensor] = {}
    for source, shape, target, factor, _ in config.tensors():
        tensor = ours[target].detach().to("cpu", torch.float32) / factor
        if (conv := _styled_conv(target)) and int(conv) % 2:
            tensor = tensor.transpose(0, 1)
        official[source] = tensor.reshape(shape).contiguous()
    return official


def _styled_conv(name: str) -> str | None:
    match = re.fullmatch(r"convs\.(\d+)\.conv\.weight", name)
    return match[1] if match else None
