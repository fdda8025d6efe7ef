"""GPEN: an encoder whose feature maps take the place of the noise in a StyleGAN2 generator.

Papers: Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild" (CVPR 2021);
Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020).

The network computes what official code computes, in a cheaper form:

- Constant factors are folded into the weights when a checkpoint is loaded (`layout.py`): the equalised
  learning rate's scales, and the √2 of every activation, since leaky_relu(√2·x) = √2·leaky_relu(x).
- A style scales the *activations* before a convolution whose weights the whole batch shares, and the
  demodulation factor scales them after it. That is the same function as modulating the weights for each sample.

Inside, tensors are (B, C, H, W), in the dtype of the input; the latent, the styles and the picture are float32.
Every weight lives in a layer of the `ops` namespace that is handed in (`ops.py`, or ComfyUI's
`comfy.ops.manual_cast`), which casts it to its input's dtype and device; the few that do not are cast where they
are used.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import ops as casting_ops
from .config import GPENConfig


class GPEN(nn.Module):
    """The whole network.

    Args:
        config: channels of every layer, as read off a checkpoint.
        ops: namespace that `Conv2d`, `ConvTranspose2d` and `Linear` come from.
        large_ops: the same for the layers that hold most of the weights and can do with less precision: those that
            make the latent's first form, the styles and the generator's maps. By default `ops`.
        **factory: `dtype` and `device` of the new layers.
    """

    def __init__(self, config: GPENConfig, ops: Any = casting_ops, large_ops: Any = None, **factory: Any):
        super().__init__()
        self.config = config
        large_ops = large_ops or ops
        channels = (3, *config.encoder_channels)
        self.encoder = nn.ModuleList(
            ops.Conv2d(channels[i], channels[i + 1], 1 if i == 0 else 3, stride=1 if i == 0 else 2, **factory)
            for i in range(len(config.encoder_channels))
        )
        self.to_latent = large_ops.Linear(channels[-1] * 16, config.style_dim, **factory)
        self.mapping = nn.ModuleList(
            ops.Linear(config.style_dim, config.style_dim, **factory) for _ in range(config.mapping_layers)
        )
        self.constant = Constant(config.constant_channels, **factory)
        convs = range(len(config.generator_channels))
        self.convs: Any = nn.ModuleList(StyledConv(config, conv, large_ops, **factory) for conv in convs)
        self.to_rgbs: Any = nn.ModuleList(
            ToRGB(config, conv, ops, large_ops, **factory) for conv in convs if conv % 2 == 0
        )
        self.register_load_state_dict_post_hook(lay_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, input_size, input_size) in -1..1 → (B, 3, size, size), about -1..1, not clamped.

        Every map is computed in one piece: for training and for export, and easiest to read. `strips.py` computes the
        same in a fraction of the memory.
        """
        features = self.encode(x)
        latent = self.map(features[0])
        rgb: Tensor | None = None
        for conv, hidden in enumerate(self.generate(features, latent, x.dtype)):
            if conv % 2 == 0:
                to_rgb = self.to_rgbs[conv // 2]
                rgb = to_rgb(hidden, to_rgb.weight(latent), None if rgb is None else upsample(rgb))
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
        # In float32 whatever the feature maps are: it costs next to nothing, and every layer depends on it.
        z = activate(self.to_latent(coarsest.float().flatten(1)))
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for linear in self.mapping:
            w = activate(linear(w))
        return w

    def generate(self, features: list[Tensor], latent: Tensor, dtype: torch.dtype) -> Iterator[Tensor]:
        """The encoder's maps, the latent and the dtype of activations → the map of each convolution, coarsest first."""
        hidden = self.constant(features[0])
        for conv, styled in enumerate(self.convs):
            level = (conv + 1) // 2
            feature = features[level] if level < len(features) else noise_rows(hidden, self.config, conv)
            hidden = styled(hidden, styled.scales(latent, dtype), feature)
            yield hidden


class StyledConv(nn.Module):
    """A modulated 3×3 convolution (a stride-2 transposed one where the octave begins), then features and activation."""

    def __init__(self, config: GPENConfig, conv: int, ops: Any, **factory: Any):
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

    def forward(self, x: Tensor, scales: tuple[Tensor, Tensor], feature: Tensor, rows: slice = slice(None)) -> Tensor:
        """(B, in, H, W) → (B, out + feature channels, H', W'), H' being 2H where the layer upsamples.

        Args:
            x: what the layer before it returned.
            scales: what `scales` returned.
            feature: the encoder's map at the output's resolution.
            rows: of the output; `feature` has these rows only. The others need not be right, nor are they returned.
        """
        before, after = scales
        x = self.conv(x * before)
        if self.upsamples:
            x = blur(x, pad=1, gain=4)
        return self.noise(x[:, :, rows], after, feature)

    def scales(self, latent: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The latent → factors (B, in, 1, 1) for the convolution's input and (B, out, 1, 1) for its output.

        They are the style and the demodulation 1/‖w·style‖, w being an output channel's weights (StyleGAN2, eq. 3).
        `energy` holds Σ w² over the 3×3 kernel, so that weights are read once and not once more for each picture.
        """
        style = self.modulation(latent)
        squares = style.square()
        # In training the energies follow the weights.
        norm = F.linear(squares, weight_energy(self.conv)) if self.training else self.energy(squares)
        demodulation = torch.rsqrt(norm + 1e-8)
        if dtype == torch.float16:
            # Dividing the style and multiplying the demodulation by one number changes nothing but what lies between.
            # By Cauchy and Schwarz no sum of the convolution is then larger than the largest of its inputs.
            terms = 9 * style.shape[1]
            bound = torch.maximum((norm.amax(1) * terms).sqrt(), style.abs().amax(1))[:, None] + 1e-8
            style, demodulation = style / bound, demodulation * bound
        return style[:, :, None, None].to(dtype), demodulation[:, :, None, None].to(dtype)


class NoiseActivation(nn.Module):
    """Puts the encoder's feature map beside the generator's, where StyleGAN2 adds noise; then bias and activation."""

    def __init__(self, channels: int, feature_channels: int, **factory: Any):
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.empty(1, **factory))
        self.bias = nn.Parameter(torch.empty(channels + feature_channels, **factory))

    def forward(self, x: Tensor, demodulation: Tensor, feature: Tensor) -> Tensor:
        """(B, C, H, W), its factors (B, C, 1, 1) and the feature (B, F, H, W) → (B, C + F, H, W)."""
        bias = self.bias.to(x)[:, None, None].split([self.channels, feature.shape[1]])
        # √2: the gain of every activation; the biases and the feature's weight carry it already.
        halves = (bias[0], x, demodulation * 2**0.5), (bias[1], feature, self.weight.to(x))
        if torch.is_grad_enabled():
            return activate(torch.cat([torch.addcmul(*half) for half in halves], dim=1))
        # Both halves are written where they belong; putting them together afterwards would cost another pass.
        sizes = [x.shape[1], feature.shape[1]]
        out = empty(x, x.shape[0], sum(sizes), *x.shape[2:])
        for half, target in zip(halves, out.split(sizes, dim=1), strict=True):
            torch.addcmul(*half, out=target)
        return activate(out)


class ToRGB(nn.Module):
    """A modulated 1×1 convolution to RGB without demodulation, added to the upsampled picture so far."""

    def __init__(self, config: GPENConfig, conv: int, ops: Any, large_ops: Any, **factory: Any):
        super().__init__()
        inputs = config.generator_channels[conv] + config.noise_channels(conv)
        self.modulation = large_ops.Linear(config.style_dim, inputs, **factory)
        self.conv = ops.Conv2d(inputs, 3, 1, **factory)

    def forward(self, x: Tensor, weight: Tensor, rgb: Tensor | None) -> Tensor:
        """(B, in, H, W), what `weight` returned, the upsampled picture so far → the picture (B, 3, H, W), float32."""
        out = torch.baddbmm(self.conv.bias.to(x)[:, None], weight.to(x), x.flatten(2)).float()
        out = out.unflatten(2, x.shape[2:])
        return out if rgb is None else out + rgb

    def weight(self, latent: Tensor) -> Tensor:
        """The latent → each sample's weights (B, 3, in): for three outputs cheaper than to scale the activations."""
        return self.conv.weight.to(latent).flatten(1) * self.modulation(latent)[:, None]


class Constant(nn.Module):
    """The learned 4×4 map that the generator starts from."""

    def __init__(self, channels: int, **factory: Any):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, channels, 4, 4, **factory))

    def forward(self, like: Tensor) -> Tensor:
        weight = self.weight.to(like, memory_format=torch.channels_last)
        return weight.expand(like.shape[0], -1, -1, -1)


