"""What precisions mean, and how near to float32 and how small they are."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from gpen.model import precision as precisions
from gpen.model.checkpoint import Checkpoint, read_checkpoint, read_tensors
from gpen.model.config import GPENConfig
from gpen.model.memory import activation_bytes
from gpen.model.network import GPEN
from gpen.model.precision import Precision, StoredIn8Bits, choose_precision, has_bf16, in_8_bits
from gpen.model.strips import run_in_strips
from gpen.restorers.gpen import build_network
from tests.support import tolerances
from tests.support.measure import peak_bytes, psnr
from tests.support.networks import random_checkpoint

FP8 = Precision(torch.float16, in_8_bits=True)
"""As on a GPU."""
CPU, GPU = torch.device("cpu"), torch.device("cuda")
PRUNED = GPENConfig(32, 2, (5, 7, 9, 11), 13, (12, 11, 10, 9, 8, 7, 6))
"""Each layer has a number of channels of its own."""


def network(config: GPENConfig, precision: Precision, tensors: dict[str, Tensor] | None = None) -> GPEN:
    return build_network(Checkpoint(tensors or random_checkpoint(config), config, {}, Path()), precision)


def picture(config: GPENConfig) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(1, 3, config.input_size, config.input_size, generator=generator) * 2 - 1


@torch.inference_mode()
def run(net: GPEN, x: Tensor, memory: str = "low") -> Tensor:
    return run_in_strips(net, x, memory)


@pytest.fixture(scope="module")
def full_size() -> GPEN:
    return network(GPENConfig.released(512), FP8)


@pytest.mark.parametrize(
    ("layer", "input"),
    [
        (lambda ops: ops.Linear(96, 7), torch.randn(2, 96)),
        (lambda ops: ops.Linear(5, 7), torch.randn(2, 5)),
        (lambda ops: ops.Conv2d(5, 7, 3, stride=2), torch.randn(2, 5, 9, 9)),
        (lambda ops: ops.ConvTranspose2d(5, 7, 3, stride=2, bias=False), torch.randn(2, 5, 6, 6)),
    ],
    ids=["linear", "odd linear", "convolution", "transposed"],
)
def test_layer_computes_with_rounded_weights(layer, input: Tensor) -> None:
    plain, small = layer(torch.nn), layer(in_8_bits(torch.nn)).requires_grad_(False)
    sizes = torch.logspace(-3, 3, 7)  # channels of unlike sizes
    weight = (plain.weight.detach().movedim(small.output_dim, -1) * sizes).movedim(-1, small.output_dim)
    stored = small.stored(weight.contiguous())
    rounded = (small.grouped(stored["weight"].float()) * stored["scale"]).reshape(weight.shape)
    assert stored["weight"].dtype == torch.int8
    assert (small.grouped((rounded - weight).abs()) <= stored["scale"] * 0.5001).all()
    bias = {} if plain.bias is None else {"bias": plain.bias.detach()}
    plain.load_state_dict({"weight": rounded, **bias})
    small.load_state_dict({**stored, **bias}, assign=True)
    torch.testing.assert_close(small(input), plain(input))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["gpen_64", "gpen_128", "gpen_256"])
def test_8_bits_on_the_goldens(shared: Path, name: str, dtype: torch.dtype) -> None:
    checkpoint = read_checkpoint(shared / "golden" / f"{name}.safetensors")
    pictures, _ = read_tensors(shared / "golden" / f"{name}.io.safetensors")
    restored = run(build_network(checkpoint, Precision(dtype, in_8_bits=True)), pictures["input"].to(dtype))
    assert psnr(restored, pictures["output"]) >= tolerances.EIGHT_BITS_PSNR


@pytest.mark.parametrize("size", [512, 1024])
def test_8_bits_at_full_size(full_size: GPEN, size: int) -> None:
    config = GPENConfig.released(size)
    x = picture(config)
    small = full_size if size == 512 else network(config, FP8)
    assert psnr(run(small, x), run(network(config, Precision(torch.float32)), x)) >= tolerances.EIGHT_BITS_PSNR


@pytest.mark.parametrize(
    "precision", [FP8, Precision(torch.float16), Precision(torch.bfloat16)], ids=["fp8", "fp16", "bf16"]
)
@pytest.mark.parametrize("part", ["ecd0.0.", "generator.input.input", "noise.weight", "conv.weight", ""])
def test_thousandfold_activations_stay_finite(precision: Precision, part: str) -> None:
    tensors = random_checkpoint(PRUNED)
    larger = {name: tensor * 1000 if part and part in name else tensor for name, tensor in tensors.items()}
    x = picture(PRUNED) * (1 if part else 1000)
    restored, expected = (
        run(network(PRUNED, chosen, larger), x.to(chosen.dtype)) for chosen in (precision, Precision(torch.float32))
    )
    assert restored.isfinite().all()
    assert psnr(restored / expected.abs().max(), expected / expected.abs().max()) >= tolerances.EIGHT_BITS_PSNR


@pytest.mark.parametrize("memory", ["normal", "low"])
def test_8_bits_with_channels_of_any_number(memory: str) -> None:
    x = picture(PRUNED)
    assert (
        psnr(run(network(PRUNED, FP8), x, memory), run(network(PRUNED, Precision(torch.float32)), x, memory))
        >= tolerances.EIGHT_BITS_PSNR
    )


@pytest.mark.parametrize(("precision", "megabytes"), [("fp16", 220), ("fp8", 150)])
def test_all_of_512_in_low_memory(full_size: GPEN, precision: str, megabytes: int) -> None:
    """Weights and the most activations; another test holds what is said of these against what is measured."""
    small = precision == "fp8"
    state = full_size.state_dict() if small else GPEN(full_size.config, device="meta", dtype=torch.float16).state_dict()
    weights = sum(tensor.nbytes for tensor in state.values())
    activations = activation_bytes(full_size.config, 1, torch.float16, "low", "cuda", in_8_bits=small)
    assert weights + activations <= megabytes * 1e6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory", ["normal", "low"])
def test_estimate_in_8_bits(memory: str, dtype: torch.dtype) -> None:
    if dtype == torch.bfloat16 and not has_bf16(CPU):
        pytest.skip("this processor has no bfloat16: its convolutions are others, which take more")
    config = GPENConfig.released(512, 1, 0.5)
    net, x = network(config, Precision(dtype, in_8_bits=True)), picture(config).to(dtype)
    peak = peak_bytes(lambda: run(net, x, memory), CPU)
    assert activation_bytes(config, 1, x.dtype, memory, in_8_bits=True) == pytest.approx(peak, rel=tolerances.MEMORY)


def test_only_the_weights_of_large_layers_are_in_8_bits(full_size: GPEN) -> None:
    small = {name for name, weight in full_size.named_parameters() if weight.dtype == torch.int8}
    layers = {name for name, layer in full_size.named_modules() if isinstance(layer, StoredIn8Bits)}
    assert small == {f"{name}.weight" for name in layers}
    assert {name.partition(".")[0] for name in small} == {"to_latent", "convs", "to_rgbs"}
    assert not any("to_rgbs" in name and ".conv." in name for name in small)


@pytest.mark.parametrize(
    ("name", "device", "best", "dtype"),
    [
        ("auto", CPU, None, torch.float32),
        ("auto", GPU, None, torch.float16),
        ("auto", GPU, torch.bfloat16, torch.bfloat16),
        ("fp32", GPU, torch.float16, torch.float32),
        ("fp8", GPU, None, torch.float16),
        ("fp8", GPU, torch.float32, torch.float32),
    ],
)
def test_meaning(name: str, device: torch.device, best: torch.dtype | None, dtype: torch.dtype) -> None:
    assert choose_precision(name, device, best) == Precision(dtype, in_8_bits=name == "fp8")


@pytest.mark.parametrize(("able", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_8_bits_on_a_cpu_follow_the_processor(able: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precisions, "has_bf16", lambda _: able)
    assert choose_precision("fp8", CPU) == Precision(dtype, in_8_bits=True)
