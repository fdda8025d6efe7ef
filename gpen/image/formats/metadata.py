"""What a picture file carries beside its pixels, in one form for every format."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from PIL import Image

from . import png
from .tags import EXIF, Directory, Entry, Tags, header, numbers, orientation, packed, upright

XMP, IPTC, PHOTOSHOP, ICC = 700, 33723, 34377, 34675
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
MAKER_NOTE = 0x927C

OF_THE_PIXELS = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, 317, *range(320, 326), 330}
    | {*range(332, 335), *range(336, 344), 347, *range(512, 522), *range(529, 533), 559}
    # Photoshop's layers and previews show the picture as it was.
    | {XMP, IPTC, PHOTOSHOP, ICC, 37724, 50255}
)
"""Tags of a TIFF that say how the pixels lie in the file; and those that are fields of `Carried` of their own."""

_JPEG_XMP, _JPEG_MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_JPEG_PHOTOSHOP = b"Photoshop 3.0\0"
_RESOURCE_IPTC = 0x0404
_RESOURCE_THUMBNAILS = (0x0409, 0x040C)


@dataclass(frozen=True)
class Carried:
    """What a picture file carries beside its pixels."""

    icc: bytes = b""
    """a colour profile"""
    exif: bytes = b""
    """a small file of tags; see `tags`"""
    xmp: bytes = b""
    more_xmp: tuple[bytes, ...] = ()
    """whole APP1 segments of a JPEG, where its XMP is longer than one holds"""
    iptc: bytes = b""
    """an IPTC-IIM record"""
    photoshop: bytes = b""
    """Photoshop's resources, the IPTC record among them"""
    dpi: tuple[float, float] | None = None
    comment: bytes = b""
    text: tuple[png.Chunk, ...] = ()
    """a PNG's chunks of text"""
    color: tuple[png.Chunk, ...] = ()
    """a PNG's chunks that say what its numbers mean"""


WORDS = {
    "icc": "the colour profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "more_xmp": "the long part of XMP",
    "iptc": "IPTC",
    "photoshop": "Photoshop's resources",
    "dpi": "the resolution",
    "comment": "the comment",
    "text": "PNG text",
    "color": "PNG colour information",
}
"""What a message calls each field of `Carried`."""


def carried_by(image: Image.Image, data: bytes) -> Carried:
    """What a file carries that Pillow has opened from its bytes; turned with the pixels, see `turned_upright`."""
    if image.format in ("JPEG", "MPO"):
        return _of_jpeg(image)
    if image.format == "PNG":
        return _of_png(data)
    return Carried(
        icc=image.info.get("icc_profile") or b"",
        exif=(image.info.get("exif") or b"").removeprefix(b"Exif\0\0"),
        xmp=_jxl_xmp(data) if image.format == "JXL" else _bytes(image.info.get("xmp")),
        dpi=_dpi(image),
        comment=_bytes(image.info.get("comment")),
    )


def turned_upright(carried: Carried) -> tuple[Carried, int]:
    """What a file carries, for its picture turned upright; and the orientation that it had, 1..8."""
    upright = replace(carried, exif=_upright_exif(carried.exif), xmp=_upright_xmp(carried.xmp))
    return upright, orientation(carried.exif) if carried.exif else 1


def of_size(carried: Carried, width: int, height: int) -> Carried:
    """What a file carries, for a picture of so many pixels."""
    return replace(carried, exif=_upright_exif(carried.exif, width, height))


def carried_by_page(tags: Tags, at: int) -> Carried:
    """What one page of a TIFF carries."""
    page = tags.directory(at)
    kept: Directory = {tag: entry for tag, entry in page.items() if tag not in OF_THE_PIXELS}
    raw = {tag: page[tag].raw if tag in page else b"" for tag in (XMP, IPTC, PHOTOSHOP, ICC)}
    return Carried(
        icc=raw[ICC],
        exif=header(tags.order, 8) + packed(kept, tags.order, 8) if kept else b"",
        xmp=raw[XMP],
        iptc=raw[IPTC],
        photoshop=_without_thumbnails(raw[PHOTOSHOP]),
        dpi=resolution(kept, tags.order),
    )