def lay_out(net: nn.Module, _: Any = None) -> None:
    """Store weights with their channels innermost, as the maps are: a convolution would copy them at each call."""
    net.to(memory_format=torch.channels_last)


def empty(like: Tensor, *shape: int) -> Tensor:
    """An uninitialised map with its channels innermost, as convolutions like it best."""
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU in place; its gain √2 is in the weights before it."""
    return F.leaky_relu_(x, 0.2)


def blur(x: Tensor, pad: int, gain: float = 1.0) -> Tensor:
    """Zero-pad each side by `pad`, then filter with outer([1, 3, 3, 1]) / 64 · gain; sides grow by 2·pad - 3."""
    # Computed where x is, for a copy from the CPU would make a GPU wait.
    i = torch.arange(4, dtype=x.dtype, device=x.device)
    row = 1 + i * (3 - i)
    kernel = torch.outer(row, row) * (gain / 64)
    # One pass of a 4×4 kernel is faster than two of 4: what takes time here is reading and writing the maps.
    return F.conv2d(x, kernel.expand(x.shape[1], 1, 4, 4), padding=pad, groups=x.shape[1])


def upsample(rgb: Tensor) -> Tensor:
    """Twice the size, by zero insertion and the FIR filter with gain 4 and padding (2, 1).

    That is bilinear interpolation in a picture with zeros around it.
    """
    padded = F.pad(rgb, (1, 1, 1, 1))
    return F.interpolate(padded, scale_factor=2, mode="bilinear")[:, :, 2:-2, 2:-2]


def weight_energy(conv: nn.Module) -> Tensor:
    """(out, in): the sum of squares of a convolution's weights over its kernel."""
    energy = conv.weight.square().sum((2, 3))  # type: ignore[union-attr]
    return energy.T if isinstance(conv, nn.ConvTranspose2d) else energy


def noise_rows(like: Tensor, config: GPENConfig, conv: int, top: int = 0, bottom: int | None = None) -> Tensor:
    """Random noise where a "-D" network has no encoder map: rows `top` to `bottom`, the last one excluded.

    Each row has a seed of its own, so that results repeat, in one piece or in strips.
    """
    side, channels = config.resolution(conv), config.noise_channels(conv)
    generator = torch.Generator()
    rows = [
        torch.randn(side, channels, generator=generator.manual_seed(conv * side + row))
        for row in range(top, side if bottom is None else bottom)
    ]
    return torch.stack(rows)[None].movedim(3, 1).to(like).expand(like.shape[0], -1, -1, -1)
