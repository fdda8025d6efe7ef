"""GPEN: an encoder whose feature maps take the place of the noise in a StyleGAN2 generator.

Papers: Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild" (CVPR 2021);
Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020).

The network computes what official code computes, in a cheaper form:

- Constant factors are folded into the weights when a checkpoint is loaded (`layout.py`): the equalised
  learning rate's scales, and the √2 of every activation, since leaky_relu(√2·x) = √2·leaky_relu(x).
- A style scales the *activations* before a convolution whose weights the whole batch shares, and the
  demodulation factor scales them after it. That is the same function as modulating the weights for each sample.

Inside, tensors are (B, C, H, W). Every weight lives in a layer of the `ops` namespace that is handed in
(`torch.nn`, or ComfyUI's `comfy.ops.manual_cast`), which moves and casts it; the few that do not are
cast where they are used.
"""

from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import GPENConfig

Ops = ModuleType | type | Any
"""A namespace with `Conv2d`, `ConvTranspose2d` and `Linear`."""


class GPEN(nn.Module):
    """The whole network.

    Args:
        config: channels of every layer, as read off a checkpoint.
        ops: namespace the layers come from.
        **factory: `dtype` and `device` of the new layers.
    """

    def __init__(self, config: GPENConfig, ops: Ops = nn, **factory: Any):
        super().__init__()
        self.config = config
        channels = (3, *config.encoder_channels)
        self.encoder = nn.ModuleList(
            ops.Conv2d(channels[i], channels[i + 1], 1 if i == 0 else 3, stride=1 if i == 0 else 2, **factory)
            for i in range(len(config.encoder_channels))
        )
        self.to_latent = ops.Linear(channels[-1] * 16, config.style_dim, **factory)
        self.mapping = nn.ModuleList(
            ops.Linear(config.style_dim, config.style_dim, **factory) for _ in range(config.mapping_layers)
        )
        self.constant = Constant(config.constant_channels, **factory)
        convs = range(len(config.generator_channels))
        self.convs = nn.ModuleList(StyledConv(config, conv, ops, **factory) for conv in convs)
        self.to_rgbs = nn.ModuleList(ToRGB(config, conv, ops, **factory) for conv in convs if conv % 2 == 0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, input_size, input_size) in -1..1 → (B, 3, size, size), about -1..1, not clamped."""
        features = self.encode(x)
        latent = self.map(features[0])
        hidden = self.constant(features[0])
        rgb: Tensor | None = None
        for conv, styled in enumerate(self.convs):
            level = (conv + 1) // 2
            feature = features[level] if level < len(features) else noise_like(hidden, self.config, conv)
            hidden = styled(hidden, latent, feature)
            if conv % 2 == 0:
                rgb = self.to_rgbs[conv // 2](hidden, latent, rgb)
        assert rgb is not None  # there is always a first convolution
        return rgb

    def encode(self, x: Tensor) -> list[Tensor]:
        """The encoder's feature maps, coarsest (4×4) first."""
        features: list[Tensor] = []
        for level, conv in enumerate(self.encoder):
            x = activate(conv(x if level == 0 else blur(x, pad=2)))
            features.append(x)
        return features[::-1]

    def map(self, coarsest: Tensor) -> Tensor:
        """The 4×4 feature map → the latent w (B, style_dim) that styles every layer of the generator."""
        z = activate(self.to_latent(coarsest.flatten(1)))
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for linear in self.mapping:
            w = activate(linear(w))
        return w


class StyledConv(nn.Module):
    """A modulated 3×3 convolution (a stride-2 transposed one where the octave begins), then features and activation."""

    def __init__(self, config: GPENConfig, conv: int, ops: Ops, **factory: Any):
        super().__init__()
        inputs, outputs = config.input_channels(conv), config.generator_channels[conv]
        self.upsamples = conv % 2 == 1
        self.modulation = ops.Linear(config.style_dim, inputs, **factory)
        if self.upsamples:
            self.conv = ops.ConvTranspose2d(inputs, outputs, 3, stride=2, bias=False, **factory)
        else:
            self.conv = ops.Conv2d(inputs, outputs, 3, padding=1, bias=False, **factory)
        self.energy = ops.Linear(inputs, outputs, bias=False, **factory)
        self.noise = NoiseActivation(outputs, config.noise_channels(conv), **factory)

    def forward(self, x: Tensor, latent: Tensor, feature: Tensor) -> Tensor:
        """(B, in, H, W) → (B, out + feature channels, H', W'), H' being 2H where the layer upsamples."""
        style = self.modulation(latent)
        x = self.conv(x * style[:, :, None, None])
        if self.upsamples:
            x = blur(x, pad=1, gain=4)
        return self.noise(x, self.demodulation(style), feature)

    def demodulation(self, style: Tensor) -> Tensor:
        """(B, in) → (B, out): 1/‖w·style‖ for each output channel, w being its weights (StyleGAN2, eq. 3).

        `energy` holds Σ w² over the 3×3 taps, so that weights are read once and not once more for each picture.
        """
        squares = style.square()
        # In training the energies follow the weights.
        norm = F.linear(squares, weight_energy(self.conv)) if self.training else self.energy(squares)
        return torch.rsqrt(norm + 1e-8)


