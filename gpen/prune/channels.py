"""Which channels there are in a network, and which numbers of its weights belong to each.

A *map* is a set of channels that are dropped or kept one by one: "constant", "encoder.0" (the finest) …, "convs.0" …:
the outputs of the generator's 3×3 convolutions. Beside those stands an encoder's map, in one tensor with them: together
they are the *wide* map that the next convolution and `to_rgb` read. One encoder's map stands beside both convolutions
of its resolution, so a channel of it is dropped in both and in the encoder at once.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..model.config import GPENConfig

Kept = dict[str, Tensor]
"""Map → the indices of its channels that stay, in order."""
Weights = dict[str, Tensor]
"""The state dict of `network.GPEN`, in float32."""


def maps(config: GPENConfig) -> dict[str, int]:
    """Every map → its channels."""
    encoder = {f"encoder.{level}": channels for level, channels in enumerate(config.encoder_channels)}
    generator = {f"convs.{conv}": channels for conv, channels in enumerate(config.generator_channels)}
    return {"constant": config.constant_channels, **encoder, **generator}


def beside(config: GPENConfig, conv: int) -> str:
    """The map beside the output of a convolution; noise, of which "-D" networks draw as much, goes with the output."""
    if not config.has_feature(conv):
        return f"convs.{conv}"
    return f"encoder.{len(config.encoder_channels) - 1 - (conv + 1) // 2}"


def wide(config: GPENConfig, conv: int, kept: Mapping[str, Tensor]) -> Tensor:
    """The indices that stay of a convolution's output with the map beside it."""
    return torch.cat([kept[f"convs.{conv}"], config.generator_channels[conv] + kept[beside(config, conv)]])


def read(config: GPENConfig, conv: int, kept: Mapping[str, Tensor]) -> Tensor:
    """The indices that stay of a convolution's inputs."""
    return kept["constant"] if conv == 0 else wide(config, conv - 1, kept)


def kernel(weights: Mapping[str, Tensor], conv: int) -> Tensor:
    """A view (out, in, 3, 3) of the weights of a convolution of the generator."""
    weight = weights[f"convs.{conv}.conv.weight"]
    return weight.transpose(0, 1) if conv % 2 else weight  # the upsampling ones are transposed


def latent_kernel(weights: Mapping[str, Tensor]) -> Tensor:
    """A view (style_dim, channels, 16) of the weights that read the encoder's 4×4 map."""
    return weights["to_latent.weight"].unflatten(1, (-1, 16))


def select(config: GPENConfig, weights: Weights, kept: Kept) -> tuple[GPENConfig, Weights]:
    """The network of the channels that stay."""
    new = dict(weights)
    levels, convs = range(len(config.encoder_channels)), range(len(config.generator_channels))
    for level in levels:
        weight, outputs = weights[f"encoder.{level}.weight"], kept[f"encoder.{level}"]
        inputs = torch.arange(3) if level == 0 else kept[f"encoder.{level - 1}"]
        new[f"encoder.{level}.weight"] = weight[outputs][:, inputs]
        new[f"encoder.{level}.bias"] = weights[f"encoder.{level}.bias"][outputs]
    new["to_latent.weight"] = latent_kernel(weights)[:, kept[f"encoder.{levels[-1]}"]].flatten(1)
    new["constant.weight"] = weights["constant.weight"][:, kept["constant"]]
    for conv in convs:
        inputs, outputs, both = read(config, conv, kept), kept[f"convs.{conv}"], wide(config, conv, kept)
        weight = kernel(weights, conv)[outputs][:, inputs]
        new[f"convs.{conv}.conv.weight"] = weight.transpose(0, 1) if conv % 2 else weight
        new[f"convs.{conv}.energy.weight"] = weight.square().sum((2, 3))
        new[f"convs.{conv}.noise.bias"] = weights[f"convs.{conv}.noise.bias"][both]
        _select_styles(new, f"convs.{conv}", inputs)
        if conv % 2 == 0:
            name = f"to_rgbs.{conv // 2}"
            new[f"{name}.conv.weight"] = weights[f"{name}.conv.weight"][:, both]
            _select_styles(new, name, both)
    smaller = replace(
        config,
        encoder_channels=tuple(len(kept[f"encoder.{level}"]) for level in levels),
        constant_channels=len(kept["constant"]),
        generator_channels=tuple(len(kept[f"convs.{conv}"]) for conv in convs),
    )
    return smaller, new


def _select_styles(weights: Weights, layer: str, inputs: Tensor) -> None:
    for part in ("weight", "bias"):
        weights[f"{layer}.modulation.{part}"] = weights[f"{layer}.modulation.{part}"][inputs]
