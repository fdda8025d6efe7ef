"""Alignment against the official code's numbers, and the crop against what OpenCV gives."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gpen.faces.alignment import align, crop_face, template


@pytest.fixture(scope="module")
def official(shared: Path) -> dict:
    return json.loads((shared / "golden" / "alignment.json").read_text(encoding="utf-8"))


def test_template_is_official(official: dict) -> None:
    for size, points in official["reference_5pts"].items():
        np.testing.assert_allclose(template(int(size)), points, atol=1e-9)


def test_matrix_is_official(official: dict) -> None:
    for case in official["cases"]:
        _, crop_to_picture = align(np.array(case["landmarks_5"]), case["size"])
        np.testing.assert_allclose(crop_to_picture, case["crop_to_image"], atol=1e-3)


def test_mirrored_landmarks_are_not_mirrored_back() -> None:
    mirrored = template(512) * [-1, 1] + np.array([511, 0])
    picture_to_crop, _ = align(mirrored, 512)
    assert np.linalg.det(picture_to_crop[:, :2]) > 0


def test_enlarged_face_is_plain_bilinear() -> None:
    picture = np.random.default_rng(0).random((90, 120, 3), np.float32)
    picture_to_crop, _ = align(template(64) + np.array([20, 10]), 256)
    expected = cv2.warpAffine(picture, picture_to_crop, (256, 256), flags=cv2.INTER_AREA)
    np.testing.assert_allclose(crop_face(torch.from_numpy(picture), picture_to_crop, 256), expected, atol=1e-5)


def test_large_face_does_not_alias() -> None:
    # Stripes finer than a pixel of the crop: grey to whoever looks from afar.
    picture = torch.zeros(2048, 2048, 3)
    picture[:, ::2] = 1
    picture_to_crop, _ = align(template(2048), 256)
    crop = crop_face(picture, picture_to_crop, 256)[8:-8, 8:-8]
    assert (crop - 0.5).abs().max() < 0.02


@pytest.mark.parametrize("offset", [(-400, 0), (0, 400), (5000, 5000)])
def test_face_outside_the_picture_is_black(offset: tuple[int, int]) -> None:
    picture_to_crop, _ = align(template(128) + np.array(offset), 256)
    assert crop_face(torch.ones(64, 64, 3), picture_to_crop, 256).max() == 0
