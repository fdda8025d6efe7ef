"""Every octave of the generator draws its own part of the picture, from the first step on.

GPEN's picture is a sum over its octaves. In a network that began as `identity_init.py` makes it, the last octave copies
the whole picture, so a damaged picture passes the octaves below by and they have little to do. Here the picture is
taken apart instead (the Laplacian pyramid of Burt and Adelson, 1983): the octave of side r adds what the encoder's map
of that size shows and takes away what the octave before has drawn. The sum is the same. But a style, which is made of
what the encoder sees, now damps or lifts each octave's share alone, what the middle octaves change stays changed, and
at half of its size the picture is a picture already.
"""

from dataclasses import replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpen.model.config import ACTIVATION_GAIN, GPENConfig
from gpen.model.network import GPEN, StyledConv, ToRGB, activate

from .identity_init import PAIRS, SLOPE, fan_in, layers

FIRST_SIDE = 16
"""Of the octave that draws the lowest part. Those below see too little of the picture to be worth the channels."""
ADDED = 8
"""Channels more in every convolution above: six carry what was drawn so far, two are free. Convolutions on a CPU
compute eight at a time, so fewer would cost the same."""


def pyramid_config(config: GPENConfig) -> GPENConfig:
    """What `with_pyramid` makes of a configuration."""
    widened = (
        channels + ADDED * (config.resolution(conv) > FIRST_SIDE)
        for conv, channels in enumerate(config.generator_channels)
    )
    return replace(config, generator_channels=tuple(widened))


@torch.no_grad()
def with_pyramid(narrow: GPEN, pictures: Tensor, seed: int) -> GPEN:
    """A wider network that computes the same, its picture taken apart by octaves.

    The styles of the channels that carry the picture become constant: that is the only thing that is not kept.

    Args:
        narrow: begun by `identity_network`, trained or not: the first channels of its encoder's maps are the picture,
            or what they became of it.
        pictures: damaged ones (N, 3, S, S) in -1..1, for the mean of a style.
        seed: of the free channels' weights.
    """
    torch.manual_seed(seed)
    features = narrow.encode(pictures)
    latent = narrow.map(features[0])
    network = _widened(narrow)
    _, convs, to_rgbs = layers(network)
    below: tuple[slice, Tensor] | None = None
    for octave, to_rgb in enumerate(to_rgbs):
        side = network.config.resolution(2 * octave)
        if side < FIRST_SIDE:
            continue
        plain, up = convs[2 * octave], convs[2 * octave - 1]
        if below is not None:
            _fix_style(up, below[0], latent)
            carried = slice(plain.noise.channels - ADDED, plain.noise.channels - ADDED + len(PAIRS))
            factor = _carry(up, *below, carried) * _carry(plain, carried, PAIRS.T / (1 + SLOPE), carried)
            to_rgb.conv.weight[:, carried, 0, 0] = -PAIRS.T / (1 + SLOPE) / factor[:, None]
        if side < network.config.size:  # the last octave draws the whole picture already
            feature = slice(plain.noise.channels, plain.noise.channels + len(PAIRS))
            readout = _readout(plain, features[octave][:, : len(PAIRS)], pictures)
            _fix_style(to_rgb, feature, latent)
            to_rgb.conv.weight[:, feature, 0, 0] += readout
            below = feature, readout
    return network


def _widened(narrow: GPEN) -> GPEN:
    """The same function with `pyramid_config`'s channels: nobody listens to the new ones yet."""
    network = GPEN(pyramid_config(narrow.config)).train()
    for part in ("encoder", "to_latent", "mapping", "constant"):
        getattr(network, part).load_state_dict(getattr(narrow, part).state_dict())
    inputs = torch.arange(network.config.constant_channels)
    for conv, (wide, old) in enumerate(zip(layers(network)[1], layers(narrow)[1], strict=True)):
        weight, old_weight = _outputs_first(wide.conv), _outputs_first(old.conv)
        nn.init.normal_(weight, std=fan_in(wide.conv) ** -0.5)
        weight[: old.noise.channels] = 0
        weight[: old.noise.channels, inputs] = old_weight
        _copy_styles(old, wide, inputs)
        outputs = torch.arange(len(old.noise.bias))
        outputs[old.noise.channels :] += wide.noise.channels - old.noise.channels
        wide.noise.weight.copy_(old.noise.weight)
        wide.noise.bias.zero_()
        wide.noise.bias[outputs] = old.noise.bias
        if conv % 2 == 0:
            to_rgb, old_to_rgb = layers(network)[2][conv // 2], layers(narrow)[2][conv // 2]
            to_rgb.conv.weight.zero_()
            to_rgb.conv.weight[:, outputs] = old_to_rgb.conv.weight
            cast(Tensor, to_rgb.conv.bias).copy_(cast(Tensor, old_to_rgb.conv.bias))
            _copy_styles(old_to_rgb, to_rgb, outputs)
        inputs = outputs
    return network


def _copy_styles(old: StyledConv | ToRGB, wide: StyledConv | ToRGB, channels: Tensor) -> None:
    """The styles of those input channels; a new channel's is 1, whatever the latent."""
    wide.modulation.weight.zero_()
    wide.modulation.bias.fill_(1)
    wide.modulation.weight[channels] = old.modulation.weight
    wide.modulation.bias[channels] = old.modulation.bias


def _outputs_first(conv: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    """A view of the weights as (out, in, 3, 3)."""
    return conv.weight.transpose(0, 1) if isinstance(conv, nn.ConvTranspose2d) else conv.weight


def _readout(styled: StyledConv, feature: Tensor, pictures: Tensor) -> Tensor:
    """(3, 6): from the encoder's picture (N, 6, r, r), as it lies in what `styled` returns, nearest to RGB."""
    bias = styled.noise.bias[styled.noise.channels :][: len(PAIRS)]
    shown = activate(styled.noise.weight * feature + bias[:, None, None])
    target = F.interpolate(pictures, shown.shape[2:], mode="area")
    return torch.linalg.lstsq(_columns(shown), _columns(target)).solution.T


def _columns(pictures: Tensor) -> Tensor:
    """(N, C, H, W) → (N·H·W, C)"""
    return pictures.movedim(1, 3).flatten(0, 2)


def _fix_style(layer: StyledConv | ToRGB, channels: slice, latent: Tensor) -> None:
    """The mean style of these input channels becomes part of the weights, and the style 1."""
    style = layer.modulation(latent).mean(0)[channels]
    weight = _outputs_first(layer.conv)
    weight[:, channels] *= style[:, None, None]
    layer.modulation.weight[channels] = 0
    layer.modulation.bias[channels] = 1


def _carry(styled: StyledConv, source: slice, readout: Tensor, target: slice) -> Tensor:
    """`target` becomes the pairs of what `readout` (3, 6) finds in `source`, times the factors (3,) that are returned.

    The middle tap alone enlarges a map exactly as the picture is enlarged.
    """
    weight = _outputs_first(styled.conv)
    weight[target] = 0
    weight[target, source, 1, 1] = PAIRS @ readout
    return ACTIVATION_GAIN / readout.norm(dim=1)  # demodulation makes each row's norm 1
