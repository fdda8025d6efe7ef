"""Restorers that come as .onnx: small ones, made here, run by onnxruntime."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gpen
from gpen.restorers.through_onnx import OnnxModel
from tests.support import tolerances
from tests.support.restorers import SIDE, faces
from tools.comfyui import ROOT

onnx = pytest.importorskip("onnx", reason="onnx is not installed, which makes the files")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

PICTURE = [1, 3, SIDE, SIDE]
TINT = np.array([0.9, 0.5, 0.2], np.float32).reshape(1, 3, 1, 1)


def write(
    path: Path,
    *,
    shape: list[Any] = PICTURE,
    dtype: str = "FLOAT",
    number: str = "",
    output: list[Any] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A program that multiplies its picture with `TINT`, and with the number beside it where it takes one."""
    kind, helper = getattr(onnx.TensorProto, dtype), onnx.helper
    array = TINT.astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
    inputs = [helper.make_tensor_value_info("input", kind, shape)]
    nodes, last = [helper.make_node("Mul", ["input", "tint"], ["tinted"])], "tinted"
    if number:
        inputs.append(helper.make_tensor_value_info("weight", getattr(onnx.TensorProto, number), [1]))
        nodes += [
            helper.make_node("Cast", ["weight"], ["cast"], to=kind),
            helper.make_node("Mul", ["tinted", "cast"], ["weighted"]),
        ]
        last = "weighted"
    outputs = [helper.make_tensor_value_info(last, kind, output or shape)]
    graph = helper.make_graph(nodes, "faces", inputs, outputs, [onnx.numpy_helper.from_array(array, "tint")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def expected(crops: Tensor, factor: float = 1.0, signed: bool = True) -> Tensor:
    tint = torch.from_numpy(TINT).flatten() * factor
    return (((crops * 2 - 1) * tint + 1) / 2 if signed else crops * tint).clamp(0, 1)


@pytest.mark.parametrize(
    ("name", "template"), [("GPEN-BFR-64", "gpen"), ("gfpgan_1.4", "ffhq"), ("restoreformer_plus_plus", "ffhq")]
)
def test_equals_a_direct_call(name: str, template: str, tmp_path: Path) -> None:
    model, crops = gpen.load_model(write(tmp_path / f"{name}.onnx"), device="cpu"), faces(2)
    assert model.alignment.name == template and model.size == SIDE and isinstance(model, OnnxModel)
    assert model.runs_on == "CPUExecutionProvider"
    torch.testing.assert_close(model.restore(crops), expected(crops), atol=tolerances.PICTURE, rtol=0)


@pytest.mark.parametrize("shape", [["N", 3, SIDE, SIDE], [1, 3, SIDE, SIDE]])
@pytest.mark.parametrize("dtype", ["FLOAT", "FLOAT16", "DOUBLE"])
def test_batches_and_precisions(shape: list[Any], dtype: str, tmp_path: Path) -> None:
    model = gpen.load_model(write(tmp_path / "gpen.onnx", shape=shape, dtype=dtype), device="cpu")
    near = 1e-3 if dtype == "FLOAT16" else tolerances.PICTURE
    torch.testing.assert_close(model.restore(faces(3)), expected(faces(3)), atol=near, rtol=0)
    assert model.dtype == (torch.float16 if dtype == "FLOAT16" else torch.float32)


@pytest.mark.parametrize("number", ["DOUBLE", "FLOAT"])
def test_fidelity_is_the_number_beside_the_picture(number: str, tmp_path: Path) -> None:
    file = write(tmp_path / "codeformer.onnx", number=number)
    for fidelity in (0.2, 0.9):
        model = gpen.load_model(file, device="cpu", fidelity=fidelity)
        torch.testing.assert_close(model.restore(faces()), expected(faces(), fidelity), atol=tolerances.PICTURE, rtol=0)


def test_what_a_file_says_of_itself_comes_before_its_name(tmp_path: Path) -> None:
    told = {"template": "gpen", "values": "0..1"}
    model = gpen.load_model(write(tmp_path / "gfpgan.onnx", metadata=told), device="cpu")
    assert model.alignment.name == "gpen"
    plain = expected(faces(), signed=False)
    torch.testing.assert_close(model.restore(faces()), plain, atol=tolerances.PICTURE, rtol=0)


def test_options_come_before_what_a_file_says(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.onnx")
    with pytest.raises(gpen.SettingError, match=r"neither mine.onnx nor its name .*choose template \(gpen or ffhq\)"):
        gpen.load_model(file, device="cpu")
    model = gpen.load_model(file, device="cpu", template="ffhq", values="0..1")
    assert model.alignment.name == "ffhq"
    plain = expected(faces(), signed=False)
    torch.testing.assert_close(model.restore(faces()), plain, atol=tolerances.PICTURE, rtol=0)


def test_whole_picture(tmp_path: Path, astronaut: Tensor) -> None:
    model = gpen.load_model(write(tmp_path / "gfpgan.onnx"), device="cpu")
    done = gpen.restore(model, astronaut, "mtcnn")
    assert [face.outcome.kind for face in done.faces] == ["restored"]
    assert (done.image - astronaut).abs().amax(dim=3)[done.mask > 0.9].mean() > 0.01


def test_closed_session_opens_again(tmp_path: Path) -> None:
    model = gpen.load_model(write(tmp_path / "gpen.onnx"), device="cpu")
    assert isinstance(model, OnnxModel)
    tiles, first = model.for_parts(), model.restore(faces())
    model.close()
    assert not model.is_open and not tiles.is_open
    torch.testing.assert_close(tiles.restore(faces()), first)
    assert model.is_open


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"shape": [1, 4, SIDE, SIDE]}, r"takes input \(1, 4, 64, 64\) tensor\(float\), and what is needed is one"),
        ({"shape": [1, 3, SIDE, 48]}, "no restorer of faces: it takes input"),
        ({"shape": [2, 3, SIDE, SIDE]}, "no restorer of faces: it takes input"),
        ({"shape": ["N", 3, "H", "W"]}, "no restorer of faces: it takes input"),
        ({"number": "INT64"}, r"takes input .*, weight \(1,\) tensor\(int64\)"),
        ({"output": [1, 3, 128, 128]}, "of a picture of 64×64 it makes"),
    ],
)
def test_other_inputs_and_outputs_are_named(made: dict[str, Any], words: str, tmp_path: Path) -> None:
    if "output" in made:
        file = write_enlarging(tmp_path / "gpen.onnx")
    else:
        shape = made.get("shape", PICTURE)
        tint_fits = shape[1] == 3
        file = write(tmp_path / "gpen.onnx", **made) if tint_fits else write_plain(tmp_path / "gpen.onnx", shape)
    with pytest.raises(gpen.CheckpointError, match=words):
        gpen.load_model(file, device="cpu")


