"""The sharpness of a real face: falls with blur, noise and compression, and does not care for the size of the face."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage import data

import gpen
from gpen.faces.sharpness import sharpness
from tests.support.photograph import read_rgb, tensor

# NASA's portrait of Eileen Collins, as YuNet finds her face: eyes 47 pixels apart.
LANDMARKS = np.array([[200.0, 102], [247, 103], [222, 130], [204, 150], [246, 150]])
FACE_WIDTH = 87
KEEPS_THE_DAMAGED = 45
"""What help and README advise for `max_sharpness`."""


def measured(pixels: np.ndarray, scale: float = 1) -> float:
    resized = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return sharpness(torch.from_numpy(resized).float() / 255, (LANDMARKS + 0.5) * scale - 0.5)


def resized(picture: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def blurred(picture: np.ndarray, share: float, face_width: float = FACE_WIDTH) -> np.ndarray:
    """Blurred by a share of the width of the face."""
    return cv2.GaussianBlur(picture, (0, 0), share * face_width)


def noisy(picture: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation * 255, picture.shape)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


def coded(picture: np.ndarray, quality: int) -> np.ndarray:
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def test_falls_with_blur() -> None:
    values = [measured(data.astronaut())]
    values += [measured(blurred(data.astronaut(), share)) for share in (0.0075, 0.015, 0.03, 0.06)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 60 and values[2] < KEEPS_THE_DAMAGED and values[-1] < 5


def test_falls_with_noise() -> None:
    values = [measured(data.astronaut())] + [measured(noisy(data.astronaut(), sigma)) for sigma in (0.02, 0.04, 0.08)]
    assert values == sorted(values, reverse=True)
    assert values[1] > KEEPS_THE_DAMAGED > values[2] and values[-1] < 5


def test_falls_with_compression() -> None:
    values = [measured(coded(data.astronaut(), quality)) for quality in (90, 75, 30, 10)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 55 and values[1] > KEEPS_THE_DAMAGED > values[2]


def test_blocks_are_seen_wherever_they_begin() -> None:
    picture = coded(data.astronaut(), 30)
    values = [
        sharpness(tensor(np.ascontiguousarray(picture[cut:, cut:]))[0], LANDMARKS - cut) for cut in (0, 1, 3, 4, 7)
    ]
    assert max(values) < KEEPS_THE_DAMAGED


@pytest.mark.parametrize("share", [0, 0.03])
def test_same_for_large_and_small_faces(share: float) -> None:
    picture = blurred(data.astronaut(), share) if share else data.astronaut()
    assert np.ptp([measured(picture, scale) for scale in (0.75, 1, 2, 3)]) < 12


def test_an_enlarged_face_is_blurry() -> None:
    small = cv2.resize(data.astronaut(), (128, 128), interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(small, (512, 512), interpolation=cv2.INTER_CUBIC)
    assert measured(enlarged) < measured(data.astronaut()) - 20


@pytest.mark.parametrize("width", [64, 400])
def test_tells_damaged_portraits_from_clean_ones(shared: Path, width: int) -> None:
    detector = gpen.open_detector("yunet", folders={"detector": [shared / "weights"]})
    clean, damaged = [], []
    for file in sorted((shared / "faces" / "us-senate").glob("*.jpg"))[2::12]:
        portrait = read_rgb(file)
        small = resized(portrait, 384)
        (face,) = gpen.detect_faces(tensor(small), detector)
        side = round(384 * width / (face.box[2] - face.box[0]))
        landmarks = (face.landmarks + 0.5) * side / 384 - 0.5
        picture = resized(portrait, side)
        clean.append(sharpness(tensor(picture)[0], landmarks))
        damages = (blurred(picture, 0.015, width), noisy(picture, 0.04), coded(picture, 30))
        damaged.append([sharpness(tensor(damage)[0], landmarks) for damage in damages])
    surely = (np.array(clean)[:, None, None] > np.array(damaged)).mean(axis=(0, 1))
    assert (surely >= 0.95).all(), f"blur, noise, JPEG are told from clean with {surely}"
    assert np.mean(np.array(clean) > KEEPS_THE_DAMAGED) >= 0.9
    assert (np.mean(np.array(damaged) < KEEPS_THE_DAMAGED, axis=0) >= 0.9).all()


@pytest.mark.parametrize("landmarks", [LANDMARKS + 2000, (LANDMARKS - LANDMARKS[2]) * 0.01 + LANDMARKS[2]])
def test_any_place_and_size(landmarks: np.ndarray) -> None:
    assert 0 <= sharpness(torch.from_numpy(data.astronaut()).float() / 255, landmarks) <= 100
