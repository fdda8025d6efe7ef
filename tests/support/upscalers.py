"""Small upscalers of architectures that people have, built by spandrel's own parts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn


def compact(scale: int = 2, colours: int = 3) -> nn.Module:
    """Real-ESRGAN's compact network, of random numbers: it changes a picture visibly, and sees four pixels around."""
    module = pytest.importorskip("spandrel.architectures.Compact", reason="spandrel is not installed")
    torch.manual_seed(0)
    return module.Compact(num_in_ch=colours, num_out_ch=colours, num_feat=8, num_conv=2, upscale=scale).eval()


def repeating(scale: int = 2, colours: int = 3) -> nn.Module:
    """The same network with zeros: each pixel of a picture becomes a square of that very pixel."""
    network = compact(scale, colours)
    for weight in network.parameters():
        weight.data.zero_()
    return network


def esrgan(scale: int = 4) -> nn.Module:
    """ESRGAN with one block of few channels."""
    module = pytest.importorskip("spandrel.architectures.ESRGAN", reason="spandrel is not installed")
    torch.manual_seed(0)
    return module.ESRGAN(num_filters=8, num_blocks=1, scale=scale).eval()


def realesrgan() -> nn.Module:
    """ESRGAN as RealESRGAN_x2plus has it: four pixels go through it as one, which becomes 16."""
    module = pytest.importorskip("spandrel.architectures.ESRGAN", reason="spandrel is not installed")
    torch.manual_seed(0)
    return module.ESRGAN(in_nc=12, num_filters=8, num_blocks=1, scale=4, shuffle_factor=2).eval()


def swinir(scale: int = 2) -> nn.Module:
    """SwinIR with one block, which looks at a picture in windows of eight pixels."""
    module = pytest.importorskip("spandrel.architectures.SwinIR", reason="spandrel is not installed")
    sizes: dict[str, Any] = {"img_size": 32, "window_size": 8, "embed_dim": 12, "depths": [2], "num_heads": [2]}
    torch.manual_seed(0)
    return module.SwinIR(**sizes, mlp_ratio=2, upscale=scale, upsampler="pixelshuffle", resi_connection="1conv").eval()


def write(path: Path, network: nn.Module) -> Path:
    """Write a network as its authors do, or as .safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    else:
        torch.save({"params": network.state_dict()}, path)
    return path
