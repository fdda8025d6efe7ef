"""Reading and writing picture files with all that they carry."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..atomic_file import replacing
from ..errors import PictureError
from .formats import SUFFIXES, Format, format_of, register_all
from .formats.decode import decoded
from .formats.encode import encoded
from .formats.metadata import Carried
from .formats.tiff import FilePixels
from .given import GivenPicture, as_tensor
from .luminance import WEIGHTS

__all__ = ["SUFFIXES", "PictureFile", "Written", "file_of", "picture_in", "read_picture", "write_file", "write_picture"]


@dataclass(frozen=True, eq=False)
class PictureFile:
    """A picture as it lay in a file, with what writing it back needs."""

    path: Path
    frames: tuple[FilePixels, ...] = field(repr=False)
    """(H, W, C) each, upright, in the file's own 8 or 16 bits; C is 1 (grey), 2 (grey and alpha), 3 (RGB) or 4. A
    still picture has one; an animation its frames, all of one size; a TIFF its pages, which may differ in size."""
    data: bytes = field(repr=False)
    """the file"""
    format: str
    """what Pillow calls its format"""
    carried: tuple[Carried, ...] = field(repr=False)
    """colour profile, EXIF and the like: one for the file; of a TIFF, one a page"""
    how: dict[str, Any] = field(repr=False)
    """quality, timing and the like, as Pillow's writer wants to be told"""
    lost: tuple[str, ...] = ()
    """what of the file cannot be kept, in words"""

    @property
    def rgb(self) -> Tensor:
        """(B, H, W, 3) float32 in 0..1, all frames. Raises `PictureError` for pages of different sizes."""
        if len({frame.shape[:2] for frame in self.frames}) > 1:
            raise PictureError(f"{self.path} has pages of different sizes; take one at a time: picture.frame(0)")
        return torch.cat([self.frame(index) for index in range(len(self.frames))])

    def frame(self, index: int) -> Tensor:
        """(1, H, W, 3) float32 in 0..1: one frame or page."""
        pixels = self.frames[index]
        values = _floats(pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1])
        return values.expand(-1, -1, 3)[None]

    @property
    def alpha(self) -> Tensor | None:
        """(B, H, W) in 0..1, where the file had transparency."""
        if self.frames[0].shape[2] not in (2, 4):
            return None
        return torch.stack([_floats(frame[..., -1]) for frame in self.frames])

    @property
    def bits(self) -> int:
        """8 or 16 per channel"""
        return self.frames[0].itemsize * 8

    @property
    def grey(self) -> bool:
        return self.frames[0].shape[2] < 3


@dataclass(frozen=True)
class Written:
    """What became of a picture that was written."""

    path: Path
    copied: bool
    """whether the source was copied byte for byte, as no pixel differs"""
    lost: tuple[str, ...]
    """what the source carried and the file does not, in words"""


