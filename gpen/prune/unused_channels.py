"""Channels that cannot change the picture.

A channel of the generator that is always zero is *not* dead as long as a demodulated convolution has weights for it:
the norm of those weights, which divides the output, counts them with a style that changes from picture to picture.
Dead is what nothing reads.
"""

import torch
from torch import Tensor

from ..model.config import GPENConfig
from .channels import Kept, Weights, beside, kernel, latent_kernel, maps

Marks = dict[str, Tensor]
"""Map → a bool for each of its channels."""


def used_channels(config: GPENConfig, weights: Weights) -> Kept:
    """The channels that the picture depends on; one stays of a map that has none."""
    zero = _Zero(config, weights)
    marks = _marked(config, weights, zero)
    for mark in marks.values():
        if not mark.any():
            mark[0] = True
    return {name: mark.nonzero()[:, 0] for name, mark in marks.items()}


class _Zero:
    """Which channels are zero whatever the picture: their weights and their bias are."""

    def __init__(self, config: GPENConfig, weights: Weights):
        self.config, self.encoder = config, []
        before = torch.zeros(3, dtype=torch.bool)
        for level in range(len(config.encoder_channels)):
            weight = weights[f"encoder.{level}.weight"][:, ~before]
            before = (weight.flatten(1) == 0).all(1) & (weights[f"encoder.{level}.bias"] == 0)
            self.encoder.append(before)
        self.wide: list[Tensor] = []
        inputs = (weights["constant.weight"] == 0).all(0).flatten(1).all(1)
        for conv in range(len(config.generator_channels)):
            inputs = inputs | _unstyled(weights, f"convs.{conv}")
            output = (kernel(weights, conv)[:, ~inputs].flatten(1) == 0).all(1)
            inputs = torch.cat([output, self._feature(conv, weights)]) & (weights[f"convs.{conv}.noise.bias"] == 0)
            self.wide.append(inputs)

    def _feature(self, conv: int, weights: Weights) -> Tensor:
        channels = self.config.noise_channels(conv)
        if weights[f"convs.{conv}.noise.weight"].item() == 0:
            return torch.ones(channels, dtype=torch.bool)
        if not self.config.has_feature(conv):
            return torch.zeros(channels, dtype=torch.bool)
        return self.encoder[int(beside(self.config, conv).removeprefix("encoder."))]


def _marked(config: GPENConfig, weights: Weights, zero: _Zero) -> Marks:
    """From the picture backwards: what is read by something that is read."""
    marks = {name: torch.zeros(channels, dtype=torch.bool) for name, channels in maps(config).items()}
    for conv in reversed(range(len(config.generator_channels))):
        output = torch.zeros(len(zero.wide[conv]), dtype=torch.bool)
        if conv + 1 < len(config.generator_channels):
            output |= _read(weights, conv + 1, marks)
        if conv % 2 == 0:
            name = f"to_rgbs.{conv // 2}"
            used = (weights[f"{name}.conv.weight"] != 0).flatten(2).any(2).any(0)
            output |= used & ~_unstyled(weights, name) & ~zero.wide[conv]
        channels = config.generator_channels[conv]
        marks[f"convs.{conv}"] |= output[:channels]
        if config.has_feature(conv):
            marks[beside(config, conv)] |= output[channels:]
        else:  # noise is drawn for all channels at once: with fewer of them, the others would get other noise
            marks[f"convs.{conv}"][:] = True
    marks["constant"] = _read(weights, 0, marks)
    last = len(config.encoder_channels) - 1
    marks[f"encoder.{last}"] |= (latent_kernel(weights) != 0).any(2).any(0) & ~zero.encoder[last]
    for level in range(last, 0, -1):
        used = weights[f"encoder.{level}.weight"][marks[f"encoder.{level}"]] != 0
        marks[f"encoder.{level - 1}"] |= used.flatten(2).any(2).any(0) & ~zero.encoder[level - 1]
    return marks


def _read(weights: Weights, conv: int, marks: Marks) -> Tensor:
    """Which inputs a convolution of the generator reads for outputs that are read."""
    used = kernel(weights, conv)[marks[f"convs.{conv}"]] != 0
    return used.flatten(2).any(2).any(0) & ~_unstyled(weights, f"convs.{conv}")


def _unstyled(weights: Weights, layer: str) -> Tensor:
    """Inputs whose style is zero whatever the latent."""
    weight, bias = weights[f"{layer}.modulation.weight"], weights[f"{layer}.modulation.bias"]
    return (weight == 0).all(1) & (bias == 0)
