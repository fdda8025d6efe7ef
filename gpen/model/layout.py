"""Between the official tensor layout of a checkpoint and the weights of `network.GPEN`.

Official networks are *equalised*: a layer multiplies its stored weight by 1/√fan_in each time it runs
(linear layers also by lr_mul), and each activation multiplies by √2. Here these factors are multiplied
into the weights once. `to_official` undoes it exactly, so that what we train, prune or convert is stored
as official code would store it.
"""

import math
import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .config import GPENConfig

ACTIVATION_GAIN = 2**0.5
MAPPING_LR_MUL = 0.01


def pairs(config: GPENConfig) -> Iterator[tuple[str, str, float]]:
    """(official name, our name, factor) of every tensor: ours = official · factor, in another shape where needed."""
    gain = ACTIVATION_GAIN
    for i in range(config.mapping_layers):
        factor = MAPPING_LR_MUL * gain
        yield f"generator.style.{i + 1}.weight", f"mapping.{i}.weight", factor / math.sqrt(config.style_dim)
        yield f"generator.style.{i + 1}.bias", f"mapping.{i}.bias", factor
    yield "generator.input.input", "constant.weight", 1.0
    for conv in range(len(config.generator_channels)):
        official = "generator.conv1" if conv == 0 else f"generator.convs.{conv - 1}"
        # Demodulation divides by the norm of the weights, so the activation's gain is applied with it, not here.
        yield from _modulated(official, f"convs.{conv}", config, 9 * config.input_channels(conv))
        yield f"{official}.noise.weight", f"convs.{conv}.noise.weight", gain
        yield f"{official}.activate.bias", f"convs.{conv}.noise.bias", gain
        if conv % 2 == 0:
            official = "generator.to_rgb1" if conv == 0 else f"generator.to_rgbs.{conv // 2 - 1}"
            inputs = config.generator_channels[conv] + config.noise_channels(conv)
            yield from _modulated(official, f"to_rgbs.{conv // 2}", config, inputs)
            yield f"{official}.bias", f"to_rgbs.{conv // 2}.conv.bias", 1.0
    inputs = 3
    for level, outputs in enumerate(config.encoder_channels):
        weight, bias, fan_in = ("0", "1", inputs) if level == 0 else ("1", "2", inputs * 9)
        yield f"ecd{level}.0.{weight}.weight", f"encoder.{level}.weight", gain / math.sqrt(fan_in)
        yield f"ecd{level}.0.{bias}.bias", f"encoder.{level}.bias", gain
        inputs = outputs
    yield "final_linear.0.weight", "to_latent.weight", gain / math.sqrt(inputs * 16)
    yield "final_linear.0.bias", "to_latent.bias", gain


def _modulated(official: str, ours: str, config: GPENConfig, fan_in: int) -> Iterator[tuple[str, str, float]]:
    yield f"{official}.conv.weight", f"{ours}.conv.weight", 1 / math.sqrt(fan_in)
    yield f"{official}.conv.modulation.weight", f"{ours}.modulation.weight", 1 / math.sqrt(config.style_dim)
    yield f"{official}.conv.modulation.bias", f"{ours}.modulation.bias", 1.0


def from_official(config: GPENConfig, official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official tensors → the state dict of `network.GPEN`, in float32."""
    return dict(converted(config, official))


def converted(config: GPENConfig, official: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """What `from_official` gives, one tensor after the other, so that not all of them are in memory in float32."""
    for source, target, factor in pairs(config):
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
    shapes = config.official_shapes()
    for source, target, factor in pairs(config):
        tensor = ours[target].detach().to("cpu", torch.float32) / factor
        if (conv := _styled_conv(target)) and int(conv) % 2:
            tensor = tensor.transpose(0, 1)
        official[source] = tensor.reshape(shapes[source]).contiguous()
    return official


def _styled_conv(name: str) -> str | None:
    match = re.fullmatch(r"convs\.(\d+)\.conv\.weight", name)
    return match[1] if match else None
