"""Channels that stay take over from those that go.

Each channel that goes is predicted from those that stay, by least squares over what was seen; its weights are then
added to theirs, and what is left of its mean goes into the bias. A demodulated convolution divides by the norm of its
weights, which is another one now: what that does to its outputs, on average over the latents that were seen, is undone
by the weights that read them, since leaky_relu(g·x + b) = g·leaky_relu(x + b/g).
"""

import torch
from torch import Tensor

from ..model.config import ACTIVATION_GAIN, GPENConfig
from .channels import Kept, Weights, beside, kernel, latent_kernel, read, wide
from .importance import RIDGE, styles
from .statistics import Statistics


def compensate(config: GPENConfig, weights: Weights, statistics: Statistics, kept: Kept) -> Weights:
    """The weights with which the channels that stay do best; those of the channels that go are still in place."""
    new = {name: tensor.clone() for name, tensor in weights.items()}
    _compensate_encoder(config, new, statistics, kept)
    gain: Tensor | None = None  # of the inputs: what the convolution before would have to be multiplied by
    for conv, channels in enumerate(config.generator_channels):
        name, inputs = f"convs.{conv}", read(config, conv, kept)
        source = "constant" if conv == 0 else f"convs.{conv - 1}"
        style = styles(new, name, statistics.latents)
        weight, bias = kernel(new, conv), new[f"{name}.noise.bias"]
        demodulation = _demodulation(weight, style)
        offset = _take_over(weight, _Prediction(statistics, source, inputs, style))
        bias[:channels] += offset * demodulation.mean(0) * ACTIVATION_GAIN
        if gain is not None:
            weight[:, inputs] *= gain[:, None, None]
        changed = _demodulation(weight[:, inputs], style[:, inputs])
        ratio = (demodulation / changed).mean(0)
        bias[:channels] /= ratio
        gain = torch.cat([ratio[kept[name]], torch.ones(len(kept[beside(config, conv)]))])
        if conv % 2 == 0:
            layer, outputs = f"to_rgbs.{conv // 2}", wide(config, conv, kept)
            weight = new[f"{layer}.conv.weight"]
            prediction = _Prediction(statistics, name, outputs, styles(new, layer, statistics.latents))
            new[f"{layer}.conv.bias"] += _take_over(weight, prediction)
            weight[:, outputs] *= gain[:, None, None]
    return new


def _compensate_encoder(config: GPENConfig, weights: Weights, statistics: Statistics, kept: Kept) -> None:
    for level in range(1, len(config.encoder_channels)):
        source = f"encoder.{level - 1}"
        prediction = _Prediction(statistics, source, kept[source])
        weights[f"encoder.{level}.bias"] += _take_over(weights[f"encoder.{level}.weight"], prediction)
    source = f"encoder.{len(config.encoder_channels) - 1}"
    prediction = _Prediction(statistics, source, kept[source])
    weights["to_latent.bias"] += _take_over(latent_kernel(weights)[..., None], prediction)


class _Prediction:
    """A map's channels that go from those that stay: gone ≈ slope · stays + offset, both times their styles."""

    def __init__(self, statistics: Statistics, name: str, stays: Tensor, style: Tensor | None = None):
        mean, covariance = statistics.covariance(name)
        if style is not None:
            style = style.double()
            # Style and channel as if they were independent of each other.
            products = statistics.moments[name][:-1, :-1] * (style.T @ style / len(style))
            mean = mean * style.mean(0)
            covariance = products - mean[:, None] * mean
        self.stays = stays
        mask = torch.ones(len(mean), dtype=torch.bool)
        mask[stays] = False
        self.gone = mask.nonzero()[:, 0]
        known = covariance[stays][:, stays]
        ridge = RIDGE * known.diagonal().mean().clamp_min(1e-12) * torch.eye(len(stays), dtype=torch.float64)
        slope = torch.linalg.solve(known + ridge, covariance[stays][:, self.gone]).T
        self.offset = (mean[self.gone] - slope @ mean[stays]).float()
        self.slope = slope.float()


def _take_over(weight: Tensor, prediction: _Prediction) -> Tensor:
    """Change weights (out, in, h, w) in place → what to add to the output's bias, before any demodulation."""
    gone = weight[:, prediction.gone]
    weight[:, prediction.stays] += torch.einsum("oghw,gs->oshw", gone, prediction.slope)
    return gone.sum((2, 3)) @ prediction.offset


def _demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """(pictures, out): the factors of a convolution's outputs."""
    return torch.rsqrt(style.square() @ weight.square().sum((2, 3)).T + 1e-8)
