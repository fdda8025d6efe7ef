"""A new network that begins as the identity, so that from the first step it learns what to *change* in a picture.

GPEN adds nothing of its input to its output: a usual start has to learn to copy before it can restore,
which on a small budget is most of the training.
"""

import math
from typing import cast

import torch
from torch import nn

from gpen.model.config import ACTIVATION_GAIN, GPENConfig
from gpen.model.network import GPEN, StyledConv, ToRGB

SLOPE = 0.2
"""Of the network's leaky ReLU below zero."""
CARRIED = slice(0, 6)
"""Channels of every encoder map that start as the picture: +RGB and -RGB."""
PAIRS = torch.cat([torch.eye(3), -torch.eye(3)])
"""(6, 3): from RGB to those channels."""


def identity_network(config: GPENConfig, seed: int) -> GPEN:
    """A network whose output is its input; what does not carry the picture starts as equalised layers usually do.

    Every map of the encoder holds the picture at its size as six channels, +RGB and -RGB: a leaky ReLU keeps both
    halves, and lrelu(v) - lrelu(-v) = (1 + slope) · v. The finest one reaches the last `to_rgb` as the feature of the
    last convolution, through one more leaky ReLU, where the difference of the pairs is the picture again. The other
    `to_rgb`s start at zero, but find the picture of their own size before them: damping one band of frequencies,
    the greater part of removing noise, is then a matter of a few weights.
    """
    torch.manual_seed(seed)
    network = GPEN(config)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=1 / math.sqrt(fan_in(module)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    encoder, convs, to_rgbs = layers(network)
    with torch.no_grad():
        for activated in (*encoder, network.to_latent, *mapping(network)):
            activated.weight.mul_(ACTIVATION_GAIN)
        network.constant.weight.normal_()
        for modulated in (*convs, *to_rgbs):
            modulated.modulation.bias.fill_(1)
        for conv in convs:
            conv.noise.weight.fill_(ACTIVATION_GAIN)
            conv.noise.bias.zero_()
        for to_rgb in to_rgbs:
            to_rgb.conv.weight.zero_()
        _carry_picture(network)
    return network


def layers(network: GPEN) -> tuple[list[nn.Conv2d], list[StyledConv], list[ToRGB]]:
    """The encoder, finest first, and the generator, coarsest first, with the types that a `ModuleList` hides."""
    convs, to_rgbs = cast(list[StyledConv], list(network.convs)), cast(list[ToRGB], list(network.to_rgbs))
    return cast(list[nn.Conv2d], list(network.encoder)), convs, to_rgbs


def mapping(network: GPEN) -> list[nn.Linear]:
    """The layers between the encoder's latent and the styles' one."""
    return cast(list[nn.Linear], list(network.mapping))


def fan_in(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> int:
    """How many weights one output channel has, as equalised layers count them."""
    weight = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
    return weight[0].numel()


def _carry_picture(network: GPEN) -> None:
    encoder, convs, to_rgbs = layers(network)
    encoder[0].weight[CARRIED] = PAIRS[:, :, None, None]
    for conv in encoder[1:]:
        conv.weight[CARRIED] = 0
        # The picture out of the pairs, and pairs again; a blur and the middle tap at stride 2 halve it.
        conv.weight[CARRIED, CARRIED, 1, 1] = PAIRS @ PAIRS.T / (1 + SLOPE)
    # What was negative has passed two leaky ReLUs here, and the feature has the activation's gain.
    carried = ACTIVATION_GAIN * (1 + SLOPE**2)
    to_rgb, first = to_rgbs[-1], convs[-1].noise.channels
    to_rgb.conv.weight[:, first : first + 6] = PAIRS.T[:, :, None, None] / carried
    # At first the picture passes whatever the style.
    to_rgb.modulation.weight[first : first + 6] = 0
