"""The model in the box on a real photograph: a damaged face comes out nearer to the original than it went in."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import gpen
from gpen.cli import main
from gpen.image.picture import to_uint8
from gpen.restorers.gpen import GPENModel
from gpen.weights.catalogue import PREVIEW
from tests.support.photograph import Damage, damaged, face_psnr, photograph, read_rgb

DAMAGES = list(Damage)


@pytest.mark.parametrize("damage", DAMAGES)
def test_nearer_to_the_original_through_the_library(damage: Damage) -> None:
    original, bad = photograph(), damaged(damage)
    done = gpen.restore(gpen.load_model("preview"), _tensor(bad), gpen.open_detector("mtcnn"))
    assert face_psnr(to_uint8(done.image[0]), original) > face_psnr(bad, original) + 0.1


def test_nearer_to_the_original_through_the_command_line(tmp_path: Path) -> None:
    original, bad = photograph(), damaged(Damage.NOISE)
    cv2.imwrite(str(tmp_path / "bad.png"), bad[..., ::-1])
    assert main(["restore", str(tmp_path / "bad.png"), "--output", str(tmp_path / "good.png")]) == 0
    good = read_rgb(tmp_path / "good.png")
    assert face_psnr(good, original) > face_psnr(bad, original) + 0.3


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_gives_the_same_face(precision: str) -> None:
    whole, half = (
        gpen.restore(
            gpen.load_model("preview", precision=p), _tensor(damaged(Damage.SMALL)), gpen.open_detector("mtcnn")
        )
        for p in ("fp32", precision)
    )
    assert (whole.image - half.image).abs().max() < 0.05


def test_file_is_small_and_says_what_it_is() -> None:
    assert PREVIEW.stat().st_size <= 8_000_000
    model = gpen.load_model("preview")
    assert isinstance(model, GPENModel)
    assert model.size == 256 and model.task.name == "restoration"
    assert all(np.isfinite(tensor.numpy()).all() for tensor in model.network.state_dict().values())


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels))[None].float() / 255
