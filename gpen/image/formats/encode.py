"""From pixels and what a file carried to the bytes of a picture file."""

import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from . import ALPHA, DEEP, FRAMES, Format, png, tiff
from .metadata import (
    WORDS,
    Carried,
    color_space,
    exif_with_resolution,
    jpeg_segments,
    of_size,
    png_chunks,
)
from .tiff import FilePixels

QUALITY = {"JPEG": 95, "WEBP": 90, "AVIF": 90, "HEIF": 90, "JXL": 95}
"""Of a file whose source does not tell, 0..100."""
CLEAR = 2**32 - 1
JPEG_SEGMENT = 65533
"""Bytes that fit into one segment of a JPEG."""


def fitted(
    frames: Sequence[FilePixels], carried: Carried, format: Format
) -> tuple[list[FilePixels], Carried, tuple[str, ...]]:
    """What of frames and of what a file carried has a place in a format; and what has none, in words.

    Raises `ValueError` for several frames where one has a place.
    """
    if len(frames) > 1 and FRAMES not in format.keeps:
        raise ValueError(f"it has {len(frames)} frames, and such a file holds one; choose .png, .webp, .gif or .tiff")
    lost = [WORDS[name] for name, value in vars(carried).items() if value and name not in format.keeps]
    if carried.iptc and carried.photoshop and "iptc" not in format.keeps:
        lost.remove(WORDS["photoshop"])  # the record is one of them
    kept = Carried(**{name: value for name, value in vars(carried).items() if name in format.keeps})
    if all(kind == b"sRGB" for kind, _ in carried.color) and WORDS["color"] in lost:
        lost.remove(WORDS["color"])  # it is what every reader takes for granted
    if ALPHA not in format.keeps and any(frame.shape[2] in (2, 4) for frame in frames):
        frames = [frame[..., :-1] if frame.shape[2] in (2, 4) else frame for frame in frames]
        lost.append(ALPHA)
    if DEEP not in format.keeps and any(frame.dtype == np.uint16 for frame in frames):
        frames = [_in_8_bits(frame) if frame.dtype == np.uint16 else frame for frame in frames]
        lost.append(DEEP)
    space = "RGB" if any(frame.shape[2] >= 3 for frame in frames) else "GRAY"
    if kept.icc and color_space(kept.icc) not in (space, "RGB"):
        kept, lost = Carried(**{**vars(kept), "icc": b""}), [*lost, WORDS["icc"]]
    return list(frames), kept, tuple(lost)


def encoded(
    frames: Sequence[FilePixels], carried: Sequence[Carried], format: Format, how: dict[str, Any], quality: int | None
) -> tuple[bytes, tuple[str, ...]]:
    """Frames (H, W, C) as a file; and what of all this it does not hold, in words.

    Args:
        carried: one for the file, or one a page.
        how: what `Decoded.how` says, of a source of the same format.
        quality: 1..100 instead of the source's, where it means something.

    Raises `ValueError` or `OSError` for what cannot be written.
    """
    fits = [fitted([frame], one, format) for frame, one in zip(frames, _each(carried, len(frames)), strict=True)]
    fitted(frames, carried[0], format)
    lost = tuple(dict.fromkeys(word for _, _, words in fits for word in words))
    pages = [(pixels[0], of_size(kept, *pixels[0].shape[1::-1])) for pixels, kept, _ in fits]
    pixels, kept = [page[0] for page in pages], pages[0][1]
    if format.name == "TIFF":
        return tiff.written(pages, how.get("compression", tiff.DEFLATE)), lost
    if format.name == "PNG":
        return png.with_chunks(_png(pixels, how), png_chunks(kept)), lost
    options = _options(format, kept, how, quality)
    if format.name == "JPEG":
        lost += _too_long(options, kept)
    if len(pixels) > 1:
        options |= _animated(how, format)
    if format.name == "GIF" and any(len(np.unique(_codes(frame))) > 255 for frame in pixels):
        lost += ("all but the best 255 colours",)
    return _saved(pixels, format.name, options), lost


def _each(carried: Sequence[Carried], count: int) -> list[Carried]:
    return list(carried) if len(carried) == count else [carried[0]] * count


def _in_8_bits(pixels: FilePixels) -> FilePixels:
    return np.rint(pixels / 257).astype(np.uint8)


def _png(frames: list[FilePixels], how: dict[str, Any]) -> bytes:
    if frames[0].dtype == np.uint8:
        return _saved(frames, "PNG", _animated(how, None) if len(frames) > 1 else {})
    if len(frames) > 1:
        raise ValueError("it has several frames of 16 bits; choose .tiff")
    pixels = frames[0]
    if pixels.shape[2] == 2:  # OpenCV writes no grey with alpha
        pixels = pixels[..., [0, 0, 0, 1]]
    order = [0] if pixels.shape[2] == 1 else [2, 1, 0, 3][: pixels.shape[2]]
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., order]))
    if not done:
        raise ValueError("OpenCV cannot write it")
    return data.tobytes()


