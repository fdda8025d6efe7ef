"""A restorer that nobody asked for is one row of the table: here a plain network that doubles a picture's size."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import gpen
from gpen.restorers.kind import RestorerKind
from gpen.restorers.kinds import KINDS
from gpen.restorers.through_spandrel import open_spandrel
from tests.support.restorers import faces, shaken

compact = pytest.importorskip("spandrel.architectures.Compact", reason="spandrel is not installed")


def test_a_row_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut: Tensor) -> None:
    network = shaken(compact.Compact(upscale=2, num_feat=8, num_conv=2))
    torch.save(network.state_dict(), tmp_path / "plain.pth")
    with pytest.raises(gpen.CheckpointError, match="a network of the architecture RealESRGAN Compact"):
        gpen.load_model(tmp_path / "plain.pth", device="cpu")

    row = RestorerKind("Compact", "nobody's", open_spandrel, marks=("body.0.weight", "body.1.weight"), size=128)
    monkeypatch.setitem(KINDS, row.name, row)

    model = gpen.load_model(tmp_path / "plain.pth", device="cpu")
    small = torch.nn.functional.interpolate(faces(2, 128).movedim(3, 1), (64, 64), mode="area")
    with torch.inference_mode():
        expected = network(small).clamp(0, 1).movedim(1, 3)
    torch.testing.assert_close(model.restore(faces(2, 128)), expected, atol=1e-5, rtol=0)
    done = gpen.restore(model, astronaut, "mtcnn")
    assert [face.outcome.kind for face in done.faces] == ["restored"]
