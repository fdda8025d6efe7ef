"""A face is never made worse without need, on people whom nothing was tuned on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gpen
from gpen.faces.face import OutcomeKind
from gpen.image.luminance import luminance
from gpen.image.noise import compression_level, noise_level
from gpen.image.tint import is_of_one_tint
from gpen.model.tasks import TASKS
from gpen.paste.color import matched_color
from gpen.restorers.protocol import Restorer
from tests.support.faces import with_after
from training.degrade import jpeg

PEOPLE = ("amy-klobuchar", "angus-king")
SEPIA = np.array([1.07, 0.98, 0.78], np.float32)


@pytest.fixture(scope="module")
def portraits(shared: Path) -> list[Tensor]:
    """(1, 1024, 1024, 3) each."""
    return [gpen.read_picture(shared / "faces" / "us-senate" / f"{name}.jpg").rgb for name in PEOPLE]


@pytest.fixture(scope="module")
def model() -> Restorer:
    return gpen.load_model("preview", device="cpu")


def noisy(pixels: np.ndarray, sigma: float) -> np.ndarray:
    return pixels + np.random.default_rng(0).standard_normal(pixels.shape, np.float32) * np.float32(sigma)


def inside(picture: Tensor, face: gpen.Face) -> np.ndarray:
    left, top, right, bottom = (max(0, round(edge)) for edge in face.box)
    return picture[0, top:bottom, left:right].numpy()


def chroma(pixels: np.ndarray) -> np.ndarray:
    return pixels - luminance(pixels)[..., None]


def test_a_clean_sharp_face_stays(portraits: list[Tensor], model: Restorer) -> None:
    for picture in portraits:
        faces = gpen.restore_faces(model, picture, gpen.detect_faces(picture, "mtcnn"))

        def likeness(picture: Tensor = picture, faces: gpen.Faces = faces, **changes: Any) -> float:
            done = gpen.paste_faces(picture, faces, **changes).image
            return -10 * float(np.log10(np.square(inside(done, faces[0]) - inside(picture, faces[0])).mean()))

        assert likeness() > 41.8
        assert likeness(grain=1.0) > likeness() - 0.2, "pores were taken for grain"


def test_noise_of_a_sharp_face_is_not_its_pores(portraits: list[Tensor]) -> None:
    for picture in portraits:
        pixels = picture[0].numpy()
        assert noise_level(luminance(pixels)) < 1.5 / 255
        for sigma in (0.02, 0.06):
            # What is black or white already has less of it.
            assert 0.8 * sigma < noise_level(luminance(noisy(pixels, sigma)) * np.float32(1 / 0.669)) < 1.2 * sigma
        assert compression_level(luminance(jpeg(pixels, 20))) > 1.5 * compression_level(luminance(pixels))


@pytest.mark.parametrize("tint", [np.ones(3, np.float32), SEPIA], ids=["grey", "sepia"])
def test_a_picture_of_one_tint_keeps_it(portraits: list[Tensor], model: Restorer, tint: np.ndarray) -> None:
    for portrait in portraits:
        pixels = (luminance(portrait[0, ::2, ::2].contiguous().numpy())[..., None] * tint).clip(0, 1)
        picture = torch.from_numpy(np.round(pixels * 255).astype(np.float32) / 255)[None]
        done = gpen.restore(model, picture, "mtcnn").image
        assert not torch.equal(done, picture)
        change = chroma(done[0].numpy()) - chroma(picture[0].numpy())
        assert np.abs(change).max() * 255 <= 1


def test_colours_are_no_tint(portraits: list[Tensor]) -> None:
    for portrait in portraits:
        pixels = portrait[0].numpy()
        assert not is_of_one_tint(pixels)
        grey = luminance(pixels)[..., None]
        assert is_of_one_tint((grey * SEPIA).clip(0, 1))
        assert is_of_one_tint(jpeg(noisy(grey * SEPIA, 0.04).clip(0, 1), 50))


def test_colorization_colours_a_grey_picture() -> None:
    grey, coloured = torch.full((1, 8, 8, 3), 0.5), torch.tensor([0.8, 0.5, 0.2]).expand(1, 8, 8, 3)
    assert TASKS["colorization"].finish(grey, coloured, None).std(dim=3).min() > 0.05
    assert TASKS["restoration"].finish(grey, coloured, None).std(dim=3).max() < 1e-6


def test_full_colour_leaves_lightness_its_contrast(portraits: list[Tensor]) -> None:
    sharp = portraits[0][0, ::4, ::4].contiguous().numpy()
    hazy = (0.5 * sharp + 0.25).astype(np.float32)
    matched = matched_color(sharp, hazy, np.ones(sharp.shape[:2], np.float32), "full")
    assert luminance(matched).std() > 0.9 * luminance(sharp).std()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_network_that_breaks_is_named(model: Restorer, bad: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(model), "__call__", lambda self, x: torch.full_like(x, bad))
    with pytest.raises(gpen.CheckpointError, match=f"{model.name} made NaN or infinite values.*damaged"):
        model.restore(torch.rand(2, model.size, model.size, 3))


def test_values_stay_in_range(portraits: list[Tensor]) -> None:
    picture = portraits[0][:, ::2, ::2].contiguous()
    # As an upscaler's sharp filter leaves it.
    picture = 1.06 * picture - 0.03
    faces = gpen.detect_faces(picture, "mtcnn")
    faces = gpen.restore_faces(gpen.load_model("preview", device="cpu"), picture, faces)
    done = gpen.paste_faces(picture, faces, grain=1.0, color="full").image
    assert done.isfinite().all() and done.min() >= 0 and done.max() <= 1


def test_a_picture_in_0_to_255_is_refused(portraits: list[Tensor]) -> None:
    with pytest.raises(gpen.PictureError, match="divide it by 255"):
        gpen.detect_faces(portraits[0] * 255, "mtcnn")


def test_what_another_tool_took_away_stays_away(portraits: list[Tensor]) -> None:
    picture = portraits[0]
    faces = gpen.restore_faces(gpen.load_model("preview", device="cpu"), picture, gpen.detect_faces(picture, "mtcnn"))
    crop = faces[0].crop
    assert crop is not None
    dimmed = with_after(faces[0], crop.before * 0.97)

    def pasted(kind: OutcomeKind) -> Tensor:
        return gpen.paste_faces(picture, faces.with_faces([replace(dimmed, outcome=gpen.Outcome(kind))])).image

    plain = gpen.paste_faces(picture, faces.with_faces([dimmed]), skin=1.0, large_faces="off").image
    assert torch.equal(pasted("replaced"), plain)
    assert not torch.equal(pasted("restored"), plain)
