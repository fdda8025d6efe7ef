"""Noise and blocks taken out of a plane of luminance."""

import numpy as np
import pytest
from skimage import data

from gpen.image.luminance import luminance
from gpen.image.shrinkage import without_noise
from training.degrade import jpeg

RGB = data.astronaut()[:200, 120:321].astype(np.float32) / 255
PLANE = luminance(RGB)


def error(plane: np.ndarray) -> float:
    return float(np.square(plane - PLANE).mean())


@pytest.mark.parametrize("sigma", [0.02, 0.06])
def test_noise_goes_and_the_drawing_stays(sigma: float) -> None:
    noisy = PLANE + np.random.default_rng(0).normal(0, sigma, PLANE.shape).astype(np.float32)
    assert error(without_noise(noisy, 2 * sigma)) < 0.5 * error(noisy)
    # White noise on nothing leaves hardly anything.
    alone = without_noise(noisy - PLANE, 2 * sigma)
    assert alone.std() < 0.3 * sigma


def test_blocks_become_weaker() -> None:
    coded = luminance(jpeg(RGB, 20))
    assert error(without_noise(coded, 0.04)) < 0.93 * error(coded)


def test_what_is_clean_stays() -> None:
    assert np.abs(without_noise(PLANE, 0.0) - PLANE).max() < 1e-5
    assert error(without_noise(PLANE, 0.01)) < 0.005**2


@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (8, 9)])
def test_any_size(shape: tuple[int, int]) -> None:
    plane = np.full(shape, 0.4, np.float32)
    assert np.allclose(without_noise(plane, 0.1), plane, atol=1e-5)


def test_a_part_is_as_in_the_whole() -> None:
    """Bands that begin at an even row and overlap by the squares are one picture."""
    whole = without_noise(PLANE, 0.05)
    part = without_noise(np.ascontiguousarray(PLANE[50:150]), 0.05)
    assert np.allclose(part[8:-8], whole[58:142], atol=1e-5)
