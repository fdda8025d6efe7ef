"""From the bytes of a picture file to its pixels, turned upright, and what it carries.

Pillow reads 8 bits a channel; OpenCV, which is there anyway, reads 16, which Pillow has for grey alone. OpenCV takes
files that are cut short in some versions, so that the file's own lengths and sums are checked first.
"""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageFile, JpegImagePlugin, UnidentifiedImageError

from . import tiff
from .metadata import Carried, carried_by, carried_by_page, color_space, turned_upright
from .tags import ORIENTATION, Tags
from .tiff import FilePixels

LARGEST = 2**30
"""Pixels of a picture: as many as OpenCV reads."""

# EXIF orientation → quarter turns to the left, and whether the rows are mirrored after them.
TURNS = {
    1: (0, False),
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}

_settings = threading.Lock()


@dataclass(frozen=True, eq=False)
class Decoded:
    """The content of a picture file."""

    format: str
    """Pillow's name of it"""
    frames: tuple[FilePixels, ...]
    """(H, W, C) each, upright, C being 1 (grey), 2 (grey and alpha), 3 (RGB) or 4"""
    carried: tuple[Carried, ...]
    """one for the file; of a TIFF, one a page"""
    how: dict[str, Any]
    """what Pillow's writer is told so that the file is made as it was"""
    lost: tuple[str, ...] = ()
    """what of the file is not kept, in words"""


def decoded(data: bytes) -> Decoded:
    """Read a whole picture file.

    Raises `ValueError` or `OSError` for a damaged file, one of another kind, or numbers that are not of 8 or 16 bits.
    """
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff(data)
    with _as_needed(), Image.open(io.BytesIO(data)) as image:
        deep = image.format == "PNG" and data[24] == 16
        carried, turn = turned_upright(carried_by(image, data))
        if image.format == "JXL":
            turn = 1  # its own header says it, and its reader has turned the picture
        frames = [_deep(data)] if deep else [_pixels(frame) for frame in _frames(image)]
        carried, lost = _in_rgb(image, carried)
        how = _how(image, data)
        lost += _of_several(image) + _reduced(data, image.format or "")
    return Decoded(
        "JPEG" if image.format == "MPO" else image.format or "",
        tuple(turned(frame, turn) for frame in _alike(frames)),
        (carried,),
        how,
        lost,
    )


def turned(pixels: FilePixels, orientation: int) -> FilePixels:
    """Pixels (H, W, C) turned as EXIF's orientation says."""
    turns, mirrored = TURNS[orientation]
    pixels = np.rot90(pixels, turns)
    return np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels)


@contextmanager
def _as_needed() -> Iterator[None]:
    """Pillow refusing what is cut short, whatever another part of the program has set, and taking large scans."""
    with _settings, warnings.catch_warnings():
        before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, LARGEST
        warnings.simplefilter("ignore")  # on metadata that are not as they should be: they are kept as they are
        try:
            yield
        except (SyntaxError, EOFError, IndexError, KeyError, TypeError) as error:
            # What Pillow's readers raise on bytes that make no sense.
            raise ValueError(str(error) or type(error).__name__) from error
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = before


def _frames(image: Image.Image) -> Iterator[Image.Image]:
    if image.format in ("MPO", "HEIF"):
        image.load()  # the first is the picture; others are views, depths, previews
        yield image
        return
    for index in range(getattr(image, "n_frames", 1)):
        image.seek(index)
        image.load()
        yield image


def _pixels(image: Image.Image) -> FilePixels:
    """An opened picture of 8 bits → (H, W, C): grey, grey and alpha, RGB, or RGBA."""
    mode = _mode(image)
    if image.mode == "CMYK":
        image = _from_cmyk(image)
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    if image.mode == "P" and image.format != "GIF" and mode == "RGB" and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _mode(image: Image.Image) -> str:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise ValueError(f"its values are {image.mode} as Pillow calls them; expected 8 or 16 bits per channel")
    clear = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    grey = image.mode in ("1", "L", "LA", "La")
    return ("LA" if clear else "L") if grey else ("RGBA" if clear else "RGB")


