"""Pictures of numpy, of Pillow and from files are taken wherever a tensor is."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

import gpen
from gpen.restorers.protocol import Restorer
from tests.support.networks import write_small


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """NASA's portrait of Eileen Collins (public domain), cut to the head, in every form."""
    pixels = np.ascontiguousarray(data.astronaut()[20:220, 120:320])
    path = tmp_path_factory.mktemp("given") / "head.png"
    cv2.imwrite(str(path), pixels[..., ::-1])
    return {"array": pixels, "Pillow": Image.fromarray(pixels), "file": gpen.read_picture(path)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    return gpen.load_model(write_small(tmp_path_factory.mktemp("model") / "small.safetensors"), device="cpu")


@pytest.mark.parametrize("kind", ["array", "Pillow", "file"])
def test_every_step_takes_it(kind: str, given: dict[str, Any], model: Restorer, tmp_path: Path) -> None:
    picture, tensor = given[kind], torch.from_numpy(given["array"] / np.float32(255))[None]
    faces = gpen.detect_faces(picture, "mtcnn")
    assert len(faces) == 1
    restored = gpen.restore_faces(model, picture, faces)
    wanted = gpen.paste_faces(tensor, gpen.restore_faces(model, tensor, faces))
    assert torch.allclose(gpen.paste_faces(picture, restored).image, wanted.image, atol=1e-5)
    assert torch.allclose(gpen.restore(model, picture, "mtcnn").image, wanted.image, atol=1e-4)
    assert (
        gpen.restore_aligned(model, picture).shape
        == gpen.restore_tiled(model, picture, overlap=16).shape
        == (1, 200, 200, 3)
    )
    assert gpen.correct_lens(picture, 0.1).shape == (1, 200, 200, 3)
    assert len(gpen.face_crops(picture, faces, size=64).crops) == 1
    written = gpen.write_picture(tmp_path / "out.png", picture)
    assert torch.allclose(gpen.read_picture(written.path).rgb, tensor, atol=1e-6)
