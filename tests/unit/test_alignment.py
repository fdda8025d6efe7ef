"""Alignment against the official code's numbers, and the crop against what OpenCV gives."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gpen.faces.alignment import align, crop_face, is_turned, template
from tests.support import tolerances


@pytest.fixture(scope="module")
def official(shared: Path) -> dict:
    return json.loads((shared / "golden" / "alignment.json").read_text(encoding="utf-8"))


def test_template_is_official(official: dict) -> None:
    for size, points in official["reference_5pts"].items():
        np.testing.assert_allclose(template(int(size)), points, atol=tolerances.TEMPLATE)


def test_matrix_is_official(official: dict) -> None:
    for case in official["cases"]:
        _, crop_to_picture = align(np.array(case["landmarks_5"]), case["size"])
        np.testing.assert_allclose(crop_to_picture, case["crop_to_image"], atol=tolerances.MATRIX)


def test_mirrored_landmarks_are_not_mirrored_back() -> None:
    mirrored = template(512) * [-1, 1] + np.array([511, 0])
    picture_to_crop, _ = align(mirrored, 512)
    assert np.linalg.det(picture_to_crop[:, :2]) > 0


def test_enlarged_face_is_plain_bilinear() -> None:
    picture = np.random.default_rng(0).random((90, 120, 3), np.float32)
    picture_to_crop, _ = align(template(64) + np.array([20, 10]), 256)
    expected = cv2.warpAffine(picture, picture_to_crop, (256, 256), flags=cv2.INTER_AREA)
    np.testing.assert_allclose(
        crop_face(torch.from_numpy(picture), picture_to_crop, 256), expected, atol=tolerances.CROP
    )


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


def turned(yaw: float, pitch: float) -> np.ndarray:
    """The mean face's landmarks seen from elsewhere: a plane, and a nose half the eyes' distance high."""
    points = template(200) - template(200).mean(0)
    depth = np.zeros(5)
    depth[2] = 0.5 * (points[1] - points[0])[0]
    y, p = np.deg2rad([yaw, pitch])
    x = points[:, 0] * np.cos(y) + depth * np.sin(y)
    return np.column_stack([x, points[:, 1] * np.cos(p) + depth * np.sin(p)]) + 100


@pytest.mark.parametrize(
    ("yaw", "pitch", "expected"), [(0, 0, False), (15, 10, False), (-50, 0, True), (50, 0, True), (0, 40, True)]
)
def test_a_turned_face_is_told_from_a_frontal_one(yaw: float, pitch: float, expected: bool) -> None:
    assert is_turned(turned(yaw, pitch)) == expected


def test_stretching_makes_the_halves_of_a_turned_face_as_wide_as_a_frontal_ones() -> None:
    landmarks = turned(45, 0)
    widths = []
    for stretch in (False, True):
        picture_to_crop, crop_to_picture = align(landmarks, 256, stretch)
        there = landmarks @ picture_to_crop[:, :2].T + picture_to_crop[:, 2]
        widths.append((there[1] - there[0])[0])
        back = there @ crop_to_picture[:, :2].T + crop_to_picture[:, 2]
        np.testing.assert_allclose(back, landmarks, atol=tolerances.LANDMARKS)
    assert widths[1] == pytest.approx((template(256)[1] - template(256)[0])[0], rel=0.01)
    assert widths[0] < 0.85 * widths[1]


def test_profile_is_not_stretched() -> None:
    for stretch in (False, True):
        np.testing.assert_array_equal(align(turned(75, 0), 256, stretch)[0], align(turned(75, 0), 256)[0])
    assert not is_turned(turned(75, 0))
