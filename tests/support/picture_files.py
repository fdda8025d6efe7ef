"""Picture files of every kind with everything they can carry, made and looked at without the code that is tested."""

import struct
import zlib
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import ExifTags, Image, ImageCms, IptcImagePlugin, JpegImagePlugin

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:rights>Grandmother</dc:rights></rdf:Description></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="w"?>'
)
IPTC = b"\x1c\x02\x19\x00\x06family" + b"\x1c\x02\x78\x00\x0bwedding day"
RESOURCES = b"8BIM\x04\x04\0\0" + struct.pack(">L", len(IPTC)) + IPTC + b"\0" * (len(IPTC) % 2)
TEXT = {"parameters": "a portrait\nSteps: 20", "workflow": '{"nodes": []}'}
METADATA = ("none", "icc", "exif", "xmp", "iptc", "dpi", "text", "all")
MODES = {
    "png": ("1", "L", "LA", "RGB", "RGBA", "P", "L16", "RGB16", "RGBA16"),
    "jpg": ("L", "RGB"),
    "webp": ("RGB", "RGBA", "lossless RGB", "lossless RGBA"),
    "tiff": ("L", "LA", "RGB", "RGBA", "L16", "RGB16", "RGBA16"),
    "bmp": ("L", "RGB"),
    "gif": ("P", "PA"),
    "avif": ("L", "RGB", "RGBA"),
}
HOLDS = {
    "png": {"icc", "exif", "xmp", "iptc", "dpi", "text"},
    "jpg": {"icc", "exif", "xmp", "iptc", "dpi"},
    "webp": {"icc", "exif", "xmp"},
    "tiff": {"icc", "exif", "xmp", "iptc", "dpi"},
    "bmp": {"dpi"},
    "gif": set(),
    "avif": {"icc", "exif", "xmp"},
}


@dataclass(frozen=True)
class Case:
    """One kind of file."""

    suffix: str
    mode: str
    metadata: str
    orientation: int

    def __str__(self) -> str:
        return f"{self.suffix} {self.mode} {self.metadata} {self.orientation}".replace(" ", "-")

    def has(self, what: str) -> bool:
        return what in HOLDS[self.suffix] and self.metadata in (what, "all")

    @property
    def lossless(self) -> bool:
        return self.suffix not in ("jpg", "avif") and (self.suffix != "webp" or "lossless" in self.mode)


def all_cases() -> list[Case]:
    """Each mode of each format with each kind of metadata; where there is EXIF, orientations in turn."""
    found: list[Case] = []
    for suffix, modes in MODES.items():
        for mode, metadata in product(modes, METADATA):
            if metadata in ("none", "all") or metadata in HOLDS[suffix]:
                turned = metadata in ("exif", "all") and "exif" in HOLDS[suffix]
                for turn in (len(found) % 8 + 1, (len(found) + 3) % 8 + 1) if turned else (1,):
                    found.append(Case(suffix, mode, metadata, turn))
    return found


def picture(mode: str, deep: bool = False) -> np.ndarray:
    """(30, 42, C): soft colours in which every corner differs."""
    rng = np.random.default_rng(4)
    small = rng.integers(20, 236, (4, 5, 4), np.uint8)
    pixels = np.asarray(Image.fromarray(small).resize((42, 30), Image.Resampling.BICUBIC))
    pixels = pixels[..., {"L": [0], "LA": [0, 3], "RGB": [0, 1, 2], "RGBA": [0, 1, 2, 3]}[mode]]
    return pixels.astype(np.uint16) * 257 + rng.integers(0, 9, pixels.shape, np.uint16) if deep else pixels


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[ExifTags.Base.Orientation] = orientation
    made[ExifTags.Base.Make] = "Camera"
    made[ExifTags.Base.DateTime] = "1998:06:20 14:00:00"
    made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "1998:06:20 14:00:00"
    made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 42
    made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageHeight] = 30
    made.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return made


def icc(grey: bool) -> bytes:
    """A profile that is not that of sRGB: of grey, or with the white of another lamp."""
    if grey:
        rgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        return rgb[:16] + b"GRAY" + rgb[20:]
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB", 5000)).tobytes()


def write(path: Path, case: Case) -> None:
    """Write the file of a case."""
    deep = case.mode.endswith("16")
    mode = case.mode.removeprefix("lossless ").removesuffix("16")
    if case.suffix == "tiff":
        _write_tiff(path, case, picture(mode, deep))
    elif deep:
        _write_deep_png(path, case, picture(mode, True))
    else:
        _write_pillow(path, case, mode)


