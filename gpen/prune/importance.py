"""Which channels matter least.

Two numbers make a channel's worth. How much the picture changes when the channel does: the weights that read it, times
what their outputs matter, from the picture back to the first layer; errors are taken as independent, so that their
powers add up and no gradient is needed. And how much of the channel the others of its map cannot tell: the variance
that is left once they predict it, since `compensate.py` lets them take its place. Channels go one by one, because of
two alike only the first can be spared.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model.config import GPENConfig
from .channels import Kept, Weights, beside, kernel, latent_kernel, maps
from .statistics import Statistics

PASSED = 0.52
"""Of an error's power, what a leaky ReLU lets through: (1 + 0.2²) / 2 where half of its inputs are negative."""
LATENT = 1e-3
"""How much an error of z counts against one of the picture: a guess, for it moves every style a little."""
RIDGE = 1e-3
"""Of the mean variance: what keeps an inverse tame where a map has more channels than pixels were seen."""


def choose_channels(
    config: GPENConfig, weights: Weights, statistics: Statistics, used: Kept, share: float, step: Callable[[], None]
) -> Kept:
    """The channels that stay when `share` (0..1) of each map is dropped, the unused ones first.

    Calls `step` after each map.
    """
    effects = _effects(config, weights, statistics.latents)
    kept: Kept = {}
    for name, channels in maps(config).items():
        count = kept_channels(channels, share)
        effect = torch.zeros(channels, dtype=torch.float64)
        effect[used[name]] = effects[name][used[name]].double()
        kept[name] = (
            used[name] if len(used[name]) <= count else _worthiest(effect, statistics.covariance(name)[1], count)
        )
        step()
    return kept


def kept_channels(channels: int, share: float) -> int:
    """How many of a map's channels stay: of 64 and more a multiple of 8, which processors like best."""
    step = 8 if channels >= 64 else 1
    return max(1, round(channels * (1 - share) / step) * step)


def _worthiest(effect: Tensor, covariance: Tensor, count: int) -> Tensor:
    """Drop the channel of the least worth until `count` are left; in `covariance` others may follow them."""
    channels = len(effect)
    ridge = RIDGE * covariance.diagonal().mean().clamp_min(1e-12) * torch.eye(len(covariance), dtype=torch.float64)
    precision = torch.linalg.inv(covariance + ridge)[:channels, :channels].contiguous()
    gone = torch.zeros(channels, dtype=torch.bool)
    for _ in range(channels - count):
        # The inverse of a precision is what is left of a variance when all others are known.
        worth = (effect / precision.diagonal()).masked_fill(gone, torch.inf)
        least = worth.argmin()
        row = precision[least].clone()
        precision -= torch.outer(row, row) / row[least]
        precision[least, least] = 1
        gone[least] = True
    return (~gone).nonzero()[:, 0]


def _effects(config: GPENConfig, weights: Weights, latents: Tensor) -> dict[str, Tensor]:
    """Map → the power of the picture's change for each channel's, per unit."""
    effects = {name: torch.zeros(channels) for name, channels in maps(config).items()}
    before = torch.zeros(0)  # of the outputs of the convolution after this one
    for conv in reversed(range(len(config.generator_channels))):
        channels = config.generator_channels[conv]
        output = torch.zeros(channels + config.noise_channels(conv))
        if conv + 1 < len(config.generator_channels):
            output += _through(weights, conv + 1, latents, before)
        if conv % 2 == 0:
            name = f"to_rgbs.{conv // 2}"
            power = weights[f"{name}.conv.weight"].square().sum((0, 2, 3))
            output += power * styles(weights, name, latents).square().mean(0)
        before = output[:channels]
        effects[f"convs.{conv}"] += before
        passed = weights[f"convs.{conv}.noise.weight"].square() * PASSED if config.has_feature(conv) else 1
        effects[beside(config, conv)] += output[channels:] * passed
    effects["constant"] = _through(weights, 0, latents, before)
    last = len(config.encoder_channels) - 1
    effects[f"encoder.{last}"] += latent_kernel(weights).square().sum((0, 2)) * LATENT
    for level in range(last, 0, -1):
        power = weights[f"encoder.{level}.weight"].square().sum((2, 3))
        effects[f"encoder.{level - 1}"] += effects[f"encoder.{level}"] @ power * PASSED
    return effects


def _through(weights: Weights, conv: int, latents: Tensor, effect: Tensor) -> Tensor:
    """The effect of a convolution's inputs, from that of its outputs."""
    energy = kernel(weights, conv).square().sum((2, 3))
    squares = styles(weights, f"convs.{conv}", latents).square()
    scales = 2 / (squares @ energy.T + 1e-8)  # demodulation, and the square of the activation's gain
    return PASSED * (scales * effect @ energy * squares).mean(0)


def styles(weights: Weights, layer: str, latents: Tensor) -> Tensor:
    """Latents → the styles (pictures, in) of a modulated layer."""
    return F.linear(latents, weights[f"{layer}.modulation.weight"], weights[f"{layer}.modulation.bias"])
