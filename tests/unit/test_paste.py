"""Paste-back: against pictures composed by the official code, and what must stay untouched."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import io
from torch import Tensor

import gpen
from gpen.faces.alignment import GPEN_TEMPLATE, align, template
from tests.support import tolerances
from tests.support.faces import crop_of, cut_face, paste_mask, with_after
from tests.support.photograph import ASTRONAUT_LANDMARKS

DRAWN = ("oval", "box")
# What is laid over a face is tested elsewhere.
PLAIN: dict[str, Any] = {"mask": "box", "large_faces": "off", "skin": 1.0}


def cut(picture: Tensor, landmarks: np.ndarray, size: int, frame: int = 0) -> gpen.Face:
    """A face as `restore_faces` leaves it, restored to its negative."""
    face = cut_face(picture, landmarks, size, frame)
    return with_after(face, 1 - crop_of(face).before)


def faces_of(picture: Tensor, *faces: gpen.Face) -> gpen.Faces:
    frames, height, width, _ = picture.shape
    return gpen.Faces(faces, width, height, frames)


def astronaut_face(picture: Tensor, size: int = 256, frame: int = 0) -> gpen.Face:
    return cut(picture, ASTRONAUT_LANDMARKS, size, frame=frame)


def official(labels: int = 1) -> dict[str, Any]:
    """The official mask with a parser that takes every pixel for the same, as in the official pictures."""
    return {"mask": "official", "skin": 1.0, "parser": lambda crop: np.full((512, 512), labels, np.uint8)}


def small(x: float, y: float, side: int = 64) -> np.ndarray:
    """Landmarks of an upright face whose crop is `side` pixels wide and begins at (x, y)."""
    return template(side) + np.array([x, y])


@pytest.mark.parametrize("name", ["paste_256", "paste_512"])
def test_agrees_with_official_pictures(shared: Path, name: str) -> None:
    folder = shared / "golden"
    case = json.loads((folder / "paste.json").read_text(encoding="utf-8"))[name]
    picture, crops, expected = (io.imread(folder / f"{name}.{part}.png") for part in ("input", "crops", "output"))
    size = case["size"]
    faces = []
    for index, (box, landmarks) in enumerate(zip(case["boxes_xyxy_score"], case["landmarks"], strict=True)):
        # Side by side in the order of detection.
        pixels = torch.from_numpy(crops[:, index * size : (index + 1) * size]).float() / 255
        landmarks = np.array(landmarks)
        crop = gpen.Crop(pixels, align(landmarks, size)[1], GPEN_TEMPLATE, after=1 - pixels)
        faces.append(gpen.Face(0, tuple(box[:4]), landmarks, box[4], crop=crop))
    before = torch.from_numpy(picture)[None].float() / 255
    image = gpen.paste_faces(before, faces_of(before, *faces), strength=case["alpha"], **official()).image
    error = np.abs((image[0].numpy() * 255).round() - expected)
    assert error.max() <= tolerances.PASTED_LEVELS
    assert (error.max(axis=2) <= 1).mean() >= tolerances.PASTED_WITHIN_ONE


@pytest.mark.parametrize("mask", DRAWN)
def test_nothing_to_paste_changes_no_bit(astronaut: Tensor, mask: str) -> None:
    face = astronaut_face(astronaut)
    nothing = [
        gpen.paste_faces(astronaut, faces_of(astronaut), mask=mask),
        gpen.paste_faces(astronaut, faces_of(astronaut, face), mask=mask, strength=0),
        gpen.paste_faces(astronaut, faces_of(astronaut, replace(face, crop=None)), mask=mask),
        gpen.paste_faces(astronaut, faces_of(astronaut, with_after(face, crop_of(face).before)), mask=mask),
    ]
    for pasted in nothing:
        assert torch.equal(pasted.image, astronaut)
        assert pasted.mask.shape == (1, 512, 512)
        assert not pasted.mask.any()
        assert pasted.image.data_ptr() != astronaut.data_ptr(), "a later node that draws into it would change the input"


@pytest.mark.parametrize("mask", DRAWN)
@pytest.mark.parametrize("size", [64, 256, 1024])
def test_only_the_crop_is_touched(astronaut: Tensor, mask: str, size: int) -> None:
    before = astronaut.clone()
    face = astronaut_face(astronaut, size)
    pasted = gpen.paste_faces(astronaut, faces_of(astronaut, face), mask=mask)
    assert torch.equal(astronaut, before), "what came in was changed"
    untouched = pasted.mask == 0
    assert torch.equal(pasted.image[untouched], astronaut[untouched])
    # Bilinear interpolation reaches one pixel of the crop beyond its edge.
    corners = np.array([[-1, -1], [size, -1], [-1, size], [size, size]])
    corners = corners @ crop_of(face).crop_to_picture[:, :2].T + crop_of(face).crop_to_picture[:, 2]
    left, top = np.floor(corners.min(0)).astype(int).clip(0)
    right, bottom = np.ceil(corners.max(0)).astype(int)
    outside = torch.ones(512, 512, dtype=torch.bool)
    outside[top : bottom + 1, left : right + 1] = False
    assert untouched[0][outside].all()
    assert pasted.mask.max() <= 1
    x, y = ASTRONAUT_LANDMARKS.mean(0).astype(int)
    assert pasted.mask[0, y, x] > 0.999
    torch.testing.assert_close(pasted.image[0, y, x], 1 - astronaut[0, y, x], atol=0.05, rtol=0)


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_crops_come_back_to_where_they_were(astronaut: Tensor, size: int) -> None:
    # As soft as a picture that needs restoring: what interpolation costs is then less than what a shift would.
    pixels = cv2.GaussianBlur(astronaut[0].numpy(), (0, 0), 3)
    picture = torch.from_numpy(pixels)[None]
    face = astronaut_face(picture, size)
    assert face.crop is not None
    # Not quite the crop, which would not be pasted at all.
    nearly = with_after(face, crop_of(face).before + 1e-4)
    pasted = gpen.paste_faces(picture, faces_of(picture, nearly), mask="box")
    assert pasted.mask.max() > 0.999
    assert (pasted.image - picture).abs().max() * 255 <= 2


def test_detail_too_fine_for_the_picture_does_not_alias(astronaut: Tensor) -> None:
    face = astronaut_face(astronaut, 2048)
    stripes = torch.zeros(2048, 2048, 3)
    # About one and a third pixels of the picture: bilinear samples alone would show them as wide bars.
    stripes[:, torch.arange(2048) % 14 < 7] = 1
    pasted = gpen.paste_faces(astronaut, faces_of(astronaut, with_after(face, stripes)), **PLAIN)
    inside = pasted.image[0][pasted.mask[0] > 0.999]
    assert (inside - 0.5).abs().max() < 0.3


def test_half_strength_is_half_way(astronaut: Tensor) -> None:
    faces = faces_of(astronaut, astronaut_face(astronaut, 512))
    full = gpen.paste_faces(astronaut, faces, **PLAIN)
    half = gpen.paste_faces(astronaut, faces, **PLAIN, strength=0.5)
    torch.testing.assert_close(half.mask, full.mask / 2)
    torch.testing.assert_close(half.image, (full.image + astronaut) / 2, atol=tolerances.MIXED, rtol=0)


@pytest.mark.parametrize(("width", "height"), [(1024, 1024), (200, 200), (700, 512)])
def test_picture_of_another_size(astronaut: Tensor, width: int, height: int) -> None:
    faces = faces_of(astronaut, astronaut_face(astronaut))
    resized = torch.nn.functional.interpolate(astronaut.movedim(3, 1), (height, width), mode="area").movedim(1, 3)
    there = gpen.paste_faces(resized, faces).mask
    here = gpen.paste_faces(astronaut, faces).mask
    assert there.shape == (1, height, width)
    moved = torch.nn.functional.interpolate(here[None], (height, width), mode="area")[0]
    assert (there - moved).abs().max() < 0.1


def test_each_frame_gets_its_own_faces(astronaut: Tensor) -> None:
    batch = torch.cat([astronaut, astronaut.flip(2), astronaut])
    faces = faces_of(batch, astronaut_face(batch, frame=2), cut(batch, small(10, 300), 128, frame=0))
    pasted = gpen.paste_faces(batch, faces)
    assert [bool(mask.any()) for mask in pasted.mask] == [True, False, True]
    assert torch.equal(pasted.image[1], batch[1])
    alone = gpen.paste_faces(astronaut, faces_of(astronaut, astronaut_face(astronaut)))
    assert torch.equal(pasted.image[2], alone.image[0])
    assert torch.equal(pasted.mask[2], alone.mask[0])


@pytest.mark.parametrize("place", [(-40, -30), (480, 100), (200, 490), (490, 490)])
def test_face_over_the_edge(astronaut: Tensor, place: tuple[int, int]) -> None:
    # The same face in a picture with room on all sides is the reference.
    margin = 64
    roomy = torch.nn.functional.pad(astronaut.movedim(3, 1), (margin,) * 4).movedim(1, 3)
    expected = gpen.paste_faces(roomy, faces_of(roomy, cut(roomy, small(*place) + margin, 128)), **PLAIN)
    pasted = gpen.paste_faces(astronaut, faces_of(astronaut, cut(astronaut, small(*place), 128)), **PLAIN)
    assert pasted.mask.any()
    inside = np.s_[:, margin:-margin, margin:-margin]
    torch.testing.assert_close(pasted.image, expected.image[inside], atol=tolerances.MOVED, rtol=0)
    torch.testing.assert_close(pasted.mask, expected.mask[inside], atol=tolerances.MOVED, rtol=0)


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.5, 0, 9000], [0, 0.5, 0]],
        [[0.5, 0, -9000], [0, 0.5, -9000]],
        [[0, 0, 100], [0, 0, 100]],
        [[0.5, 0.5, 0], [0.5, 0.5, 0]],
        [[1e-9, 0, 100], [0, 1e-9, 100]],
        [[float("nan"), 0, 0], [0, 1, 0]],
        [[float("inf"), 0, 0], [0, 1, 0]],
    ],
)
def test_face_that_lies_nowhere_is_skipped(astronaut: Tensor, matrix: list) -> None:
    face = astronaut_face(astronaut)
    nowhere = replace(face, crop=replace(crop_of(face), crop_to_picture=np.array(matrix)))
    pasted = gpen.paste_faces(astronaut, faces_of(astronaut, nowhere))
    assert torch.equal(pasted.image, astronaut)
    assert not pasted.mask.any()


def test_face_with_an_empty_box_is_skipped(astronaut: Tensor) -> None:
    empty = replace(astronaut_face(astronaut), box=(200, 100, 200, 150))
    assert torch.equal(gpen.paste_faces(astronaut, faces_of(astronaut, empty)).image, astronaut)


def test_overlapping_faces() -> None:
    grey = torch.full((1, 128, 192, 3), 0.5)
    white = with_after(cut(grey, small(20, 30), 64), torch.ones(64, 64, 3))
    black = with_after(cut(grey, small(52, 30), 64), torch.zeros(64, 64, 3))
    alone = [gpen.paste_faces(grey, faces_of(grey, face), mask="box") for face in (white, black)]
    pasted = gpen.paste_faces(grey, faces_of(grey, white, black), mask="box")
    torch.testing.assert_close(pasted.mask, torch.maximum(alone[0].mask, alone[1].mask))
    second_wins = alone[1].mask > alone[0].mask
    expected = torch.where(second_wins[..., None], alone[1].image, alone[0].image)
    torch.testing.assert_close(pasted.image, expected)
    again = gpen.paste_faces(grey, faces_of(grey, white, with_after(white, torch.zeros(64, 64, 3))), mask="box")
    assert torch.equal(again.image, alone[0].image), "of two equal masks the first wins"


@pytest.mark.parametrize("mask", DRAWN)
@pytest.mark.parametrize("size", [256, 1024])
def test_tiny_picture(mask: str, size: int) -> None:
    picture = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    face = cut(picture, small(-2, -2, 20), size)
    pasted = gpen.paste_faces(picture, faces_of(picture, face), mask=mask)
    assert pasted.image.isfinite().all()
    assert pasted.mask.max() > 0.9


def test_face_taller_than_a_band() -> None:
    picture = torch.zeros(1, 900, 800, 3)
    face = with_after(cut(picture, small(20, 50, 760), 256), torch.ones(256, 256, 3))
    pasted = gpen.paste_faces(picture, faces_of(picture, face), mask="box")
    torch.testing.assert_close(pasted.image[..., 0], pasted.mask)
    # Bands that did not meet would show as steps.
    assert pasted.mask.diff(dim=1).abs().max() < 0.1


@pytest.mark.parametrize("mask", DRAWN)
@pytest.mark.parametrize("size", [64, 256, 512, 2048])
def test_masks_are_soft_and_end_inside_the_crop(mask: str, size: int) -> None:
    face = cut_face(torch.zeros(1, size, size, 3), template(size), size)
    values = paste_mask(face, mask=mask)
    assert values.shape == (size, size)
    assert values.dtype == np.float32
    assert values.min() >= 0
    assert values.max() <= 1
    edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    assert edge.max() < 1e-3
    for x, y in template(size).round().astype(int):
        assert values[y, x] > 0.99


def test_picture_in_another_memory_order(astronaut: Tensor) -> None:
    faces = faces_of(astronaut, astronaut_face(astronaut))
    channels_first = astronaut.movedim(3, 1).contiguous().movedim(1, 3)
    assert not channels_first.is_contiguous()
    assert torch.equal(gpen.paste_faces(channels_first, faces).image, gpen.paste_faces(astronaut, faces).image)


def test_grey_and_transparent_pictures(astronaut: Tensor) -> None:
    faces = faces_of(astronaut, astronaut_face(astronaut))
    for channels in (astronaut[..., :1], torch.cat([astronaut, astronaut[..., :1]], dim=-1)):
        pasted = gpen.paste_faces(channels, faces)
        assert pasted.image.shape[:3] == astronaut.shape[:3]
        assert torch.equal(pasted.image[..., 3:], channels[..., 3:]), "alpha comes out as it went in"
        assert pasted.mask.max() > 0.999


def test_progress_counts_pasted_faces_and_can_stop(astronaut: Tensor) -> None:
    steps: list[tuple[int, int | None]] = []
    face = astronaut_face(astronaut)
    faces = faces_of(astronaut, face, replace(face, crop=None), cut(astronaut, small(10, 300), 128))
    gpen.paste_faces(astronaut, faces, on_progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]

    def stop(done: int, total: int | None) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        gpen.paste_faces(astronaut, faces, on_progress=stop)


def test_mistakes_are_named(astronaut: Tensor) -> None:
    faces = faces_of(astronaut, astronaut_face(astronaut))
    with pytest.raises(gpen.SettingError, match=r"a number between 0 and 1, and it is 1\.5"):
        gpen.paste_faces(astronaut, faces, strength=1.5)
    with pytest.raises(gpen.SettingError, match="between 0 and 1, and it is nan"):
        gpen.paste_faces(astronaut, faces, strength=float("nan"))
    with pytest.raises(gpen.SettingError, match="unknown mask 'circle'; choose one of: oval, box, parse, official"):
        gpen.paste_faces(astronaut, faces, mask="circle")
    with pytest.raises(gpen.SettingError, match="batch of 1 pictures, and this one has 2"):
        gpen.paste_faces(torch.cat([astronaut, astronaut]), faces)
    with pytest.raises(gpen.PictureError):
        gpen.paste_faces(astronaut[0], faces)
