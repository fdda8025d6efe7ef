"""A face much larger than the network's crop: portraits scaled and damaged so, and the ways to restore it."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

import gpen
from gpen.faces.alignment import align
from gpen.faces.detectors import Detector
from gpen.faces.face import Faces
from gpen.image.files import read_picture
from gpen.image.warp import scale_of
from gpen.restorers.protocol import Restorer

Pixels = np.ndarray
"""(H, W, 3) float32 in 0..1"""


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """A picture as it comes out of a JPEG file of that quality, 1..100."""
    bgr = np.round(np.clip(pixels[:, :, ::-1], 0, 1) * 255).astype(np.uint8)
    decoded = cv2.imdecode(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    return np.asarray(decoded)[:, :, ::-1].astype(np.float32) / 255


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    noise = np.random.default_rng(0).standard_normal(pixels.shape, np.float32)
    return (pixels + noise * np.float32(sigma)).clip(0, 1)


def enlarged(pixels: Pixels, times: int) -> Pixels:
    """As an upscaler is given it: small, compressed, and made large again."""
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (width // times, height // times), interpolation=cv2.INTER_AREA)
    return cv2.resize(jpeg(small, 80), (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


DAMAGES: dict[str, Callable[[Pixels], Pixels]] = {
    "none": lambda pixels: pixels,
    "noise, σ = 0.05": lambda pixels: noisy(pixels, 0.05),
    "noise and JPEG": lambda pixels: jpeg(noisy(pixels, 0.1), 40),
    "blur, σ = 6": lambda pixels: noisy(cv2.GaussianBlur(pixels, (0, 0), 6), 0.01),
    "enlarged 8×": lambda pixels: enlarged(pixels, 8),
    "enlarged 16×": lambda pixels: enlarged(pixels, 16),
}


def ways(model: Restorer, picture: Tensor, faces: Faces) -> dict[str, Tensor]:
    """The picture with its face restored in each way."""
    whole, tiled = (gpen.restore_faces(model, picture, faces, tiles=tiles) for tiles in (False, True))
    return {
        "as it came": picture,
        "the network's pixels": gpen.paste_faces(picture, whole, large_faces="off").image,
        "detail kept": gpen.paste_faces(picture, whole).image,
        "in tiles": gpen.paste_faces(picture, tiled).image,
    }


def scaled_portrait(file: Path, detector: Detector, side: int) -> tuple[Tensor, Faces]:
    """A portrait (1, H, W, 3) whose face's crop is `side` pixels wide, and its face."""
    picture = read_picture(file).rgb
    faces = gpen.detect_faces(picture, detector)
    scale = side / scale_of(align(faces[0].landmarks, 1)[1])
    height, width = (round(length * scale) for length in picture.shape[1:3])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LANCZOS4
    pixels = np.asarray(cv2.resize(picture[0].numpy(), (width, height), interpolation=how), np.float32)
    return torch.from_numpy(pixels.clip(0, 1))[None], faces.scaled_to(width, height)