def resolution(directory: Directory, order: str) -> tuple[float, float] | None:
    """The dots an inch that a directory of tags tells; None where it does not."""
    values = [directory[tag] for tag in (X_RESOLUTION, Y_RESOLUTION) if tag in directory]
    if len(values) < 2 or any(entry.type != 5 for entry in values):
        return None
    unit = directory.get(RESOLUTION_UNIT)
    known = struct.unpack(f"{order}H", unit.raw[:2])[0] if unit else 2
    if known not in (2, 3):
        return None  # the shape of a pixel alone
    (x, a), (y, b) = (struct.unpack(f"{order}LL", entry.raw[:8]) for entry in values)
    return (x / a * (2.54 if known == 3 else 1), y / b * (2.54 if known == 3 else 1)) if a and b else None


def with_resolution(directory: Directory, order: str, dpi: tuple[float, float] | None) -> Directory:
    """A directory of tags that tells the dots an inch; itself where it does."""
    told = resolution(directory, order)
    if dpi is None or (told and all(abs(a - b) < 0.01 for a, b in zip(told, dpi, strict=True))):
        return directory
    x, y = (Entry(5, struct.pack(f"{order}LL", round(value * 10000), 10000)) for value in dpi)
    return {**directory, X_RESOLUTION: x, Y_RESOLUTION: y, RESOLUTION_UNIT: numbers(order, 3, 2)}


def exif_with_resolution(carried: Carried) -> bytes:
    """EXIF data that tells the dots an inch, for files that have no other place for it."""
    if carried.dpi is None:
        return carried.exif
    try:
        tags = Tags(carried.exif or header("<", 0))
    except ValueError:
        return carried.exif
    first = next(tags.directories(), 0)
    directory = tags.directory(first) if first else {}
    new = with_resolution(directory, tags.order, carried.dpi)
    # A maker's note may hold places in the file: nothing may move where there is one.
    exif = directory.get(EXIF)
    if new is directory or (exif and MAKER_NOTE in (exif.below or {})):
        return carried.exif
    return header(tags.order, 8) + packed(new, tags.order, 8)


def jpeg_segments(carried: Carried) -> bytes:
    """Segments of a JPEG with XMP, IPTC and Photoshop's resources; what is too long for one is left out."""
    bodies = [_JPEG_XMP + carried.xmp] if carried.xmp else []
    bodies += carried.more_xmp
    segments = b"".join(_segment(0xE1, body) for body in bodies)
    if resources := photoshop_with_iptc(carried):
        segments += _segment(0xED, _JPEG_PHOTOSHOP + resources)
    return segments


def photoshop_with_iptc(carried: Carried) -> bytes:
    """Photoshop's resources, with the IPTC record as one of them."""
    if carried.photoshop or not carried.iptc:
        return carried.photoshop
    record = carried.iptc
    return b"8BIM" + struct.pack(">HHL", _RESOURCE_IPTC, 0, len(record)) + record + b"\0" * (len(record) % 2)


def png_chunks(carried: Carried) -> list[png.Chunk]:
    """The chunks of a PNG that hold all this."""
    found = [chunk for chunk in carried.color if not (carried.icc and chunk[0] == b"sRGB")]
    found += [png.icc_chunk(carried.icc)] if carried.icc else []
    found += [png.dpi_chunk(carried.dpi)] if carried.dpi else []
    found += [(b"eXIf", carried.exif)] if carried.exif else []
    found += [png.xmp_chunk(carried.xmp)] if carried.xmp else []
    if resources := photoshop_with_iptc(carried):
        found.append(png.profile_chunk("iptc", resources))
    return [*found, *carried.text]


def color_space(icc: bytes) -> str:
    """What a colour profile is for: "RGB", "GRAY", "CMYK", …"""
    return icc[16:20].decode("latin-1").strip()