def _options(format: Format, carried: Carried, how: dict[str, Any], quality: int | None) -> dict[str, Any]:
    """What Pillow's writer is told."""
    if format.name == "GIF":
        return {"comment": carried.comment} if carried.comment else {}
    if format.name == "BMP":
        return {"dpi": carried.dpi} if carried.dpi else {}
    options: dict[str, Any] = {"icc_profile": carried.icc or None}
    if format.name == "JPEG":
        options |= {"exif": carried.exif and b"Exif\0\0" + carried.exif, "comment": carried.comment}
        options |= {"extra": jpeg_segments(carried), "dpi": carried.dpi or (0, 0), "optimize": True}
        options |= {"progressive": how.get("progressive", False)}
        options["subsampling"] = how.get("subsampling", 0)
        if quality is None and how.get("qtables"):
            return options | {"qtables": how["qtables"]}
    else:
        exif = exif_with_resolution(carried)
        options |= {"exif": exif and b"Exif\0\0" + exif, "xmp": carried.xmp}
        options = {name: value for name, value in options.items() if value}
    if format.name == "WEBP":
        # Lossless, "quality" is how long it is tried to make the file small.
        lossless = how.get("lossless", False) and quality is None
        options |= {"lossless": lossless, "exact": True}
        return options | {"quality": 75 if lossless else quality or QUALITY["WEBP"]}
    return options | {"quality": quality or QUALITY[format.name]}


def _too_long(options: dict[str, Any], carried: Carried) -> tuple[str, ...]:
    """Leave out what is too long for the segments of a JPEG → what that is, in words."""
    lost = []
    if len(options["exif"]) > JPEG_SEGMENT:
        options["exif"] = b""
        lost.append(WORDS["exif"])
    if len(carried.xmp) > JPEG_SEGMENT - 29:
        lost.append(WORDS["xmp"])
    return tuple(lost)


def _animated(how: dict[str, Any], format: Format | None) -> dict[str, Any]:
    """What the writer of an animation is told."""
    loop = how.get("loop")
    options: dict[str, Any] = {"save_all": True, "duration": how.get("duration", 100)}
    if format and format.name == "GIF":
        # Each frame is whole: what was below it must not shine through where it is clear.
        options |= {"disposal": 2, "optimize": False}
        return options | ({"loop": loop} if loop is not None else {})
    if format is None:
        options |= {"default_image": how.get("default_image", False), "blend": 0, "disposal": 0}
    return options | {"loop": 1 if loop is None else loop}


def _saved(frames: Sequence[FilePixels], format: str, options: dict[str, Any]) -> bytes:
    first, *rest = [_paletted(frame) if format == "GIF" else _image(frame) for frame in frames]
    if rest:
        options = {**options, "append_images": rest}
    if format == "GIF" and "transparency" in first.info:
        options = {**options, "transparency": 255}
    file = io.BytesIO()
    first.save(file, format, **options)
    return file.getvalue()


def _image(pixels: FilePixels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def _paletted(pixels: FilePixels) -> Image.Image:
    """Pixels of 8 bits with a palette: their own colours where there are at most 255, else the best 255.

    The last place of the palette is what is clear.
    """
    codes = _codes(pixels)
    clear = codes == CLEAR
    used, index = np.unique(codes[~clear], return_inverse=True)
    indices = np.full(codes.shape, 255, np.uint8)
    if len(used) <= 255:
        indices[~clear] = index
        palette = np.stack([used >> 16, used >> 8 & 255, used & 255], axis=1).astype(np.uint8).tobytes()
    else:
        color = _image(pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]).convert("RGB")
        best = color.quantize(255, Image.Quantize.MEDIANCUT)
        found = np.array(color.quantize(palette=best, dither=Image.Dither.FLOYDSTEINBERG))
        indices[~clear] = found[~clear]
        palette = bytes(best.getpalette() or ())[: 3 * 255]
    image = Image.fromarray(indices)
    image.putpalette(palette.ljust(3 * 256, b"\0"))
    if clear.any():
        image.info["transparency"] = 255
    return image


def _codes(pixels: FilePixels) -> npt.NDArray[np.uint32]:
    """Each pixel's colour as one number, `CLEAR` where it is more clear than not: (H, W)."""
    color = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    codes = color.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    return np.where(pixels[..., -1] < 128, np.uint32(CLEAR), codes) if pixels.shape[2] in (2, 4) else codes