def _write_pillow(path: Path, case: Case, mode: str) -> None:
    pixels = picture({"1": "L", "P": "RGB", "PA": "RGBA"}.get(mode, mode))
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if mode in ("1", "P"):
        image = image.convert(mode, colors=200, palette=Image.Palette.ADAPTIVE)
    if mode == "PA":
        alpha = image.getchannel("A")
        image = image.convert("RGB").quantize(200)
        image.paste(255, mask=alpha.point([255 * (value < 90) for value in range(256)]))
        image.info["transparency"] = 255
    options: dict[str, Any] = {}
    if case.suffix == "jpg":
        options |= {"quality": 83, "subsampling": "4:2:2", "progressive": True}
    if case.suffix == "webp":
        options |= {"lossless": "lossless" in case.mode, "exact": True}
    if case.has("icc"):
        options["icc_profile"] = icc(mode in ("1", "L", "LA"))
    if case.has("exif"):
        options["exif"] = exif(case.orientation).tobytes()
    if case.has("dpi"):
        options["dpi"] = (300, 300)
    if case.has("xmp") and case.suffix != "png":
        options["xmp"] = XMP
    if case.has("iptc") and case.suffix == "jpg":
        body = b"Photoshop 3.0\0" + RESOURCES
        options["extra"] = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    if mode == "PA":
        options["transparency"] = 255
    image.save(path, **options)
    if case.suffix == "png":
        _add_chunks(path, case, {"xmp", "iptc", "text"})


def _write_deep_png(path: Path, case: Case, pixels: np.ndarray) -> None:
    order = [0] if pixels.shape[2] == 1 else [2, 1, 0, 3][: pixels.shape[2]]
    assert cv2.imwrite(str(path), pixels[..., order])
    _add_chunks(path, case, {"icc", "exif", "xmp", "iptc", "dpi", "text"})


def _add_chunks(path: Path, case: Case, what: set[str]) -> None:
    chunks: list[tuple[bytes, bytes]] = []
    if case.has("icc") and "icc" in what:
        chunks.append((b"iCCP", b"A\0\0" + zlib.compress(icc("RGB" not in case.mode))))
    if case.has("exif") and "exif" in what:
        chunks.append((b"eXIf", exif(case.orientation).tobytes()[6:]))
    if case.has("dpi") and "dpi" in what:
        chunks.append((b"pHYs", struct.pack(">LLB", 11811, 11811, 1)))
    if case.has("xmp"):
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    if case.has("iptc"):
        text = f"\niptc\n{len(RESOURCES):8}\n{RESOURCES.hex()}\n".encode()
        chunks.append((b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text)))
    if case.has("text"):
        chunks += [(b"tEXt", f"{key}\0{value}".encode("latin-1")) for key, value in TEXT.items()]
    data = path.read_bytes()
    added = b"".join(
        struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body)) for kind, body in chunks
    )
    path.write_bytes(data[:33] + added + data[33:])


def _write_tiff(path: Path, case: Case, pixels: np.ndarray) -> None:
    tags: list[tuple] = []
    if case.has("exif"):
        made = exif(case.orientation)
        tags += [(274, 3, 1, case.orientation, True), (271, 2, 0, "Camera", True)]
        tags += [(306, 2, 0, made[ExifTags.Base.DateTime], True)]
    if case.has("xmp"):
        tags.append((700, 1, len(XMP), XMP, True))
    if case.has("iptc"):
        tags.append((33723, 7, len(IPTC), IPTC, True))
    shape = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    tifffile.imwrite(
        path,
        shape,
        photometric="rgb" if pixels.shape[2] >= 3 else "minisblack",
        planarconfig="contig" if shape.ndim == 3 else None,
        extrasamples=["unassalpha"] * (pixels.shape[2] in (2, 4)),
        iccprofile=icc(pixels.shape[2] < 3) if case.has("icc") else None,
        resolution=(300, 300) if case.has("dpi") else None,
        resolutionunit="INCH" if case.has("dpi") else None,
        compression="zlib" if case.metadata == "all" else None,
        metadata=None,
        software=False,
        extratags=tags,
    )


_STRUCTURE = {
    *range(254, 267),
    273,
    *range(277, 285),
    296,
    317,
    338,
    339,
    700,
    33723,
    34377,
    34665,
    34675,
    34853,
    40965,
}


def seen(path: Path) -> dict[str, Any]:
    """What a file is and carries, as Pillow sees it; `pixels` are turned upright, by OpenCV where there are 16 bits."""
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
        told = {tag: value for tag, value in exif.items() if tag not in _STRUCTURE}
        for group in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            told |= {(int(group), tag): value for tag, value in exif.get_ifd(group).items()}
        found = {
            "format": image.format,
            "icc": image.info.get("icc_profile"),
            "exif": told,
            "xmp": image.info.get("xmp"),
            "dpi": tuple(round(float(value)) for value in image.info["dpi"]) if "dpi" in image.info else None,
            "text": {key: value for key, value in getattr(image, "text", {}).items() if key in TEXT},
            "iptc": IptcImagePlugin.getiptcinfo(image) if image.format in ("JPEG", "TIFF") else _png_iptc(image),
        }
        if image.format == "JPEG":
            found["quality"] = image.quantization  # type: ignore[attr-defined]
            found["sampling"] = JpegImagePlugin.get_sampling(image)
            found["progressive"] = image.info.get("progressive")
        if image.format == "WEBP":
            found["lossless"] = b"VP8L" in path.read_bytes()[:300]
    return found


def _png_iptc(image: Image.Image) -> str | None:
    text = getattr(image, "text", {}).get("Raw profile type iptc")
    return "".join(text.split()[2:]) if text else None
