"""A real photograph, and what may have happened to it.

It is NASA's portrait of Eileen Collins (public domain), as scikit-image carries it.
"""

import json
import os
import sys
from enum import Enum
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) RGB"""

FACE = np.s_[85:165, 75:145]
"""Brows to mouth, rows and columns of `photograph`."""


# As YuNet finds them: left eye, right eye, nose, left and right corner of the mouth.
ASTRONAUT_LANDMARKS = np.array(
    [[200.12, 101.82], [247.13, 102.62], [220.37, 124.54], [198.61, 142.77], [239.67, 143.64]]
)
"""In `skimage.data.astronaut()`."""
LANDMARKS = ASTRONAUT_LANDMARKS - [115, 0]
"""In `photograph`."""


def tensor(*pictures: Pixels) -> torch.Tensor:
    """A batch as LoadImage gives it: (B, H, W, 3) in 0..1."""
    return torch.from_numpy(np.stack(pictures)).float() / 255


def read_rgb(path: Path) -> Pixels:
    """The pixels of a file that is there, in 8 bits."""
    pixels = cv2.imread(str(path))
    assert pixels is not None, path
    return np.ascontiguousarray(pixels[..., ::-1], np.uint8)


def mesh() -> list[list[float]]:
    """The 478 points that MediaPipe 0.10.14 finds on the face of `skimage.data.astronaut()`, in its pixels."""
    return json.loads((Path(__file__).parent / "landmarks" / "astronaut.json").read_text(encoding="utf-8"))


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
            small = _jpeg(scaled(picture, 1 / 2), 40)
            return np.asarray(cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
        case Damage.JPEG:
            return _jpeg(picture, 12)
        case Damage.NOISE:
            noise = np.random.default_rng(0).normal(0, 14, picture.shape)
            return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


def _jpeg(picture: Pixels, quality: int) -> Pixels:
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1], np.uint8)


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
        picture[:side, left : left + side] = cv2.resize(read_rgb(file), (side, side), interpolation=cv2.INTER_AREA)
        left += side
    return picture


def blurry_group(shared: Path) -> Pixels:
    """Four people, each smaller than the one left of it, the second out of focus."""
    picture = group(shared)
    picture[:220, 320:540] = cv2.GaussianBlur(picture[:220, 320:540], (0, 0), 6)
    return picture


def scaled(picture: Pixels, scale: float) -> Pixels:
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how), np.uint8)


def tilted(picture: Pixels, degrees: float) -> Pixels:
    """Turned anticlockwise around its middle; what comes into its corners continues its edge."""
    matrix = _rotation(picture, degrees)
    return np.asarray(cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8)


def tilted_points(points: npt.NDArray[np.floating], picture: Pixels, degrees: float) -> npt.NDArray[np.floating]:
    """Where places (N, 2) of a picture are once it is `tilted`."""
    matrix = _rotation(picture, degrees)
    return points @ matrix[:, :2].T + matrix[:, 2]


def _rotation(picture: Pixels, degrees: float) -> npt.NDArray[np.floating]:
    height, width = picture.shape[:2]
    return np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1), np.float64)


def far_away(scale: float, height: int = 200, width: int = 300) -> Pixels:
    """The whole photograph, `scale` as large, in a grey picture."""
    small = scaled(data.astronaut(), scale)
    picture = np.full((height, width, 3), 110, np.uint8)
    top, left = (height - len(small)) // 2, (width - len(small)) // 2
    picture[top : top + len(small), left : left + len(small)] = small
    return picture


def near_and_far() -> Pixels:
    """Two heads, one behind the other: the right one is smaller, and masks that are grown by 20 % overlap."""
    near = photograph()
    far = scaled(near[:, ::-1], 0.7)
    picture = np.full((220, 280, 3), 110, np.uint8)
    picture[-len(far) :, -far.shape[1] :] = far
    picture[:, :165] = near[:, :165]
    return picture


def with_hand(picture: Pixels) -> tuple[Pixels, tuple[slice, slice]]:
    """A green glove before the cheek of `photograph`, and its place."""
    place = np.s_[120:170, 120:150]
    covered = picture.copy()
    covered[place] = 30, 220, 40
    return covered, place


def portrait(shared: Path) -> Pixels:
    """The head of an official portrait (public domain): its face is larger than a crop of 256 pixels."""
    return np.ascontiguousarray(_official(shared, "us-senate/amy-klobuchar")[100:700, 212:812])


def turned_aside(shared: Path) -> Pixels:
    """An official portrait (public domain) that looks far to the side."""
    return scaled(_official(shared, "us-house/sean-casten"), 0.25)


def _official(shared: Path, name: str) -> Pixels:
    return read_rgb(shared / "faces" / f"{name}.jpg")


class Case(NamedTuple):
    """The photograph as somebody may have it, what it was before the damage, and where its eyes are."""

    picture: Pixels
    original: Pixels
    eyes: npt.NDArray[np.floating]


def cases() -> dict[str, Case]:
    """The photograph at several scales, tilts and damages."""
    eyes = np.array([[85.0, 102], [132, 103]])
    made: dict[str, Case] = {}
    for scale, degrees, damage in (
        (0.4, 12, Damage.JPEG),
        (0.7, -25, Damage.NOISE),
        (1, 30, None),
        (1.5, -12, Damage.SMALL),
        (2.5, 20, Damage.NOISE),
    ):
        original = tilted(scaled(photograph(), scale), degrees)
        picture = tilted(scaled(damaged(damage), scale), degrees) if damage else original
        there = tilted_points((eyes + 0.5) * scale - 0.5, picture, degrees)
        name = f"{scale:g} times as large, tilted by {degrees}°, {damage.value if damage else 'undamaged'}"
        made[name] = Case(picture, original, there)
    return made


def shared_faces() -> Path:
    """The public-domain portraits that lie beside the repository (`$SHARED`); says so where they are absent."""
    faces = Path(os.environ.get("SHARED") or Path(__file__).resolve().parents[3] / "shared") / "faces"
    if not faces.is_dir():
        sys.exit(f"error: this needs the portraits, and there is no folder {faces}: name its parent in SHARED")
    return faces