def _from_cmyk(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    try:
        if profile and color_space(profile) == "CMYK":
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            done = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return done or image.convert("RGB")
    except ImageCms.PyCMSError:
        pass  # a profile that cannot be used
    return image.convert("RGB")


def _in_rgb(image: Image.Image, carried: Carried) -> tuple[Carried, tuple[str, ...]]:
    """What a file carries whose colours become RGB; and what is lost by it."""
    if image.mode not in ("CMYK", "LAB", "YCbCr", "HSV") or (image.format in ("JPEG", "MPO") and image.mode != "CMYK"):
        return carried, ()
    return Carried(**{**vars(carried), "icc": b""}), (f"{image.mode} (it becomes sRGB)",)


def _of_several(image: Image.Image) -> tuple[str, ...]:
    many = getattr(image, "n_frames", 1)
    return (f"{many - 1} more pictures in the file",) if image.format in ("MPO", "HEIF") and many > 1 else ()


def _reduced(data: bytes, format: str) -> tuple[str, ...]:
    """AVIF and HEIF have 10 and 12 bits a channel as well; their readers make 8 of them."""
    at = data.find(b"pixi", 0, 2**14) if format in ("AVIF", "HEIF") else -1
    return (f"{data[at + 9]} bits a channel (read as 8)",) if 0 <= at < len(data) - 9 and data[at + 9] > 8 else ()


def _alike(frames: list[FilePixels]) -> list[FilePixels]:
    """Frames with as many channels as the one that has most; some formats say of each anew what it needs."""
    most = max((frame.shape[2] for frame in frames), key=lambda channels: (channels >= 3, channels))
    if any(frame.shape[2] in (2, 4) for frame in frames):
        most = max(most, 4 if most >= 3 else 2)
    return [_with_channels(frame, most) for frame in frames]


def _with_channels(pixels: FilePixels, channels: int) -> FilePixels:
    if pixels.shape[2] == channels:
        return pixels
    color = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
    alpha = pixels[..., -1:] if pixels.shape[2] in (2, 4) else np.full_like(pixels[..., :1], np.iinfo(pixels.dtype).max)
    if channels >= 3 and color.shape[2] == 1:
        color = np.repeat(color, 3, axis=2)
    return np.concatenate([color, alpha], axis=2) if channels in (2, 4) else color


def _deep(data: bytes) -> FilePixels:
    """A PNG of 16 bits. Its chunks have been checked before: `carried_by` reads all of them."""
    pixels = _opencv(data)
    if data[25] == 4:  # grey and alpha, which OpenCV makes four channels of
        pixels = pixels[..., [0, -1]]
    return pixels


def _opencv(data: bytes) -> FilePixels:
    return _rgb(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))


def _rgb(pixels: Any) -> FilePixels:
    """What OpenCV has read → (H, W, C), RGB."""
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError("its pixels cannot be read; expected 8 or 16 bits per channel")
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    if pixels.shape[2] >= 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    return np.ascontiguousarray(pixels)


def _tiff(data: bytes) -> Decoded:
    tags = Tags(data)
    if not tiff.whole(tags):
        raise ValueError("the file ends early")
    places = list(tags.directories())
    pages = [tags.directory(at) for at in places]
    turns = [tags.short(at, ORIENTATION) or 1 for at in places]
    carried = [turned_upright(carried_by_page(tags, at))[0] for at in places]
    for at in places:
        tags.put(at, ORIENTATION, 1)  # some versions of the readers turn pictures, others do not
    upright, lost = bytes(tags.data), ()
    bits = [
        tags.short(at, tiff.BITS) or max(tags.numbers(page[tiff.BITS])) if tiff.BITS in page else 1
        for at, page in zip(places, pages, strict=True)
    ]
    deep = cv2.imdecodemulti(np.frombuffer(upright, np.uint8), cv2.IMREAD_UNCHANGED)[1] if max(bits) > 8 else ()
    frames: list[FilePixels] = []
    with _as_needed(), Image.open(io.BytesIO(upright)) as image:
        for index in range(len(places)):
            if bits[index] > 8:
                frames.append(_associated(_rgb(deep[index]), tags, pages[index]))
                continue
            image.seek(index)
            image.load()
            frames.append(_pixels(image))
            carried[index], more = _in_rgb(image, carried[index])
            lost += more
    compression = tags.short(places[0], tiff.COMPRESSION) if places else 1
    frames = [turned(frame, turn if turn in TURNS else 1) for frame, turn in zip(frames, turns, strict=True)]
    how = {"compression": tiff.UNCOMPRESSED if compression == 1 else tiff.DEFLATE}
    return Decoded("TIFF", tuple(frames), tuple(carried), how, lost)


def _associated(pixels: FilePixels, tags: Tags, page: dict) -> FilePixels:
    """Pixels whose colours were multiplied with their alpha, as some TIFF say, before that was done."""
    extra = page.get(tiff.EXTRA_SAMPLES)
    if pixels.shape[2] not in (2, 4) or extra is None or tags.numbers(extra)[0] != 1:
        return pixels
    most = np.iinfo(pixels.dtype).max
    alpha = np.maximum(pixels[..., -1:], 1).astype(np.float64)
    color = np.minimum(np.rint(pixels[..., :-1] * (most / alpha)), most).astype(pixels.dtype)
    return np.concatenate([color, pixels[..., -1:]], axis=2)


def _how(image: Image.Image, data: bytes) -> dict[str, Any]:
    """How a file was made, as Pillow's writer wants to be told."""
    info = image.info
    if image.format in ("JPEG", "MPO"):
        tables = {number: list(table) for number, table in getattr(image, "quantization", {}).items()}
        how = {"qtables": [tables[number] for number in sorted(tables)], "progressive": bool(info.get("progressive"))}
        return how | {"subsampling": JpegImagePlugin.get_sampling(image)} if image.mode != "L" else how
    if image.format == "WEBP":
        how: dict[str, Any] = {"lossless": b"VP8L" in data[:64] or b"VP8 " not in data}
    else:
        how = {}
    if getattr(image, "n_frames", 1) > 1:
        how["duration"] = _durations(image)
        how["loop"] = info.get("loop")
        how["default_image"] = bool(info.get("default_image"))
    return how


def _durations(image: Image.Image) -> list[float]:
    """Milliseconds of each frame; a picture before an animation, for readers that know none, has no time."""
    found = []
    for index in range(getattr(image, "n_frames", 1)):
        image.seek(index)
        image.load()
        found.append(float(image.info.get("duration", 0)))
    return found[1:] if image.info.get("default_image") else found


__all__ = ["Decoded", "UnidentifiedImageError", "decoded", "turned"]
