"""Damage to learn from: what cameras, small pictures and compression do to a face, and what Stable Diffusion does.

Photographs follow the second-order recipe of Real-ESRGAN (Wang et al. 2021): blur, shrink, noise and compression, half
of the time twice. The faces that Stable Diffusion paints small follow what is seen in its pictures: features a pixel or
two out of place, details merged and smeared, halos of sharpening. One number says how bad it is, 0..1; every single
setting is drawn around it.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[Any]
"""(H, W, 3) RGB, float32 in 0..1"""

STRENGTHS = {"mild": (0.0, 1 / 3), "medium": (1 / 3, 2 / 3), "strong": (2 / 3, 1.0)}
"""The thirds of the range that training covers evenly."""

CLEAN_SHARE = 0.08
"""How often there is no damage: a good face must stay as it is."""
PAINTED_SHARE = 0.4
"""How often the damage is a small painted face scaled up instead of a poor photograph."""

# (at strength 0, at strength 1), in pixels of a crop 256 wide.
BLUR_SIGMA = (0.2, 3.0)
SHRINK = (1.0, 6.0)
NOISE_SIGMA = (0.0, 20 / 255)
QUALITY = (95.0, 25.0)
"""Of JPEG and WebP, 1..100."""
PAINTED_FACE = (96.0, 24.0)
"""Height of a face in pixels, brow to chin, when Stable Diffusion painted it."""
FACE_SHARE = 0.6
"""That height as a share of a crop's."""

# (least, most) of a small painted face at any strength.
WARP = (0.5, 4.0)
"""How far a feature may lie from its place, in pixels of the small picture."""
SMOOTHNESS = (1.5, 8.0)
"""Places nearer than this, in pixels of the small picture, move together: from a crooked lash to a whole eye."""
SHARPENING = (0.2, 2.0)
"""How much of what an unsharp mask finds is added."""

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue (ITU-R BT.601, as JPEG has it)."""

_ENLARGE = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def degrade(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Damage a picture, rounded to 8 bits as a file would be.

    Args:
        picture: (H, W, 3) RGB in 0..1.
        strength: 0 (hardly visible) … 1 (details are gone).
        rng: decides everything else; the same generator state gives the same damage.
    """
    kind = rng.random()
    if kind < CLEAN_SHARE:
        damaged = picture
    elif kind < CLEAN_SHARE + PAINTED_SHARE:
        damaged = painted_small(picture, strength, rng)
    else:
        damaged = poor_photo(picture, strength, rng)
    return np.round(np.clip(damaged, 0, 1) * 255).astype(np.float32) / 255


