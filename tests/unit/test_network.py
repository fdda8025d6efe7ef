"""The network computes what official code computes, in any precision, in one piece and in strips."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from gpen.model.config import GPENConfig
from gpen.model.layout import from_official, to_official
from gpen.model.network import GPEN, upsample
from gpen.model.strips import run_in_strips
from tests.support import tolerances
from tests.support.measure import psnr
from tests.support.networks import random_checkpoint
from tests.support.reference import PlainGPEN

GOLDEN = ("gpen_64", "gpen_128", "gpen_256")


def golden(shared: Path, name: str) -> tuple[GPENConfig, dict[str, Tensor], Tensor, Tensor]:
    """Configuration, official tensors, input and the official code's output."""
    tensors = load_file(shared / "golden" / f"{name}.safetensors")
    tensors = {key: tensor for key, tensor in tensors.items() if not key.endswith(".kernel")}
    pictures = load_file(shared / "golden" / f"{name}.io.safetensors")
    config = GPENConfig.from_shapes({key: tuple(tensor.shape) for key, tensor in tensors.items()})
    return config, tensors, pictures["input"], pictures["output"]


def network(config: GPENConfig, tensors: dict[str, Tensor]) -> GPEN:
    net = GPEN(config).eval()
    net.load_state_dict(from_official(config, tensors))
    return net


def small_network() -> GPEN:
    config = GPENConfig.released(64, channel_multiplier=1, narrow=0.0625, style_dim=32, mapping_layers=2)
    return network(config, random_checkpoint(config))


@pytest.mark.parametrize("name", GOLDEN)
class TestGolden:
    def test_whole(self, shared: Path, name: str) -> None:
        config, tensors, x, expected = golden(shared, name)
        torch.testing.assert_close(network(config, tensors)(x), expected, rtol=0, atol=tolerances.PICTURE)

    @pytest.mark.parametrize("memory", ["normal", "low"])
    def test_strips(self, shared: Path, name: str, memory: str) -> None:
        config, tensors, x, expected = golden(shared, name)
        with torch.inference_mode():
            restored = run_in_strips(network(config, tensors), x, memory)
        torch.testing.assert_close(restored, expected, rtol=0, atol=tolerances.PICTURE)

    def test_plain(self, shared: Path, name: str) -> None:
        """What the benchmarks measure against is the official function as well."""
        config, tensors, x, expected = golden(shared, name)
        torch.testing.assert_close(PlainGPEN(config, tensors)(x), expected, rtol=0, atol=tolerances.PICTURE)

    @pytest.mark.parametrize("dtype", tolerances.HALF_PSNR)
    def test_half_precision(self, shared: Path, name: str, dtype: torch.dtype) -> None:
        config, tensors, x, expected = golden(shared, name)
        with torch.inference_mode():
            restored = run_in_strips(network(config, tensors).to(dtype), x.to(dtype), "normal")
        assert restored.dtype == torch.float32
        assert psnr(restored, expected) >= tolerances.HALF_PSNR[dtype]

    def test_layout_round_trip(self, shared: Path, name: str) -> None:
        config, tensors, _, _ = golden(shared, name)
        back = to_official(config, network(config, tensors).state_dict())
        for key, tensor in back.items():
            torch.testing.assert_close(
                tensor, tensors[key].float(), rtol=tolerances.WEIGHTS, atol=0.1 * tolerances.WEIGHTS
            )


def test_gradients_reach_every_weight() -> None:
    net = small_network().train()
    net(torch.zeros(1, 3, 64, 64)).square().mean().backward()
    without = [name for name, weight in net.named_parameters() if weight.grad is None]
    assert all("energy" in name for name in without), without  # energies follow from the weights


def test_strips_in_training_mode() -> None:
    """Validation in the middle of training: live weights, no gradients."""
    net = small_network().train()
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    expected = net(x)
    with torch.no_grad():
        torch.testing.assert_close(run_in_strips(net, x, "normal"), expected.detach(), rtol=0, atol=tolerances.PICTURE)


def test_weights_are_laid_out_when_loaded() -> None:
    net = small_network()
    assert net.convs[1].conv.weight.is_contiguous(memory_format=torch.channels_last)
    net.load_state_dict({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, assign=True)
    assert net.convs[1].conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_upsample_keeps_a_constant_inside() -> None:
    up = upsample(torch.ones(1, 3, 4, 4))
    assert up.shape == (1, 3, 8, 8)
    assert (up[:, :, 1:-1, 1:-1] == 1).all()
    assert up[0, 0, 0, 4] == 0.75  # outside lie zeros
