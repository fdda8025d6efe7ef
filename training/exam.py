"""The damage that published figures are measured with: fixed recipes that training never uses.

They go other ways than `degrade.py` (other filters, other noise, another JPEG), so that what is learnt is not one
program's fingerprint.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from scipy import ndimage

from .degrade import FACE_SHARE, LUMINANCE, Picture

Damage = Callable[[Picture, np.random.Generator], Picture]
"""(S, S, 3) in 0..1 and a generator → the damaged picture."""


def photo(
    blur: float, shrink: float, noise: float, quality: int, grey: bool, picture: Picture, rng: np.random.Generator
) -> Picture:
    """A poor photograph.

    Args:
        blur: Gaussian σ in pixels of the crop.
        shrink: how many times smaller it was when it was taken and compressed.
        noise: σ of 255, of a sensor: more in the light than in the dark, and neighbours alike.
        quality: of JPEG, 1..100.
        grey: without colour.
        picture: (S, S, 3) in 0..1.
        rng: of the noise.
    """
    if grey:
        picture = np.repeat((picture @ LUMINANCE)[:, :, None], 3, axis=2)
    side = len(picture)
    small = _resized(ndimage.gaussian_filter(picture, (blur, blur, 0)), round(side / shrink), Image.Resampling.BOX)
    grain = ndimage.gaussian_filter(rng.standard_normal(small.shape), (0.5, 0.5, 0))
    grain *= noise / 255 / grain.std() * np.sqrt(0.5 + small)
    if grey:
        grain = grain[:, :, :1]
    coded = io.BytesIO()
    _image(small + grain).save(coded, "JPEG", quality=quality)
    return _resized(_pixels(Image.open(coded).convert("RGB")), side, Image.Resampling.BICUBIC)


def painted(face: int, picture: Picture, rng: np.random.Generator) -> Picture:
    """A face that Stable Diffusion painted `face` pixels high, enlarged: features out of place by up to a pixel and a
    half, details merged, colours smeared over edges, and halos."""
    side = len(picture)
    small = _resized(picture, round(face / FACE_SHARE), Image.Resampling.BOX)
    shift = ndimage.zoom(rng.uniform(-1.5, 1.5, (2, 9, 9)), (1, len(small) / 9, len(small) / 9), order=3)
    places = np.indices(small.shape[:2]) + np.asarray(shift)
    small = np.stack(
        [ndimage.map_coordinates(small[:, :, c], places, order=1, mode="nearest") for c in range(3)], axis=2
    )
    small = ndimage.median_filter(small, (3, 3, 1))
    light = (small @ LUMINANCE)[:, :, None]
    window: Any = (3, 3, 1)  # the declared type knows one size for all axes only
    small = light + ndimage.uniform_filter(small - light, window)
    image = _image(small).filter(ImageFilter.UnsharpMask(radius=1, percent=100, threshold=0))
    return _resized(_pixels(image), side, Image.Resampling.LANCZOS)


def clean(picture: Picture, rng: np.random.Generator) -> Picture:
    """As it is: what a good face loses."""
    return picture


DAMAGES: dict[str, Damage] = {
    "mild": partial(photo, 0.8, 1.5, 4.0, 70, False),
    "medium": partial(photo, 1.2, 2.5, 8.0, 50, False),
    "strong": partial(photo, 2.0, 4.0, 12.0, 35, False),
    "grey": partial(photo, 1.2, 2.5, 8.0, 50, True),
    "SD-96": partial(painted, 96),
    "SD-64": partial(painted, 64),
    "SD-48": partial(painted, 48),
    "clean": clean,
}


def damaged(picture: Picture, person: int, damage: str) -> Picture:
    """The one damaged picture of a person, rounded to 8 bits."""
    rng = np.random.default_rng([2026, person, list(DAMAGES).index(damage)])
    return np.round(np.clip(DAMAGES[damage](picture, rng), 0, 1) * 255).astype(np.float32) / 255


def _image(picture: npt.NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))


def _pixels(image: Image.Image) -> Picture:
    return np.asarray(image, np.float32) / 255


def _resized(picture: Picture, side: int, how: Image.Resampling) -> Picture:
    channels = [Image.fromarray(picture[:, :, c].astype(np.float32)).resize((side, side), how) for c in range(3)]
    return np.stack([np.asarray(channel) for channel in channels], axis=2)