def poor_photo(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Out of focus or moved, small, noisy, compressed; half of the time all of it again; then scaled up."""
    height, width = picture.shape[:2]
    rounds = int(rng.integers(1, 3))
    damaged = picture
    for _ in range(rounds):
        if rng.random() < 0.8:
            damaged = _blur(damaged, max(0.05, _draw(BLUR_SIGMA, strength, rng) / rounds), rng)
        damaged = _shrink(damaged, _draw(SHRINK, strength, rng) ** (1 / rounds))
        damaged = _noisy(damaged, _draw(NOISE_SIGMA, strength, rng) / rounds**0.5, rng)
        if rng.random() < 0.9:
            damaged = (webp if rng.random() < 0.25 else jpeg)(damaged, _draw(QUALITY, strength, rng))
    return cv2.resize(damaged, (width, height), interpolation=int(rng.choice(_ENLARGE)))


def painted_small(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """A face that Stable Diffusion painted a few dozen pixels wide, scaled up."""
    height, width = picture.shape[:2]
    small = _shrink(picture, height * FACE_SHARE / _draw(PAINTED_FACE, strength, rng))
    # Beyond a few hundredths of the width a face is another one, and there is nothing to learn.
    most = min(float(rng.uniform(*WARP)), 0.04 * small.shape[1])
    small = warped(small, most, float(rng.uniform(*SMOOTHNESS)), rng)
    if rng.random() < 0.6:
        small = np.asarray(cv2.medianBlur(small, 3), np.float32)
    if rng.random() < 0.6:
        small = cv2.bilateralFilter(small, 5, float(rng.uniform(0.02, 0.12)), float(rng.uniform(0.5, 1.2)))
    if rng.random() < 0.6:
        small = _smeared_colour(small, float(rng.uniform(0.8, 2.5)))
    if rng.random() < 0.8:
        small = _sharpened(small, float(rng.uniform(*SHARPENING)), float(rng.uniform(0.6, 1.5)))
    if rng.random() < 0.3:
        small = _noisy(small, float(rng.uniform(0, 5 / 255)), rng)
    if rng.random() < 0.3:
        small = jpeg(small, float(rng.uniform(60, 95)))
    how = cv2.INTER_LANCZOS4 if rng.random() < 0.6 else int(rng.choice(_ENLARGE))
    large = cv2.resize(small, (width, height), interpolation=how)
    if rng.random() < 0.3:  # an upscaler, or a person, sharpens once more
        large = _sharpened(large, float(rng.uniform(0, 1)), float(rng.uniform(0.8, 2)))
    return large


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
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if factor > 1 else picture


def _noisy(picture: Picture, sigma: float, rng: np.random.Generator) -> Picture:
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    match int(rng.integers(6)):
        case 0:  # film, and high ISO after a camera's denoising: the colours are clean
            noise[:] = noise[:, :, :1]
        case 1:  # the blotches of colour that a phone's denoising leaves
            noise = 2 * cv2.GaussianBlur(noise, (0, 0), 1)
            noise -= noise.mean(2, keepdims=True)
        case 2 | 3:  # a sensor's, which demosaicing spreads over neighbours, more where there is more light
            noise = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.3, 0.9)))
            noise *= np.sqrt(0.5 + np.clip(picture, 0, 1)) / noise.std()
        case _:
            pass
    return picture + noise * np.float32(sigma)


def warped(picture: Picture, most: float, smoothness: float, rng: np.random.Generator) -> Picture:
    """Moved here and there by up to `most` pixels; places nearer than `smoothness` pixels move together."""
    shift = cv2.GaussianBlur(rng.standard_normal((*picture.shape[:2], 2), dtype=np.float32), (0, 0), smoothness)
    shift *= np.float32(most / np.abs(shift).max())
    rows, columns = np.indices(picture.shape[:2], np.float32)
    return cv2.remap(
        picture, columns + shift[..., 0], rows + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def _smeared_colour(picture: Picture, sigma: float) -> Picture:
    """Colours that run over edges, as the autoencoder of a latent diffusion model leaves them."""
    light = picture @ LUMINANCE
    colour = cv2.GaussianBlur(picture - light[:, :, None], (0, 0), sigma)
    return light[:, :, None] + colour


def _sharpened(picture: Picture, amount: float, sigma: float) -> Picture:
    """An unsharp mask, clipped as any program would: edges get halos."""
    return np.clip(picture + np.float32(amount) * (picture - cv2.GaussianBlur(picture, (0, 0), sigma)), 0, 1)


def jpeg(picture: Picture, quality: float) -> Picture:
    """A picture as it comes out of a JPEG file of that quality, 1..100."""
    return _through_file(picture, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, round(quality)])


def webp(picture: Picture, quality: float) -> Picture:
    """A picture as it comes out of a lossy WebP file of that quality, 1..100."""
    return _through_file(picture, ".webp", [cv2.IMWRITE_WEBP_QUALITY, round(quality)])


def _through_file(picture: Picture, kind: str, settings: list[int]) -> Picture:
    bgr = np.round(np.clip(picture[:, :, ::-1], 0, 1) * 255).astype(np.uint8)
    decoded = cv2.imdecode(cv2.imencode(kind, bgr, settings)[1], cv2.IMREAD_COLOR)
    assert decoded is not None  # coded a line ago
    return decoded[:, :, ::-1].astype(np.float32) / 255