class NoiseActivation(nn.Module):
    """Puts the encoder's feature map beside the generator's, where StyleGAN2 adds noise; then bias and activation."""

    def __init__(self, channels: int, feature_channels: int, **factory: Any):
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.empty(1, **factory))
        self.bias = nn.Parameter(torch.empty(channels + feature_channels, **factory))

    def forward(self, x: Tensor, demodulation: Tensor, feature: Tensor) -> Tensor:
        bias = self.bias.to(x)[:, None, None].split([self.channels, feature.shape[1]])
        # √2: the gain of every activation; the biases and the feature's weight carry it already.
        x = torch.addcmul(bias[0], x, demodulation[:, :, None, None] * 2**0.5)
        feature = torch.addcmul(bias[1], feature, self.weight.to(x))
        return activate(torch.cat([x, feature], dim=1))


class ToRGB(nn.Module):
    """A modulated 1×1 convolution to RGB without demodulation, added to the upsampled picture so far."""

    def __init__(self, config: GPENConfig, conv: int, ops: Ops, **factory: Any):
        super().__init__()
        inputs = config.generator_channels[conv] + config.noise_channels(conv)
        self.modulation = ops.Linear(config.style_dim, inputs, **factory)
        self.conv = ops.Conv2d(inputs, 3, 1, **factory)

    def forward(self, x: Tensor, latent: Tensor, rgb: Tensor | None) -> Tensor:
        out = self.conv(x * self.modulation(latent)[:, :, None, None])
        return out if rgb is None else out + upsample(rgb)


class Constant(nn.Module):
    """The learned 4×4 map that the generator starts from."""

    def __init__(self, channels: int, **factory: Any):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, channels, 4, 4, **factory))

    def forward(self, like: Tensor) -> Tensor:
        return self.weight.to(like).expand(like.shape[0], -1, -1, -1)


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU in place; its gain √2 is in the weights before it."""
    return F.leaky_relu_(x, 0.2)


def blur(x: Tensor, pad: int, gain: float = 1.0) -> Tensor:
    """Filter with outer([1, 3, 3, 1]) / 64 · gain after zero-padding each side by `pad`; the sides grow by 2·pad - 3."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype, device=x.device) / 8 * gain**0.5
    channels = x.shape[1]
    x = F.conv2d(x, taps.view(1, 1, 4, 1).expand(channels, -1, -1, -1), padding=(pad, 0), groups=channels)
    return F.conv2d(x, taps.view(1, 1, 1, 4).expand(channels, -1, -1, -1), padding=(0, pad), groups=channels)


def upsample(rgb: Tensor) -> Tensor:
    """Twice the size, by zero insertion and the FIR filter with gain 4 and padding (2, 1)."""
    b, c, h, w = rgb.shape
    zeros = rgb.new_zeros(b, c, h, 2, w, 2)
    zeros[:, :, :, 0, :, 0] = rgb
    return blur(zeros.view(b, c, 2 * h, 2 * w), pad=2, gain=4)[:, :, : 2 * h, : 2 * w]


def weight_energy(conv: nn.Module) -> Tensor:
    """(out, in): the sum of squares of a convolution's weights over its taps."""
    energy = conv.weight.square().sum((2, 3))  # type: ignore[union-attr]
    return energy.T if isinstance(conv, nn.ConvTranspose2d) else energy


def noise_like(hidden: Tensor, config: GPENConfig, conv: int) -> Tensor:
    """Random noise where a "-D" network has no encoder map; the same for every run, so that results repeat."""
    side = config.resolution(conv)
    generator = torch.Generator().manual_seed(conv)
    noise = torch.randn(1, config.noise_channels(conv), side, side, generator=generator)
    return noise.to(hidden).expand(hidden.shape[0], -1, -1, -1)
