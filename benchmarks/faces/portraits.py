"""The people that rows are measured on, and what may happen to their portraits.

They are senators; everything was tuned on members of the House.
"""

import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gpen.weights.locate import Folders
from tests.support.photograph import read_rgb

SHARED = Path(os.environ.get("SHARED", "../shared"))
"""Where portraits and weights lie."""
FOLDERS: Folders = {"detector": [SHARED / "weights"]}
SIDE = 1024
"""Of a portrait as it is."""

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) RGB"""


@cache
def people(count: int) -> tuple[Path, ...]:
    """So many portraits, evenly from the whole alphabet."""
    files = sorted((SHARED / "faces" / "us-senate").glob("*.jpg"))
    if len(files) < count:
        raise SystemExit(f"needs {count} portraits in {SHARED / 'faces' / 'us-senate'}, and there are {len(files)}")
    return tuple(files[index * len(files) // count] for index in range(count))


def portrait(file: Path, side: int = SIDE) -> Pixels:
    """A portrait of `side`×`side` pixels."""
    return resized(read_rgb(file), side)


def resized(pixels: Pixels, side: int) -> Pixels:
    """The same picture with its longer side of so many pixels."""
    scale = side / max(pixels.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return np.ascontiguousarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def noisy(pixels: Pixels, deviation: float, seed: int = 0) -> Pixels:
    """With white noise of so much, as part of full white."""
    noise = np.random.default_rng(seed).normal(0, deviation * 255, pixels.shape)
    return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


def coded(pixels: Pixels, quality: int) -> Pixels:
    """As a JPEG of that quality."""
    jpeg = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))[..., ::-1], np.uint8)


def blurred(pixels: Pixels, deviation: float) -> Pixels:
    """By a Gaussian of so many pixels."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), deviation), np.uint8)


def batch(*pictures: Pixels) -> Tensor:
    """(B, H, W, 3) in 0..1."""
    return torch.from_numpy(np.stack(pictures)).float() / 255