def read_picture(path: str | os.PathLike[str]) -> PictureFile:
    """Read a picture with all that its file carries, turned upright as its EXIF data says.

    `picture.rgb` are its pixels; `write_picture(…, like=picture)` writes others in their place.

    Raises `PictureError` where it cannot be read as a picture, or is damaged.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path} cannot be opened: {error.strerror}") from error
    return picture_in(data, path)


def picture_in(data: bytes, path: Path) -> PictureFile:
    """The picture in the bytes of a file, wherever they come from; see `read_picture`."""
    if path.suffix.lower() in SUFFIXES:
        format_of(path)  # says what is not installed
    register_all()
    try:
        found = decoded(data)
    except (OSError, ValueError, cv2.error) as error:
        known = "" if path.suffix.lower() in SUFFIXES else f" Expected one of: {', '.join(SUFFIXES)}."
        raise PictureError(
            f"{path} cannot be read as a picture, as it is damaged, cut short or of another kind ({_reason(error)})."
            f"{known} Get it anew from where it came from."
        ) from error
    return PictureFile(path, found.frames, data, found.format, found.carried, found.how, found.lost)


def write_picture(
    path: str | os.PathLike[str],
    picture: "GivenPicture | Sequence[GivenPicture]",
    *,
    like: PictureFile | None = None,
    quality: int | None = None,
    bits: int | None = None,
    grey: bool | None = None,
) -> Written:
    """Write a picture; the suffix says how. It appears complete or not at all.

    With `like`, the file keeps what that one carried (colour profile, EXIF, XMP, IPTC, resolution, text, alpha, bits,
    grey, quality, timing of its frames), and is its very copy where no pixel differs.

    Args:
        picture: (B, H, W, C) in 0..1, one frame each; or pages of different sizes, one after the other. Its alpha goes
            before that of `like`.
        quality: 1..100, for formats that lose something; by default that of `like`, or a high one.
        bits: 8 or 16 per channel, where the format has them; by default those of `like`, or 8.
        grey: whether a grey file is written; by default where `like` is one. Say False for one that was colourised.

    Raises `PictureError` where the format, the folder or the disk does not allow it.
    """
    path = Path(path)
    data, written = file_of(path, picture, like=like, quality=quality, bits=bits, grey=grey)
    write_file(path, data)
    return written


def file_of(
    path: Path,
    picture: "GivenPicture | Sequence[GivenPicture]",
    *,
    like: PictureFile | None = None,
    quality: int | None = None,
    bits: int | None = None,
    grey: bool | None = None,
) -> tuple[bytes, Written]:
    """The bytes that `write_picture` writes, for places that are no folder of this machine."""
    format = format_of(path)
    if quality is not None and not 1 <= quality <= 100:
        raise PictureError(f"quality is {quality}; expected 1..100")
    frames = _frames(picture, like, bits, grey)
    if like and quality is None and _is_copy(path, format, frames, like):
        return like.data, Written(path, True, ())
    how = like.how if like and like.format == format.name else _of_any_format(like)
    carried = like.carried if like else (Carried(),)
    try:
        data, lost = encoded(frames, carried, format, how, quality)
    except (OSError, ValueError, cv2.error) as error:
        raise PictureError(f"{path} cannot be written: {_reason(error)}") from error
    return data, Written(path, False, (*(like.lost if like else ()), *lost))


def _is_copy(path: Path, format: Format, frames: list[FilePixels], like: PictureFile) -> bool:
    same_kind = format.name == like.format or path.suffix.lower() == like.path.suffix.lower()
    return (
        same_kind
        and len(frames) == len(like.frames)
        and all(
            new.dtype == old.dtype and np.array_equal(new, old) for new, old in zip(frames, like.frames, strict=True)
        )
    )


def _of_any_format(like: PictureFile | None) -> dict[str, Any]:
    """Of how a file was made, what a file of another format can be told."""
    names = ("duration", "loop")
    return {name: like.how[name] for name in names if name in like.how} if like else {}


def _frames(
    picture: "GivenPicture | Sequence[GivenPicture]", like: PictureFile | None, bits: int | None, grey: bool | None
) -> list[FilePixels]:
    """Pictures as a file holds them: (H, W, C) of 8 or 16 bits each."""
    pages: Sequence[Any] = picture if isinstance(picture, (list, tuple)) else [picture]
    values = [frame for page in pages for frame in as_tensor(page).detach().to("cpu", torch.float32)]
    done = []
    for index, frame in enumerate(values):
        source = like.frames[index if len(like.frames) == len(values) else 0] if like else None
        deep = bits == 16 if bits or source is None else source.dtype == np.uint16
        pixels = _numbers(frame, np.uint16 if deep else np.uint8)
        color, alpha = pixels[..., :3], pixels[..., 3:]
        if source is not None and source.shape[2] in (2, 4) and not alpha.size:
            alpha = _alpha_of(source, pixels)
        if grey if grey is not None or source is None else source.shape[2] < 3:
            color = _luminance(color)
        done.append(np.concatenate([color, alpha], axis=2))
    return done


def _numbers(frame: Tensor, kind: type[np.uint8] | type[np.uint16]) -> FilePixels:
    """(H, W, C) in 0..1 → the same in whole numbers; one channel becomes three."""
    frame = frame.expand(-1, -1, 3) if frame.shape[2] == 1 else frame
    return (frame.clamp(0, 1) * np.iinfo(kind).max).round().numpy().astype(kind)


def _alpha_of(source: FilePixels, pixels: FilePixels) -> FilePixels:
    """The source's alpha (H, W, 1), of the size and in the numbers of other pixels."""
    alpha = source[..., -1:]
    if alpha.shape[:2] == pixels.shape[:2] and alpha.dtype == pixels.dtype:
        return alpha
    values = _floats(alpha).movedim(2, 0)[None]
    resized = F.interpolate(values, pixels.shape[:2], mode="bilinear", antialias=True)
    return (resized[0, 0, ..., None] * np.iinfo(pixels.dtype).max).round().numpy().astype(pixels.dtype)


def _luminance(color: FilePixels) -> FilePixels:
    """(H, W, 3) → (H, W, 1); what is grey already stays to the last digit."""
    return np.rint(color.astype(np.float32) @ np.array(WEIGHTS, np.float32)).astype(color.dtype)[..., None]


def _floats(pixels: FilePixels) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max)


def write_file(path: Path, data: bytes) -> None:
    """Write a file that appears complete or not at all, and the folders above it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror or error}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "err", "") or error).split())
