"""PNG files as the chunks they are made of: PNG Specification (Third Edition), section 5."""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT = (b"tEXt", b"zTXt", b"iTXt")
COLOR = (b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"sBIT")
_XMP = b"XML:com.adobe.xmp"

Chunk = tuple[bytes, bytes]
"""Type and data."""


def chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks of a file, in their order.

    Raises `ValueError` where one is cut short or damaged, or the last one is missing.
    """
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise ValueError("the file ends early")
        size, kind = struct.unpack_from(">L4s", data, at)
        body = data[at + 8 : at + 8 + size]
        if len(body) < size or zlib.crc32(kind + body) != int.from_bytes(data[at + 8 + size : at + 12 + size], "big"):
            raise ValueError(f"the chunk {kind.decode('latin-1')} is damaged")
        yield kind, body
        at += 12 + size


def with_chunks(data: bytes, more: Iterable[Chunk]) -> bytes:
    """A file with chunks added behind its header, where all of them may stand."""
    header = len(SIGNATURE) + 25
    return data[:header] + b"".join(_written(*chunk) for chunk in more) + data[header:]


def _written(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def xmp_of(chunk: Chunk) -> bytes | None:
    """The XMP data in a chunk of text; None where it is something else."""
    kind, body = chunk
    if kind != b"iTXt" or not body.startswith(_XMP + b"\0"):
        return None
    compressed, rest = body[len(_XMP) + 1], body[len(_XMP) + 3 :]
    _, _, packet = rest.split(b"\0", 2)
    return _inflated(packet) if compressed else packet


def xmp_chunk(xmp: bytes) -> Chunk:
    return b"iTXt", _XMP + b"\0\0\0\0\0" + xmp


def icc_of(body: bytes) -> bytes:
    """The profile in an iCCP chunk."""
    return _inflated(body.split(b"\0", 1)[1][1:])


def icc_chunk(icc: bytes) -> Chunk:
    return b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)


def profile_of(chunk: Chunk) -> tuple[str, bytes] | None:
    """What ImageMagick and ExifTool store as text, "Raw profile type …": its kind and the bytes; None of other text."""
    kind, body = chunk
    keyword, _, rest = body.partition(b"\0")
    if not keyword.startswith(b"Raw profile type ") or kind == b"iTXt":
        return None
    try:
        text = _inflated(rest[1:]) if kind == b"zTXt" else rest
        _, _, digits = text.strip().split(None, 2)
        return keyword[17:].decode("latin-1").lower(), bytes.fromhex(re.sub(rb"\s", b"", digits).decode("ascii"))
    except ValueError:
        return None


def profile_chunk(kind: str, data: bytes) -> Chunk:
    digits = re.sub("(.{72})", r"\1\n", data.hex())
    text = f"\n{kind}\n{len(data):8d}\n{digits}\n".encode("ascii")
    return b"zTXt", f"Raw profile type {kind}".encode("ascii") + b"\0\0" + zlib.compress(text)


def dpi_of(body: bytes) -> tuple[float, float] | None:
    """The dots an inch in a pHYs chunk; None where it tells the shape of a pixel alone."""
    x, y, unit = struct.unpack(">LLB", body)
    return (x * 0.0254, y * 0.0254) if unit == 1 else None


def dpi_chunk(dpi: tuple[float, float]) -> Chunk:
    return b"pHYs", struct.pack(">LLB", round(dpi[0] / 0.0254), round(dpi[1] / 0.0254), 1)


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error as error:
        raise ValueError("compressed text is damaged") from error
