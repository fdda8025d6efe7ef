"""A real photograph, and what may have happened to it.

It is NASA's portrait of Eileen Collins (public domain), as scikit-image carries it.
"""

from enum import Enum
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) RGB"""

FACE = np.s_[85:165, 75:145]
"""Brows to mouth, rows and columns of `photograph`."""


class Damage(Enum):
    SMALL = "a small JPEG scaled up"
    JPEG = "compressed"
    NOISE = "taken in the dark"


@cache
def photograph() -> Pixels:
    """The head, 220 pixels high and wide: the face in it is some 90 pixels wide."""
    return np.ascontiguousarray(data.astronaut()[0:220, 115:335])


@cache
def damaged(damage: Damage) -> Pixels:
    picture = photograph()
    match damage:
        case Damage.SMALL:
            small = cv2.resize(picture, None, fx=1 / 2, fy=1 / 2, interpolation=cv2.INTER_AREA)
            return cv2.resize(_jpeg(small, 40), picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        case Damage.JPEG:
            return _jpeg(picture, 12)
        case Damage.NOISE:
            noise = np.random.default_rng(0).normal(0, 14, picture.shape)
            return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


def _jpeg(picture: Pixels, quality: int) -> Pixels:
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])


def face_psnr(picture: Pixels, original: Pixels) -> float:
    """PSNR of the face in dB."""
    return float(peak_signal_noise_ratio(original[FACE], picture[FACE]))


def group(shared: Path, sides: tuple[int, ...] = (320, 220, 140, 90)) -> Pixels:
    """Official portraits (public domain) side by side, the first `sides[0]` pixels high and wide, and so on.

    A face takes some 0.4 of its portrait.
    """
    files = sorted((shared / "faces" / "us-house").glob("*.jpg"))
    picture = np.full((max(sides), sum(sides), 3), 120, np.uint8)
    left = 0
    for file, side in zip(files, sides, strict=False):
        portrait = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        picture[:side, left : left + side] = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        left += side
    return picture
