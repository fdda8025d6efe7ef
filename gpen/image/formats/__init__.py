"""Which picture files there are, and what each can hold: one row a format."""

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import features

from ...errors import PictureError

ALPHA, DEEP, FRAMES = "transparency", "16 bits a channel", "several frames"


@dataclass(frozen=True)
class Format:
    """A kind of picture file."""

    name: str
    """what Pillow calls it"""
    suffixes: tuple[str, ...]
    keeps: frozenset[str]
    """of `ALPHA`, `DEEP`, `FRAMES` and the fields of `Carried`: what has a place in such a file"""
    lossy: bool = False
    """whether `quality` means something"""
    package: str = ""
    """what to install to have it, where Pillow alone does not"""
    module: str = ""
    opener: str = ""
    """the function of `module` that makes it known to Pillow; "" where importing it does"""


_EVERYTHING_OF_A_WEB_PICTURE = ("icc", "exif", "xmp", "dpi")

FORMATS = (
    Format(
        "PNG",
        (".png", ".apng"),
        frozenset({ALPHA, DEEP, FRAMES, "icc", "exif", "xmp", "iptc", "photoshop", "dpi", "text", "color"}),
    ),
    Format(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        frozenset({"icc", "exif", "xmp", "more_xmp", "iptc", "photoshop", "dpi", "comment"}),
        lossy=True,
    ),
    Format("WEBP", (".webp",), frozenset({ALPHA, FRAMES, *_EVERYTHING_OF_A_WEB_PICTURE}), lossy=True),
    Format(
        "TIFF",
        (".tif", ".tiff"),
        frozenset({ALPHA, DEEP, FRAMES, "icc", "exif", "xmp", "iptc", "photoshop", "dpi"}),
    ),
    Format("BMP", (".bmp", ".dib"), frozenset({"dpi"})),
    Format("GIF", (".gif",), frozenset({ALPHA, FRAMES, "comment"})),
    Format(
        "AVIF",
        (".avif",),
        frozenset({ALPHA, FRAMES, *_EVERYTHING_OF_A_WEB_PICTURE}),
        lossy=True,
        package="Pillow>=11.3",
    ),
    Format(
        "HEIF",
        (".heic", ".heif", ".hif"),
        frozenset({ALPHA, *_EVERYTHING_OF_A_WEB_PICTURE}),
        lossy=True,
        package="pillow-heif",
        module="pillow_heif",
        opener="register_heif_opener",
    ),
    Format(
        "JXL",
        (".jxl",),
        frozenset({ALPHA, "exif", "xmp", "dpi"}),
        lossy=True,
        package="pillow-jxl-plugin",
        module="pillow_jxl",
    ),
)

SUFFIXES = tuple(suffix for format in FORMATS for suffix in format.suffixes)
"""Of every picture file that can be read and written, some of them only where their package is installed."""


def format_of(path: Path) -> Format:
    """The format that a file's suffix stands for, ready to be used.

    Raises `PictureError` for another suffix, and where the format's package is not installed.
    """
    found = next((format for format in FORMATS if path.suffix.lower() in format.suffixes), None)
    if found is None:
        raise PictureError(f"{path} is no picture file that is known; expected one of: {', '.join(SUFFIXES)}")
    if not available(found):
        raise PictureError(f"{path} needs a package that is not installed: pip install '{found.package}'")
    return found


@cache
def available(format: Format) -> bool:
    """Whether files of a format can be read and written here; its package is loaded where it is one of its own."""
    if format.module:
        try:
            module = importlib.import_module(format.module)
        except ImportError:
            return False
        if format.opener:
            getattr(module, format.opener)()
        return True
    # AVIF came to Pillow late; WebP is a matter of how it was built.
    name = format.name.lower()
    return name not in ("avif", "webp") or (name in features.modules and bool(features.check(name)))


def register_all() -> None:
    """Make every format known to Pillow that can be had here."""
    for format in FORMATS:
        available(format)
