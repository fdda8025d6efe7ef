"""GPEN's weights out of .onnx files that several exporters made here."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import gpen
from gpen.cli import main
from gpen.model.checkpoint import read_checkpoint
from gpen.model.config import GPENConfig
from gpen.weights import from_onnx
from gpen.weights.from_onnx import read_onnx
from tests.support.networks import random_checkpoint
from tests.support.reference import PlainGPEN
from tests.support.restorers import faces
from tests.unit.test_restorers_onnx import write as write_onnx

pytestmark = pytest.mark.filterwarnings("ignore")  # of the exporters, about themselves

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

CONFIG = GPENConfig.released(64, 1, 1 / 16, 32, 2)


class Official(nn.Module):
    """A network as official code has it: parameters by their names, multiplied when it runs."""

    def __init__(self, tensors: Mapping[str, Tensor]):
        super().__init__()
        for name, tensor in tensors.items():
            *path, last = name.split(".")
            owner: nn.Module = self
            for part in path:
                if not hasattr(owner, part):
                    owner.add_module(part, nn.Module())
                owner = getattr(owner, part)
            owner.register_parameter(last, nn.Parameter(tensor))

    def forward(self, x: Tensor) -> Tensor:
        return PlainGPEN(CONFIG, dict(self.named_parameters()))(x)


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without names is held against the released sizes: here a smaller one is among them."""
    monkeypatch.setattr(from_onnx, "RELEASED", (CONFIG,))


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    """As a training leaves them: no two alike, which an exporter would keep once."""
    generator = torch.Generator().manual_seed(1)
    made = random_checkpoint(CONFIG).items()
    return {name: tensor + 0.01 * torch.randn(tensor.shape, generator=generator) for name, tensor in made}


def exported(tensors: Mapping[str, Tensor], path: Path, opset: int, folded: bool) -> Path:
    picture = torch.zeros(1, 3, CONFIG.input_size, CONFIG.input_size)
    torch.onnx.export(
        Official(tensors).eval(), (picture,), str(path), opset_version=opset, do_constant_folding=folded, dynamo=False
    )
    return path


@pytest.mark.parametrize("folded", [False, True], ids=["named", "folded"])
@pytest.mark.parametrize("opset", [15, 17])
def test_taken_over_exactly(tensors: dict[str, Tensor], tmp_path: Path, opset: int, folded: bool) -> None:
    source, target = exported(tensors, tmp_path / "GPEN-BFR-64.onnx", opset, folded), tmp_path / "out.safetensors"
    assert main(["convert", str(source), str(target)]) == 0
    taken = read_checkpoint(target)
    assert taken.config == CONFIG
    for name, tensor in tensors.items():
        torch.testing.assert_close(taken.tensors[name], tensor, rtol=1e-6, atol=1e-7, msg=name)
    crops = faces()
    model, program = gpen.load_model(target, device="cpu"), gpen.load_model(source, device="cpu")
    torch.testing.assert_close(model.restore(crops), program.restore(crops), atol=1e-4, rtol=0)


def test_exporter_of_newer_torch(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="onnxscript is not installed, which that exporter needs")
    source, picture = tmp_path / "GPEN-BFR-64.onnx", torch.zeros(1, 3, CONFIG.input_size, CONFIG.input_size)
    with torch.no_grad():
        torch.onnx.export(Official(tensors).eval(), (picture,), str(source), dynamo=True, external_data=False)
    taken = read_onnx(source)
    for name, tensor in tensors.items():
        torch.testing.assert_close(taken.tensors[name], tensor, rtol=1e-6, atol=1e-7, msg=name)


def test_two_alike_are_not_told_apart_by_guessing(tmp_path: Path) -> None:
    """An exporter keeps one of them, at the place of neither: in a network before its training all styles are 1."""
    source = exported(random_checkpoint(CONFIG), tmp_path / "GPEN-BFR-64.onnx", 17, True)
    with pytest.raises(gpen.CheckpointError, match=r"cannot be told apart.*nothing is guessed"):
        read_onnx(source)


def test_what_it_makes_is_held_against_the_file(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    """A file whose graph does something else than its weights' names say."""
    source = exported(tensors, tmp_path / "GPEN-BFR-64.onnx", 17, False)
    model = onnx.load(str(source))
    activation = next(node for node in model.graph.node if node.op_type == "LeakyRelu")
    next(one for one in activation.attribute if one.name == "alpha").f = 0.3
    onnx.save(model, str(source))
    with pytest.raises(gpen.CheckpointError, match="nothing is guessed"):
        read_onnx(source)


def test_other_networks_are_refused(tmp_path: Path) -> None:
    source = write_onnx(tmp_path / "gpen.onnx")
    assert main(["convert", str(source), str(tmp_path / "out.safetensors")]) == 2
    assert not (tmp_path / "out.safetensors").exists()


def test_damaged_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "gpen.onnx").write_bytes(b"\x08\x07\x12\x04torch" * 9)
    with pytest.raises(gpen.CheckpointError, match=r"gpen.onnx is damaged, or no ONNX file|nothing is guessed"):
        read_onnx(tmp_path / "gpen.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_packages_that_lack_are_named(
    package: str, tensors: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = exported(tensors, tmp_path / "GPEN-BFR-64.onnx", 17, False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(gpen.CheckpointError, match=f"the package {package} is needed"):
        read_onnx(source)
