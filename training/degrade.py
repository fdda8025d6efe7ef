"""Damage to learn from: what cameras, small pictures and compression do to a face, and what Stable Diffusion does.

After the recipe of GPEN and GFPGAN (Yang et al. 2021; Wang et al. 2021): blur, shrink, noise, JPEG, and back to the
full size. One number says how bad it is, 0..1; every single setting is drawn around it.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[Any]
"""(H, W, 3) RGB, float32 in 0..1"""

STRENGTHS = {"mild": (0.0, 1 / 3), "medium": (1 / 3, 2 / 3), "strong": (2 / 3, 1.0)}
"""The thirds of the range that training covers evenly."""

# (at strength 0, at strength 1), in pixels of a crop 256 wide.
BLUR_SIGMA = (0.2, 3.0)
SHRINK = (1.0, 6.0)
NOISE_SIGMA = (0.0, 20 / 255)
JPEG_QUALITY = (95.0, 35.0)
MELT_SHRINK = (3.0, 8.0)
"""How much smaller a face was when Stable Diffusion painted it."""

SMALL_FACE_SHARE = 0.2
"""How often the damage is a small painted face scaled up instead of a poor photograph."""
_ENLARGE = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def degrade(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Damage a picture, rounded to 8 bits as a file would be.

    Args:
        picture: (H, W, 3) RGB in 0..1.
        strength: 0 (hardly visible) … 1 (details are gone).
        rng: decides everything else; the same generator state gives the same damage.
    """
    damaged = (
        _painted_small(picture, strength, rng)
        if rng.random() < SMALL_FACE_SHARE
        else _poor_photo(picture, strength, rng)
    )
    return np.round(np.clip(damaged, 0, 1) * 255).astype(np.float32) / 255


def _poor_photo(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Out of focus or moved, small, noisy, compressed, scaled up again."""
    height, width = picture.shape[:2]
    damaged = _blur(picture, _draw(BLUR_SIGMA, strength, rng), rng)
    damaged = _shrink(damaged, _draw(SHRINK, strength, rng))
    noise = rng.standard_normal(damaged.shape, dtype=np.float32)
    if rng.random() < 0.3:
        noise[:] = noise[:, :, :1]  # film and high ISO after a camera's denoising: the colours are clean
    damaged = damaged + noise * np.float32(_draw(NOISE_SIGMA, strength, rng))
    damaged = jpeg(damaged, _draw(JPEG_QUALITY, strength, rng))
    return cv2.resize(damaged, (width, height), interpolation=int(rng.choice(_ENLARGE)))


def _painted_small(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """A face that was a few dozen pixels wide: details run into each other, edges stay, no noise; then scaled up."""
    height, width = picture.shape[:2]
    small = _shrink(picture, _draw(MELT_SHRINK, strength, rng))
    # Neighbouring details merge: each pixel comes from a place some tenths of a pixel away, smoothly varying.
    shift = cv2.GaussianBlur(rng.standard_normal((*small.shape[:2], 2), dtype=np.float32), (0, 0), 1.0)
    shift *= np.float32(rng.uniform(0, 0.8) * strength) + np.float32(0.2)
    rows, columns = np.indices(small.shape[:2], np.float32)
    small = cv2.remap(
        small, columns + shift[..., 0], rows + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    small = cv2.bilateralFilter(small, 5, float(rng.uniform(0.02, 0.12)), float(rng.uniform(0.5, 1.2)))
    return cv2.resize(small, (width, height), interpolation=int(rng.choice(_ENLARGE)))


def _draw(ends: tuple[float, float], strength: float, rng: np.random.Generator) -> float:
    """A setting around `strength` between its two ends: half of the range apart at most, so that settings vary."""
    share = float(np.clip(strength + rng.uniform(-0.25, 0.25), 0, 1))
    return ends[0] + (ends[1] - ends[0]) * share


def _blur(picture: Picture, sigma: float, rng: np.random.Generator) -> Picture:
    """A Gaussian, half of the time a longer one in one direction, as a moving camera leaves it."""
    if rng.random() < 0.5:
        return cv2.GaussianBlur(picture, (0, 0), sigma)
    radius = max(1, int(np.ceil(2.5 * sigma)))
    angle, ratio = rng.uniform(0, np.pi), rng.uniform(0.2, 1)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = np.exp(-0.5 * ((along / sigma) ** 2 + (across / (sigma * ratio)) ** 2))
    return cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def _shrink(picture: Picture, factor: float) -> Picture:
    height, width = picture.shape[:2]
    size = (max(8, round(width / factor)), max(8, round(height / factor)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def jpeg(picture: Picture, quality: float) -> Picture:
    """A picture as it comes out of a JPEG file of that quality, 1..100."""
    bgr = np.round(np.clip(picture[:, :, ::-1], 0, 1) * 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None  # coded a line ago
    return decoded[:, :, ::-1].astype(np.float32) / 255
