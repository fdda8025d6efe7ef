"""Reading and writing picture files."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import PictureError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
JPEG_QUALITY = 95


@dataclass(frozen=True, eq=False)
class PictureFile:
    """A picture as it lay in a file, with what writing it back needs."""

    rgb: Tensor
    """(1, H, W, 3) float32 in 0..1"""
    alpha: Tensor | None
    """(H, W) in 0..1, where the file had transparency"""
    bits: int
    """8 or 16 per channel"""


def read_picture(path: Path) -> PictureFile:
    """Read a picture of any size: grey, RGB or with alpha, of 8 or 16 bits; turned upright as its EXIF data says.

    Raises `PictureError` where it cannot be read as a picture.
    """
    try:
        # Read by us: OpenCV on Windows cannot open a path with letters outside its code page.
        data = np.frombuffer(path.read_bytes(), np.uint8)
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        if pixels is not None and pixels.shape[2:] != (4,):
            # Unchanged means not turned upright, too; only alpha needs it.
            pixels = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except OSError as error:
        raise PictureError(f"{path} cannot be opened: {error.strerror}") from error
    except cv2.error as error:
        raise PictureError(f"{path} cannot be read as a picture: {error.err or error}") from error
    if pixels is None:
        raise PictureError(f"{path} cannot be read as a picture; expected one of: {', '.join(SUFFIXES)}")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"{path} has {pixels.dtype} values; expected 8 or 16 bits per channel")
    values = torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max)
    alpha = values[..., 3] if values.shape[2] == 4 else None
    return PictureFile(values[..., [2, 1, 0]][None], alpha, pixels.dtype.itemsize * 8)


def write_picture(path: Path, rgb: Tensor, alpha: Tensor | None = None, bits: int = 8) -> None:
    """Write a picture (1, H, W, 3) in 0..1; its suffix says how. Alpha and 16 bits are kept where the format has them.

    Raises `PictureError` where the format or the folder does not allow it.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise PictureError(f"{path} cannot be written: expected one of: {', '.join(SUFFIXES)}")
    channels = [rgb[0].flip(-1)]
    if alpha is not None and suffix in (".png", ".webp", ".tif", ".tiff"):
        channels.append(alpha[..., None])
    kind = np.uint16 if bits == 16 and suffix in (".png", ".tif", ".tiff") else np.uint8
    values = torch.cat(channels, dim=-1).clamp(0, 1).numpy() * np.iinfo(kind).max
    done, data = cv2.imencode(suffix, values.round().astype(kind), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise PictureError(f"{path} cannot be written as {suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror}") from error
