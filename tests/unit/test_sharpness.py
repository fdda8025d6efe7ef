"""The sharpness of a real face: falls with blur, and does not care for the size of the face, noise or compression."""

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from gpen.faces.sharpness import sharpness

# NASA's portrait of Eileen Collins, as YuNet finds her face: eyes 47 pixels apart.
LANDMARKS = np.array([[200.0, 102], [247, 103], [222, 130], [204, 150], [246, 150]])
EYE_DISTANCE = 47


def measured(pixels: np.ndarray, scale: float = 1) -> float:
    resized = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return sharpness(torch.from_numpy(resized).float() / 255, (LANDMARKS + 0.5) * scale - 0.5)


def blurred(share: float) -> np.ndarray:
    """The photograph, blurred by a share of the distance of the eyes."""
    return cv2.GaussianBlur(data.astronaut(), (0, 0), share * EYE_DISTANCE)


def test_falls_with_blur() -> None:
    values = [measured(data.astronaut())] + [measured(blurred(share)) for share in (0.05, 0.1, 0.2, 0.4)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 60 and values[2] < 42 and values[-1] < 10


@pytest.mark.parametrize("share", [0, 0.1])
def test_same_for_large_and_small_faces(share: float) -> None:
    picture = blurred(share) if share else data.astronaut()
    assert np.ptp([measured(picture, scale) for scale in (0.5, 0.75, 1, 2, 3)]) < 8


def test_an_enlarged_face_is_blurry() -> None:
    small = cv2.resize(data.astronaut(), (64, 64), interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(small, (512, 512), interpolation=cv2.INTER_CUBIC)
    assert measured(enlarged) < measured(data.astronaut()) - 10


def test_noise_and_compression_do_not_make_it_sharp() -> None:
    for picture in (data.astronaut(), blurred(0.15)):
        noise = np.random.default_rng(0).normal(0, 14, picture.shape)
        noisy = np.clip(picture + noise, 0, 255).round().astype(np.uint8)
        coded = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 12])[1], cv2.IMREAD_COLOR)
        assert max(abs(measured(other) - measured(picture)) for other in (noisy, coded)) < 6


@pytest.mark.parametrize("landmarks", [LANDMARKS + 2000, (LANDMARKS - LANDMARKS[2]) * 0.01 + LANDMARKS[2]])
def test_any_place_and_size(landmarks: np.ndarray) -> None:
    assert 0 <= sharpness(torch.from_numpy(data.astronaut()).float() / 255, landmarks) <= 100
