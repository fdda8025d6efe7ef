"""Whether a model's file is sound."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gpen.model.checkpoint import write_checkpoint
from gpen.restorers.verify import NOTE, verify_model
from tests.support.networks import write_small


class TestVerifyModel:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write_small(tmp_path / "small.safetensors")

    def test_smoke(self, path: Path) -> None:
        first, second = verify_model(path), verify_model(path)
        assert first.sound and second.sound
        assert "noted for the next time" in str(first)
        assert "the same file as" in str(second)
        assert path.with_name(path.name + NOTE).stat().st_size < 1 << 16

    def test_changed_weights(self, path: Path) -> None:
        verify_model(path)
        tensors = load_file(path)
        tensors["generator.to_rgb1.conv.weight"] += 0.5
        write_checkpoint(path, tensors)
        found = verify_model(path)
        assert not found.sound
        assert "another file than" in str(found)

    def test_numbers_that_overflow(self, path: Path) -> None:
        tensors = load_file(path)
        tensors["generator.to_rgb1.conv.weight"] = torch.full_like(tensors["generator.to_rgb1.conv.weight"], 1e36)
        write_checkpoint(path, tensors)
        assert not verify_model(path).sound

    def test_damaged_file(self, path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-100])
        found = verify_model(path)
        assert not found.sound
        assert "damaged" in str(found)
        assert not path.with_name(path.name + NOTE).exists()

    def test_spoilt_note(self, path: Path) -> None:
        note = path.with_name(path.name + NOTE)
        for content in ("", "[]", json.dumps({"face": [1e400]}), json.dumps({"face": "x" * 768})):
            note.write_text(content, encoding="utf-8")
            assert not verify_model(path).sound
