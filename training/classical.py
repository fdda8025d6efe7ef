"""OpenCV's classical filters, as something to be better than."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import cv2
import numpy as np

from .degrade import Picture

Restorer = Callable[[Picture], Picture]


def filters() -> Iterator[tuple[str, Restorer]]:
    """Every filter that is tried, with what it is called in the table."""
    for strength, colour in ((1, 3), (2, 10), (4, 10), (7, 10), (12, 10)):
        yield f"non-local means h={strength} hColor={colour}", partial(_non_local_means, strength, colour)
    for sigma_colour, sigma_space in itertools.product((0.04, 0.08, 0.12, 0.2), (1.5, 3, 5)):
        yield (
            f"bilateral sigmaColor={sigma_colour} sigmaSpace={sigma_space}",
            partial(_bilateral, sigma_colour, sigma_space),
        )
    for sigma in (0.5, 1.0, 1.5):
        yield f"Gaussian σ={sigma}", partial(_gaussian, sigma)
    for amount in (0.3, 0.6):
        yield f"unsharp mask amount={amount} σ=1.5", partial(_unsharp, amount)


def best_filter(pictures: list[Picture], originals: list[Picture]) -> tuple[str, Restorer]:
    """The filter of the highest mean PSNR on these pictures, with its name."""

    def loss(restore: Restorer) -> float:
        pairs = zip(pictures, originals, strict=True)
        return float(
            np.mean([np.log(np.square(restore(picture) - original).mean() + 1e-10) for picture, original in pairs])
        )

    return min(filters(), key=lambda named: loss(named[1]))


def _non_local_means(strength: float, colour: float, picture: Picture) -> Picture:
    pixels = np.ascontiguousarray((picture[:, :, ::-1] * 255).round().astype(np.uint8))
    return cv2.fastNlMeansDenoisingColored(pixels, None, strength, colour)[:, :, ::-1].astype(np.float32) / 255


def _bilateral(sigma_colour: float, sigma_space: float, picture: Picture) -> Picture:
    return cv2.bilateralFilter(picture, -1, sigma_colour, sigma_space)


def _gaussian(sigma: float, picture: Picture) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def _unsharp(amount: float, picture: Picture) -> Picture:
    return np.clip(picture + np.float32(amount) * (picture - cv2.GaussianBlur(picture, (0, 0), 1.5)), 0, 1)
