"""TIFF files of several pages, grey or RGB, with alpha, of 8 or 16 bits, and all their tags.

Pillow has no RGB of 16 bits, and OpenCV writes no tags: the few lines that a TIFF needs are here. Pixels are read by
them, see `decode`.
"""

import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .metadata import ICC, IPTC, PHOTOSHOP, XMP, Carried, with_resolution
from .tags import LONG, ORIENTATION, SHORT, UNDEFINED, Directory, Entry, Tags, header, numbers, packed

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIPS, SAMPLES, ROWS, STRIP_BYTES, PLANES, PREDICTOR, EXTRA_SAMPLES = 273, 277, 278, 279, 284, 317, 338
UNCOMPRESSED, DEFLATE = 1, 8
BYTES_A_STRIP = 2**18
LARGEST = 2**32 - 2**20
"""Bytes: places in a file are numbers of 32 bits."""

FilePixels = npt.NDArray[np.uint8 | np.uint16]
"""(H, W, C) in the numbers of a file; C is 1 (grey), 2 (with alpha), 3 (RGB) or 4"""


def written(pages: list[tuple[FilePixels, Carried]], compression: int = DEFLATE) -> bytes:
    """A TIFF of some pages: pixels (H, W, C), C being 1 (grey), 2 (with alpha), 3 (RGB) or 4, and what each carries.

    Compressed without loss, or not at all. Raises `ValueError` where it would be too large.
    """
    order = _order(pages[0][1])
    file = bytearray(header(order, 0))
    link = 4  # where the place of the next directory goes
    for pixels, carried in pages:
        offsets, sizes = [], []
        for strip in _strips(pixels, order, compression):
            offsets.append(len(file))
            sizes.append(len(strip))
            file += strip + b"\0" * (len(strip) % 2)
        if len(file) > LARGEST:
            raise ValueError("it would have more than 4 GB")
        directory = _directory(pixels, carried, order, compression) | {
            STRIPS: numbers(order, LONG, *offsets),
            STRIP_BYTES: numbers(order, LONG, *sizes),
        }
        at = len(file)
        file[link : link + 4] = numbers(order, LONG, at).raw
        file += packed(directory, order, at)
        file += b"\0" * (len(file) % 2)
        link = at + 2 + 12 * len(directory)
    return bytes(file)


def whole(tags: Tags) -> bool:
    """Whether all pixels that its directories speak of lie in the file."""
    for at in tags.directories():
        page = tags.directory(at)
        for place, size in ((STRIPS, STRIP_BYTES), (324, 325)):
            if place in page and size in page:
                ends = zip(tags.numbers(page[place]), tags.numbers(page[size]), strict=False)
                if any(start + length > len(tags.data) for start, length in ends):
                    return False
    return True


def _order(carried: Carried) -> str:
    return ">" if carried.exif[:2] == b"MM" else "<"


def _directory(pixels: FilePixels, carried: Carried, order: str, compression: int) -> Directory:
    height, width, channels = pixels.shape
    entries: Directory = {}
    # Values stay in the byte order of where they come from; of another one they would be numbers of another size.
    if carried.exif and _order(carried) == order:
        tags = Tags(carried.exif)
        entries = next((tags.directory(at) for at in tags.directories()), {})
    entries.pop(ORIENTATION, None)
    entries = with_resolution(entries, order, carried.dpi)
    for tag, body in ((XMP, carried.xmp), (IPTC, carried.iptc), (PHOTOSHOP, carried.photoshop), (ICC, carried.icc)):
        if body:
            entries[tag] = Entry(1 if tag in (XMP, PHOTOSHOP) else UNDEFINED, body)
    entries |= {
        WIDTH: numbers(order, LONG, width),
        HEIGHT: numbers(order, LONG, height),
        BITS: numbers(order, SHORT, *[pixels.itemsize * 8] * channels),
        COMPRESSION: numbers(order, SHORT, compression),
        PHOTOMETRIC: numbers(order, SHORT, 2 if channels >= 3 else 1),
        SAMPLES: numbers(order, SHORT, channels),
        ROWS: numbers(order, LONG, _rows(pixels)),
        PLANES: numbers(order, SHORT, 1),
        ORIENTATION: numbers(order, SHORT, 1),
    }
    if compression == DEFLATE:
        entries[PREDICTOR] = numbers(order, SHORT, 2)
    if channels in (2, 4):
        entries[EXTRA_SAMPLES] = numbers(order, SHORT, 2)  # alpha that colours were not multiplied with
    return entries


def _rows(pixels: FilePixels) -> int:
    return max(1, BYTES_A_STRIP // pixels[0].nbytes)


def _strips(pixels: FilePixels, order: str, compression: int) -> Iterator[bytes]:
    kind = pixels.dtype.newbyteorder("<" if order == "<" else ">")
    for first in range(0, len(pixels), _rows(pixels)):
        rows = pixels[first : first + _rows(pixels)]
        if compression == UNCOMPRESSED:
            yield rows.astype(kind).tobytes()
        else:
            # Differences to the pixel on the left, which compress better.
            left = np.zeros_like(rows)
            left[:, 1:] = rows[:, :-1]
            yield zlib.compress((rows - left).astype(kind).tobytes(), 6)
