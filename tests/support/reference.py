"""GPEN executed plainly, step by step as the papers write it: what `gpen.model` is measured against.

Convolution weights are scaled at every run, modulated and demodulated for each sample and applied by a grouped
convolution; the FIR filter is a 2-D convolution of a zero-stuffed, padded map; nothing is done in place and every
encoder map is kept to the end.

Papers: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020), section 2.2 and appendix B;
Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild" (CVPR 2021), section 3.
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from gpen.model.config import GPENConfig


class PlainGPEN:
    """The whole network on the tensors of an official checkpoint.

    Args:
        config: the shapes of the network.
        tensors: official name → tensor, as they are stored.
    """

    def __init__(self, config: GPENConfig, tensors: Mapping[str, Tensor]):
        self.config = config
        self.tensors = tensors

    def __call__(self, x: Tensor) -> Tensor:
        """(B, 3, size, size) in -1..1 → the same shape, about -1..1, not clamped. No "-D" networks."""
        features = self.encode(x)
        latent = self.map(features[-1])
        features = features[::-1]
        hidden = self.tensors["generator.input.input"].repeat(x.shape[0], 1, 1, 1)
        hidden = self.styled_conv("generator.conv1", hidden, latent, features[0], upsample=False)
        rgb = self.to_rgb("generator.to_rgb1", hidden, latent, None)
        for octave, feature in enumerate(features[1:]):
            first, second = 2 * octave, 2 * octave + 1
            hidden = self.styled_conv(f"generator.convs.{first}", hidden, latent, feature, upsample=True)
            hidden = self.styled_conv(f"generator.convs.{second}", hidden, latent, feature, upsample=False)
            rgb = self.to_rgb(f"generator.to_rgbs.{octave}", hidden, latent, rgb)
        return rgb

    def encode(self, x: Tensor) -> list[Tensor]:
        """The encoder's feature maps, finest first."""
        features: list[Tensor] = []
        for level in range(len(self.config.encoder_channels)):
            index = 0 if level == 0 else 1
            weight = self.tensors[f"ecd{level}.0.{index}.weight"]
            weight = weight / math.sqrt(weight[0].numel())
            if level > 0:
                x = upfirdn(x, up=1, pad=(2, 2), gain=1)
            x = F.conv2d(x, weight, stride=1 if level == 0 else 2)
            x = activate(x + self.tensors[f"ecd{level}.0.{index + 1}.bias"].view(1, -1, 1, 1))
            features.append(x)
        return features

    def map(self, coarsest: Tensor) -> Tensor:
        """The 4×4 feature map → the latent w (B, style_dim)."""
        z = activate(self.linear("final_linear.0", coarsest.flatten(1)))
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for i in range(1, self.config.mapping_layers + 1):
            w = activate(self.linear(f"generator.style.{i}", w, lr_mul=0.01))
        return w

    def linear(self, name: str, x: Tensor, lr_mul: float = 1.0) -> Tensor:
        """An equalised linear layer."""
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        return F.linear(x, weight * (lr_mul / math.sqrt(weight.shape[1])), bias * lr_mul)

    def styled_conv(self, name: str, x: Tensor, latent: Tensor, feature: Tensor, upsample: bool) -> Tensor:
        """Modulated 3×3 convolution, the encoder's map beside it, bias and activation."""
        weight = self.modulate(f"{name}.conv", latent)
        weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        if upsample:
            x = grouped(F.conv_transpose2d, x, weight.transpose(1, 2), stride=2)
            x = upfirdn(x, up=1, pad=(1, 1), gain=4)
        else:
            x = grouped(F.conv2d, x, weight, padding=1)
        x = torch.cat([x, self.tensors[f"{name}.noise.weight"] * feature], dim=1)
        return activate(x + self.tensors[f"{name}.activate.bias"].view(1, -1, 1, 1))

    def to_rgb(self, name: str, x: Tensor, latent: Tensor, rgb: Tensor | None) -> Tensor:
        """Modulated 1×1 convolution without demodulation, added to the upsampled picture so far."""
        out = grouped(F.conv2d, x, self.modulate(f"{name}.conv", latent)) + self.tensors[f"{name}.bias"]
        return out if rgb is None else out + upfirdn(rgb, up=2, pad=(2, 1), gain=4)

    def modulate(self, name: str, latent: Tensor) -> Tensor:
        """The latent → the weights (B, out, in, k, k) of each sample's convolution."""
        weight = self.tensors[f"{name}.weight"]
        style = self.linear(f"{name}.modulation", latent)
        return weight / math.sqrt(weight[0, 0].numel()) * style[:, None, :, None, None]


def grouped(convolution, x: Tensor, weight: Tensor, **options: int) -> Tensor:
    """Convolve each sample of (B, C, H, W) with weights of its own (B, …), as one convolution of B groups."""
    b, c, h, w = x.shape
    x = convolution(x.reshape(1, b * c, h, w), weight.flatten(0, 1), groups=b, **options)
    return x.unflatten(1, (b, -1))[0]


def upfirdn(x: Tensor, up: int, pad: tuple[int, int], gain: float) -> Tensor:
    """Zeros between the samples, zero padding (before, after), then the filter outer([1, 3, 3, 1]) / 64 · gain."""
    b, c, h, w = x.shape
    stuffed = F.pad(x.reshape(b * c, 1, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1))
    padded = F.pad(stuffed.reshape(b * c, 1, h * up, w * up), (*pad, *pad))
    row = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype, device=x.device)
    out = F.conv2d(padded, (torch.outer(row, row) * (gain / 64))[None, None])
    return out.view(b, c, *out.shape[2:])


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU with StyleGAN2's gain √2."""
    return F.leaky_relu(x, 0.2) * 2**0.5
