"""Reading checkpoints: every released layout in every container, and a readable error for everything else."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gpen.errors import CheckpointError
from gpen.model.checkpoint import read_checkpoint, write_checkpoint
from gpen.model.config import GPENConfig
from gpen.model.layout import from_official
from gpen.model.network import GPEN
from tests.support.hostile import PAYLOADS, bombs, legacy, zipped

RELEASED = {
    "GPEN-BFR-256": GPENConfig.released(256, 1, 0.5),
    "GPEN-BFR-512": GPENConfig.released(512),
    "GPEN-BFR-1024": GPENConfig.released(1024),
    "GPEN-BFR-2048": GPENConfig.released(2048),
    "GPEN-Colorization-1024": GPENConfig.released(1024),
    "GPEN-Inpainting-1024": GPENConfig.released(1024),
    "GPEN-Seg2face-512": GPENConfig.released(512),
}
TINY = GPENConfig.released(32, narrow=1 / 64, style_dim=16, mapping_layers=2)
ZEROS = {name: torch.zeros(shape) for name, shape in TINY.official_shapes().items()}


def network(config: GPENConfig = TINY) -> dict[str, Tensor]:
    """A complete network of random numbers, with one of the official FIR kernels."""
    tensors = {name: torch.randn(shape) for name, shape in config.official_shapes().items()}
    return {**tensors, "ecd1.0.0.kernel": torch.ones(4, 4) / 16}


def released_shapes(shared: Path, name: str) -> dict[str, list[int]]:
    text = (shared / "golden" / "released_tensor_shapes.json").read_text(encoding="utf-8")
    return json.loads(text)[name]["tensors"]


class TestReadCheckpoint:
    @pytest.mark.parametrize("name", ["GPEN-BFR-256", "GPEN-BFR-512"])
    def test_released_pth(self, name: str, shared: Path, tmp_path: Path) -> None:
        shapes = released_shapes(shared, name)
        torch.save({key: torch.zeros(shape).half() for key, shape in shapes.items()}, tmp_path / "file.pth")
        checkpoint = read_checkpoint(tmp_path / "file.pth")
        assert checkpoint.config == RELEASED[name]
        assert {key: list(value.shape) for key, value in checkpoint.tensors.items()} == {
            key: shape for key, shape in shapes.items() if not key.endswith(".kernel")
        }

    # The others have the shapes of one of these, and a whole file of such a size takes a second.
    @pytest.mark.parametrize("name", ["GPEN-BFR-256", "GPEN-BFR-512", "GPEN-BFR-1024", "GPEN-BFR-2048"])
    def test_released_safetensors(self, name: str, shared: Path, tmp_path: Path) -> None:
        shapes = released_shapes(shared, name)
        values = torch.rand(1 << 23, dtype=torch.float16)  # more than the largest tensor has
        tensors = {key: values[: torch.Size(shape).numel()].reshape(shape).clone() for key, shape in shapes.items()}
        save_file(tensors, tmp_path / "file.safetensors")
        checkpoint = read_checkpoint(tmp_path / "file.safetensors")
        assert checkpoint.config == RELEASED[name]
        name, tensor = next(iter(checkpoint.tensors.items()))
        assert torch.equal(tensor, tensors[name])

    @pytest.mark.parametrize("size", [64, 128, 256])
    def test_golden(self, size: int, shared: Path) -> None:
        path = shared / "golden" / f"gpen_{size}.safetensors"
        checkpoint = read_checkpoint(path)
        official = load_file(path)
        assert all(torch.equal(tensor, official.pop(name)) for name, tensor in checkpoint.tensors.items())
        assert all(name.endswith(".kernel") for name in official)
        assert "config" in checkpoint.metadata
        GPEN(checkpoint.config).load_state_dict(from_official(checkpoint.config, checkpoint.tensors))

    @pytest.mark.parametrize(
        "wrap",
        [
            pytest.param(lambda tensors: tensors, id="bare"),
            pytest.param(lambda tensors: {"g_ema": tensors, "g": {}, "d_optim": {"state": {0: 1}}}, id="g_ema"),
            pytest.param(lambda tensors: {"params_ema": tensors, "params": {}}, id="params_ema"),
            pytest.param(lambda tensors: {"state_dict": tensors, "epoch": 3}, id="state_dict"),
            pytest.param(lambda tensors: {"params": tensors}, id="params"),
            pytest.param(lambda tensors: {f"module.{k}": v for k, v in tensors.items()}, id="module"),
            pytest.param(lambda t: {"g_ema": {f"module.{k}": v for k, v in t.items()}}, id="g_ema-module"),
        ],
    )
    @pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
    def test_wrappers(self, wrap: Callable[[Any], Any], zipped: bool, tmp_path: Path) -> None:
        tensors = network()
        torch.save(wrap(tensors), tmp_path / "file.pt", _use_new_zipfile_serialization=zipped)
        checkpoint = read_checkpoint(tmp_path / "file.pt")
        assert checkpoint.config == TINY
        assert checkpoint.tensors.keys() == TINY.official_shapes().keys()
        assert all(torch.equal(value, tensors[name]) for name, value in checkpoint.tensors.items())

    def test_safetensors_under_another_ending(self, tmp_path: Path) -> None:
        save_file(network(), tmp_path / "file.pth")
        assert read_checkpoint(str(tmp_path / "file.pth")).config == TINY


class TestReadCheckpointException:
    """Each error names the file, what was found and what to do, in a few lines."""

    def message(self, path: Path) -> str:
        with pytest.raises(CheckpointError) as caught:
            read_checkpoint(path)
        text = str(caught.value)
        assert str(path) in text
        assert len(text.splitlines()) <= 6
        assert len(text) < 1000
        return text

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b"", "an empty file"),
            (b"just words", "just words"),
            (b"\n<!DOCTYPE html><html>404", "a web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS pointer"),
            (b"\x80\x02\x00\xff", "damaged"),
            (b"PK\x03\x04" + bytes(100), "damaged"),
            (b"\x10\0\0\0\0\0\0\0{not json", "damaged"),
        ],
    )
    def test_other_files(self, content: bytes, found: str, tmp_path: Path) -> None:
        (tmp_path / "file.pth").write_bytes(content)
        assert found in self.message(tmp_path / "file.pth")

    @pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
    @pytest.mark.parametrize("kept", [0.01, 0.5, 0.999])
    def test_truncated(self, kind: str, kept: float, tmp_path: Path) -> None:
        path = tmp_path / "file"
        if kind == "safetensors":
            save_file(network(), path)
        else:
            torch.save(network(), path, _use_new_zipfile_serialization=kind == "zip")
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        assert "damaged or incomplete" in self.message(path)

    def test_pickle_called_safetensors(self, tmp_path: Path) -> None:
        torch.save(network(), tmp_path / "file.safetensors")
        assert "ends in .pth" in self.message(tmp_path / "file.safetensors")

    def test_missing_file(self, tmp_path: Path) -> None:
        assert "cannot be opened" in self.message(tmp_path / "none.pth")
        assert "cannot be opened" in self.message(tmp_path)

    @pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
    def test_code_in_a_pickle_is_not_run(self, zipped: bool, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        content = {"g_ema": network(), "args": RunsCode(str(mark))}
        torch.save(content, tmp_path / "file.pth", _use_new_zipfile_serialization=zipped)
        assert "was not loaded" in self.message(tmp_path / "file.pth")
        assert not mark.exists()

    @pytest.mark.parametrize(
        ("payload", "found"),
        [
            ("expanded", "numbers in a storage of 1"),
            ("whole-network-in-one-storage", "in a storage of"),
            ("sparse", "not plain ones"),
            ("meta", "not plain ones"),
            ("nested", "not plain ones"),
            ("calls-eval", "Python objects ('builtins eval')"),
            ("lists-in-lists-6-MB", "where tensors are described"),
            ("name-that-is-hashed-for-ever", "a tuple as a name"),
            ("huge-storage", "damaged"),
            ("name-of-5000-digits", "generator.style.9999"),
            ("layer-99999999", "ecd0.0.0.weight"),
        ],
    )
    @pytest.mark.parametrize("pack", [zipped, legacy], ids=["zip", "legacy"])
    def test_hostile(self, payload: str, found: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
        (tmp_path / "file.pth").write_bytes(pack(PAYLOADS[payload]))
        text = self.message(tmp_path / "file.pth")
        assert found in text or ("damaged" in text and pack is legacy)

    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("zip: storage-deflated", "compressed"),
            ("zip: a-million-entries", "47,000,000 bytes where"),
            ("zip: torchscript", "a TorchScript program"),
            ("safetensors: header-of-50-MB", "its header should have 50,000,002 bytes"),
            ("safetensors: layer-99999999", "unexpected: generator.style.99999999.weight"),
            ("safetensors: network-of-2-to-the-51-pixels", "do not fit together"),
            ("other: onnx", "an ONNX file"),
        ],
    )
    def test_bombs(self, name: str, found: str, tmp_path: Path) -> None:
        (tmp_path / "file.pth").write_bytes(dict(bombs())[name]())
        begun = time.monotonic()
        assert found in self.message(tmp_path / "file.pth")
        assert time.monotonic() - begun < 2

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
    def test_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.pth")
        assert "is not a file" in self.message(tmp_path / "pipe.pth")

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (torch.zeros(3), "Tensor"),
            ([torch.zeros(3)], "list"),
            ({"epoch": 3, "model": {}}, "epoch, model"),
            ({}, "Found 0 tensors"),
            ({"stylegan_decoder.conv1.weight": torch.zeros(1), "more": torch.zeros(1)}, "GFPGAN"),
            ({"params_ema": {"quantize.embedding.weight": torch.zeros(1)}}, "CodeFormer"),
            ({"state_dict": {"model.diffusion_model.out.2.bias": torch.zeros(1)}}, "Stable Diffusion"),
            ({"final_conv.0.weight": torch.zeros(1)}, "discriminator"),
        ],
    )
    def test_other_models(self, content: Any, found: str, tmp_path: Path) -> None:
        torch.save(content, tmp_path / "file.pth")
        text = self.message(tmp_path / "file.pth")
        assert found in text
        assert "GPEN-BFR-512" in text

    def test_detector(self, shared: Path) -> None:
        assert "RetinaFace" in self.message(shared / "weights" / "detection_mobilenet0.25_Final.pth")

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            pytest.param({"generator.to_rgb1.bias": None}, "missing: generator.to_rgb1.bias", id="missing"),
            pytest.param({"ecd0.0.0.weight": None}, "'ecd0.0.0.weight'", id="missing-first"),
            pytest.param(
                {f"generator.style.{i}.{p}": None for i in (1, 2) for p in ("weight", "bias")}, "style", id="map"
            ),
            pytest.param({"extra": torch.zeros(1)}, "unexpected: extra", id="unexpected"),
            pytest.param({f"x{i}": torch.zeros(1) for i in range(9)}, "x0, x1, x2 and 6 more", id="many"),
            pytest.param({"generator.to_rgb1.bias": torch.zeros(1, 4, 1, 1)}, "instead of [1, 3, 1, 1]", id="shape"),
            pytest.param({"generator.to_rgb1.bias": torch.full((1, 3, 1, 1), torch.nan)}, "not finite", id="nan"),
            pytest.param({"generator.to_rgb1.bias": torch.zeros(1, 3, 1, 1).int()}, "not floating point", id="int"),
        ],
    )
    @pytest.mark.parametrize("save", [torch.save, save_file], ids=["pth", "safetensors"])
    def test_wrong_tensors(self, change: dict[str, Any], found: str, save: Any, tmp_path: Path) -> None:
        tensors = {name: value for name, value in {**network(), **change}.items() if value is not None}
        save(tensors, tmp_path / "file.pth")
        assert found in self.message(tmp_path / "file.pth")

    def test_no_tensor_may_be_missing(self, tmp_path: Path) -> None:
        for name in TINY.official_shapes():
            save_file({key: value for key, value in network().items() if key != name}, tmp_path / "file.safetensors")
            self.message(tmp_path / "file.safetensors")


class TestWriteCheckpoint:
    def test_round_trip(self, tmp_path: Path) -> None:
        tensors = {name: torch.randn(shape).half() for name, shape in TINY.official_shapes().items()}
        write_checkpoint(tmp_path / "file.safetensors", tensors, {"task": "restoration", "name": "Ünï"})
        checkpoint = read_checkpoint(tmp_path / "file.safetensors")
        assert all(torch.equal(value, tensors[name]) for name, value in checkpoint.tensors.items())
        assert checkpoint.metadata.pop("config") == json.dumps(asdict(TINY))
        assert checkpoint.metadata == {"format": "gpen", "task": "restoration", "name": "Ünï"}

    def test_views_of_one_storage(self, tmp_path: Path) -> None:
        values = torch.randn(10_000)
        tensors = {name: values[: torch.Size(s).numel()].reshape(s) for name, s in TINY.official_shapes().items()}
        write_checkpoint(tmp_path / "file.safetensors", tensors)
        assert read_checkpoint(tmp_path / "file.safetensors").config == TINY

    def test_exception_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "file.safetensors"
        path.write_bytes(b"old")
        with pytest.raises(CheckpointError, match="missing"):
            write_checkpoint(path, {name: tensor for name, tensor in ZEROS.items() if name != "generator.to_rgb1.bias"})
        monkeypatch.setattr("gpen.model.checkpoint.save", lambda *args: os.truncate(path.parent / "none", 0))
        with pytest.raises(CheckpointError, match="cannot be written"):
            write_checkpoint(path, ZEROS)
        assert [file.name for file in tmp_path.iterdir()] == ["file.safetensors"]
        assert path.read_bytes() == b"old"
        monkeypatch.undo()
        with pytest.raises(CheckpointError, match="cannot be written"):
            write_checkpoint(tmp_path / "none" / "file.safetensors", ZEROS)


class RunsCode:
    """A pickle of this makes a folder when it is loaded."""

    def __init__(self, mark: str):
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.mark,)
