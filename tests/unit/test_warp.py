"""Blurs and transforms."""

import time

import cv2
import numpy as np
import pytest

from gpen.image.warp import blurred, smoothed


def picture(height: int = 300, width: int = 400, channels: int = 3) -> np.ndarray:
    small = np.random.default_rng(0).random((height // 6, width // 6, channels), np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


class TestBlurred:
    @pytest.mark.parametrize("sigma", [0.5, 4, 4.1, 7, 12, 30, 100])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_as_opencv(self, sigma: float, channels: int) -> None:
        pixels = picture(channels=channels)
        expected = cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(blurred(pixels, sigma), expected, atol=0.015, rtol=0)

    @pytest.mark.parametrize("sigma", [1e3, 1e9, 1e300, np.inf])
    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (700, 3), (1000, 1000)])
    def test_work_depends_on_the_pixels_alone(self, sigma: float, size: tuple[int, int]) -> None:
        pixels = np.random.default_rng(0).random((*size, 3), np.float32)
        begun = time.thread_time()
        blur = blurred(pixels, sigma)
        assert time.thread_time() - begun < 2
        assert blur.shape == pixels.shape
        assert np.isfinite(blur).all()

    def test_smoothed(self) -> None:
        pixels = picture()
        assert smoothed(pixels, 1.4) is pixels
        # Of each channel: what is left of three are three different greys.
        assert smoothed(pixels, 1e6).std((0, 1)).max() < pixels.std() / 10