def _of_jpeg(image: Image.Image) -> Carried:
    segments = getattr(image, "applist", [])
    xmp = [body for _, body in segments if body.startswith(_JPEG_XMP)]
    resources = b"".join(body.removeprefix(_JPEG_PHOTOSHOP) for _, body in segments if body.startswith(_JPEG_PHOTOSHOP))
    return Carried(
        icc=image.info.get("icc_profile") or b"",
        exif=(image.info.get("exif") or b"").removeprefix(b"Exif\0\0"),
        xmp=xmp[0].removeprefix(_JPEG_XMP) if xmp else b"",
        more_xmp=tuple(body for _, body in segments if body.startswith(_JPEG_MORE_XMP)),
        iptc=_iptc(resources),
        photoshop=_without_thumbnails(resources),
        dpi=_dpi(image),
        comment=_bytes(image.info.get("comment")),
    )


def _of_png(data: bytes) -> Carried:
    carried, text, color = Carried(), [], []
    for kind, body in png.chunks(data):
        if kind == b"iCCP":
            carried = replace(carried, icc=png.icc_of(body))
        elif kind == b"eXIf":
            carried = replace(carried, exif=body.removeprefix(b"Exif\0\0"))
        elif kind == b"pHYs" and (dpi := png.dpi_of(body)):
            carried = replace(carried, dpi=dpi)
        elif kind in (*png.COLOR, b"pHYs"):
            color.append((kind, body))
        elif kind in png.TEXT:
            if (xmp := png.xmp_of((kind, body))) is not None:
                carried = replace(carried, xmp=xmp)
            elif (profile := png.profile_of((kind, body))) and profile[0] in ("iptc", "exif", "app1"):
                carried = _with_profile(carried, *profile)
            else:
                text.append((kind, body))
        elif kind == b"tIME":
            text.append((kind, body))
    return replace(carried, text=tuple(text), color=tuple(color))


def _jxl_xmp(data: bytes) -> bytes:
    """The XMP in a JPEG XL's boxes, which its reader does not tell; b"" where it has none, or a compressed one."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">L4s", data, at)
        if kind == b"xml ":
            return data[at + 8 : at + size if size else None]
        if size < 8:
            break
        at += size
    return b""


def _with_profile(carried: Carried, kind: str, body: bytes) -> Carried:
    if kind == "iptc":
        resources = body if body.startswith(b"8BIM") else b""
        return replace(carried, photoshop=resources, iptc=_iptc(resources) if resources else body)
    return replace(carried, exif=carried.exif or body.removeprefix(b"Exif\0\0"))


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi")
    return (float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None


def _bytes(value: object) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else value if isinstance(value, bytes) else b""


def _upright_exif(exif: bytes, *size: int) -> bytes:
    try:
        return upright(exif, *size) if exif else exif
    except ValueError:
        return exif  # of a kind that nobody can read: it stays as it is


def _upright_xmp(xmp: bytes) -> bytes:
    return re.sub(rb"(tiff:Orientation(?:=[\"']|>))[2-8]", rb"\g<1>1", xmp)


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body if len(body) <= 65533 else b""


def _resources(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Photoshop's resources: number, data, and all bytes of each."""
    at = 0
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        name = data[at + 6] + 1
        start = at + 6 + name + name % 2
        size = int.from_bytes(data[start : start + 4], "big")
        end = start + 4 + size + size % 2
        yield int.from_bytes(data[at + 4 : at + 6], "big"), data[start + 4 : start + 4 + size], data[at:end]
        at = end


def _iptc(resources: bytes) -> bytes:
    return next((body for number, body, _ in _resources(resources) if number == _RESOURCE_IPTC), b"")


def _without_thumbnails(resources: bytes) -> bytes:
    """They show the picture as it was."""
    return b"".join(whole for number, _, whole in _resources(resources) if number not in _RESOURCE_THUMBNAILS)
