"""Restorers made of random numbers, as small as spandrel's and onnxruntime's own parts allow."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

SIDE = 64
"""Of their crops; the released ones have 512."""


def small_gfpgan() -> nn.Module:
    """Spandrel's own GFPGAN, of 64 pixels and few channels."""
    gfpgan = pytest.importorskip("spandrel.architectures.GFPGAN", reason="spandrel is not installed")
    torch.manual_seed(0)
    return shaken(gfpgan.GFPGAN(out_size=SIDE, num_style_feat=64, num_mlp=2, narrow=0.125))


def small_restoreformer(codes: int = 32, channels: tuple[int, ...] = (1, 1, 2, 2, 2, 2)) -> nn.Module:
    """Spandrel's own RestoreFormer; its sizes follow from the shapes of its tensors."""
    restoreformer = pytest.importorskip("spandrel.architectures.RestoreFormer", reason="spandrel is not installed")
    sizes: dict[str, Any] = {"n_embed": codes, "embed_dim": 32, "z_channels": 32, "ch": 32, "num_res_blocks": 1}
    torch.manual_seed(0)
    return shaken(restoreformer.RestoreFormer(ch_mult=channels, **sizes))


def codeformer() -> nn.Module:
    """The CodeFormer of spandrel's extra architectures, which knows no other size than the released one."""
    extra = "spandrel_extra_arches.architectures.CodeFormer"
    module = pytest.importorskip(extra, reason="spandrel_extra_arches is not installed")
    layers: dict[str, Any] = {"dim_embd": 512, "n_head": 8, "n_layers": 9, "codebook_size": 1024, "latent_size": 256}
    torch.manual_seed(0)
    return shaken(module.CodeFormer(**layers, connect_list=["32", "64", "128", "256"], fix_modules=[]))


def shaken(network: nn.Module) -> nn.Module:
    """The same network with every number moved a little: zeros at the start of a training hide what they multiply."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator))
    return network.eval()


def write(path: Path, network: nn.Module) -> Path:
    """Write a network as its authors do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params_ema": network.state_dict()}, path)
    return path


def faces(count: int = 1, side: int = SIDE) -> Tensor:
    """Crops (B, S, S, 3) in 0..1, in colour."""
    rows = torch.linspace(0, 1, side)
    plain = torch.stack([rows[:, None].expand(side, side), rows[None].expand(side, side), 1 - rows.outer(rows)], dim=2)
    noise = torch.rand(count, side, side, 3, generator=torch.Generator().manual_seed(1))
    return (0.7 * plain + 0.3 * noise).clamp(0, 1)