def write_plain(path: Path, shape: list[Any], enlarged: int = 1) -> Path:
    """A program that gives back what it is given, enlarged."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    scales = onnx.numpy_helper.from_array(np.array([1, 1, enlarged, enlarged], np.float32), "scales")
    node = helper.make_node("Resize", ["input", "", "scales"], ["output"], mode="nearest")
    larger = [*shape[:2], *(side * enlarged for side in shape[2:])]
    told = [helper.make_tensor_value_info(name, kind, one) for name, one in (("input", shape), ("output", larger))]
    graph = helper.make_graph([node], "plain", told[:1], told[1:], [scales])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def write_enlarging(path: Path) -> Path:
    return write_plain(path, PICTURE, 2)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"precision": "fp8"}, "has a precision of its own"),
        ({"precision": "bf16"}, "has a precision of its own"),
        ({"memory": "low"}, "cannot be run in strips"),
        ({"pruning": "exact"}, "only GPEN networks can be pruned"),
        ({"fidelity": 0.9}, "has no input for it, and so it has no fidelity"),
    ],
)
def test_what_it_cannot_do_is_refused(asked: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(gpen.SettingError, match=words):
        gpen.load_model(write(tmp_path / "gpen.onnx"), device="cpu", **asked)


def test_damaged_file_is_said(tmp_path: Path) -> None:
    whole = write(tmp_path / "gpen.onnx").read_bytes()
    (tmp_path / "gpen.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(gpen.CheckpointError, match=r"gpen.onnx is damaged, or not an ONNX file that onnx"):
        gpen.load_model(tmp_path / "gpen.onnx", device="cpu")


def test_without_onnxruntime_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "gpen.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(gpen.CheckpointError, match=r"pip install onnxruntime.*onnxruntime-directml for AMD"):
        gpen.load_model(file, device="cpu")


def test_nothing_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys, gpen; gpen.load_model('preview', device='cpu'); "
        "print([name for name in ('spandrel', 'spandrel_extra_arches', 'onnxruntime', 'onnx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout
