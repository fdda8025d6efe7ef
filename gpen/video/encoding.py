"""Which codec a film is written with, and at which quality."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SettingError, VideoError
from .join import MUXERS, codecs_of
from .pyav import pyav
from .source import Film

# By the ending of the target: what is tried, the best first, for films of 8 bits and for those of more.
WEB, OTHERS = (("libvpx-vp9",), ("libvpx-vp9",)), (("libx264", "libx265", "mpeg4"), ("libx265", "libx264"))
SEGMENT_MUXERS = ("mp4", "mov")
"""What holds coded pictures until all are done: the time stamps of other containers are rounded."""


ASPECT_KEPT = ("libx264", "libx265", "mpeg4")
"""Encoders that write the shape of pixels into what they make."""


@dataclass(frozen=True)
class Quality:
    """How a codec is told how good its pictures are to be."""

    crf: int
    """Its own scale, less being better: hardly told from the source, at a size that people keep."""
    highest: int
    options: dict[str, str]


# With x264's own choice the same pictures become other bytes from run to run: its fast sums of what later pictures take
# over from earlier ones (mbtree) are not the same each time, whatever the number of threads. These are, and as quick.
EXACT = {"x264-params": "cpu-independent=1"}

# Restored faces are what the film was processed for, so all are a step better than their codec's own default.
QUALITIES = {
    "libx264": Quality(17, 51, {"preset": "medium", **EXACT}),
    "libx265": Quality(19, 51, {"preset": "medium", "x265-params": "log-level=error"}),
    "libvpx-vp9": Quality(24, 63, {"b": "0", "deadline": "good", "cpu-used": "2", "row-mt": "1"}),
}


@dataclass(frozen=True)
class Encoding:
    """How the pictures of a film are coded."""

    codec: str
    options: tuple[tuple[str, str], ...]
    pixel_format: str
    muxer: str
    """What holds its segments."""


def choose_encoding(film: Film, target: Path, codec: str | None = None, crf: int | None = None) -> Encoding:
    """What suits the film and the ending of the target.

    Args:
        film: whose bits a channel and format of pixels are kept where the codec can.
        target: where it goes.
        codec: FFmpeg's name of an encoder; by default what plays nearly everywhere.
        crf: the codec's own scale of quality; by default that of `QUALITIES`.

    Raises `SettingError` for what is not there or does not fit, `VideoError` where this FFmpeg has no codec for it.
    """
    name = codec or _first_there((WEB if target.suffix.lower() == ".webm" else OTHERS)[film.bits > 8])
    encoder = _encoder(name)
    if encoder is None or encoder.type != "video":
        raise SettingError(f"this FFmpeg has no encoder {name!r} for moving pictures; one that most have is libx264")
    quality = QUALITIES.get(name)
    if crf is not None and (quality is None or not 0 <= crf <= quality.highest):
        scale = f"0 to {quality.highest}" if quality else f"known for {', '.join(QUALITIES)} only"
        raise SettingError(f"crf {crf} does not suit the codec {name}: its scale is {scale}")
    options = dict(quality.options, crf=str(quality.crf if crf is None else crf)) if quality else {}
    stored = [muxer for muxer in SEGMENT_MUXERS if encoder.name in codecs_of(muxer)]
    if not stored or encoder.name not in codecs_of(MUXERS[target.suffix.lower()]):
        raise SettingError(f"a {target.suffix} cannot hold what the codec {name} makes; choose another, or an .mkv")
    return Encoding(name, tuple(options.items()), _pixel_format(film, encoder), stored[0])


def _first_there(names: Sequence[str]) -> str:
    for name in names:
        if _encoder(name) is not None:
            return name
    raise VideoError(f"this FFmpeg has none of the encoders {', '.join(names)}; choose another codec")


def _encoder(name: str) -> Any:
    codec = pyav().codec
    try:
        return codec.Codec(name, "w")
    except codec.codec.UnknownCodecError:
        return None


def _pixel_format(film: Film, encoder: Any) -> str:
    """The film's own where the encoder takes it, else what is nearest and plays everywhere."""
    # "yuvj420p" is an old name for yuv420p of full range; the range is told on its own.
    own = film.pixel_format.replace("yuvj", "yuv")
    known = [fmt.name for fmt in encoder.video_formats or ()]
    if not known or own in known:
        return own
    wanted = ("yuv420p10le", "yuv420p") if film.bits > 8 else ("yuv420p",)
    return next((name for name in wanted if name in known), known[0])


def add_pictures(container: Any, film: Film, encoding: Encoding) -> Any:
    """A stream in `container` that is given the frames of the film."""
    stream = container.add_stream(encoding.codec, rate=film.rate, options=dict(encoding.options))
    context = stream.codec_context
    stream.width, stream.height, stream.pix_fmt = film.width, film.height, encoding.pixel_format
    context.time_base = film.time_base
    if film.pixel_aspect:
        context.sample_aspect_ratio = film.pixel_aspect
    context.color_range, context.colorspace, context.color_primaries, context.color_trc = film.colors
    return stream


def what_changes(film: Film, encoding: Encoding) -> tuple[str, ...]:
    """What the coded pictures do not keep of the film, in sentences for people."""
    notes: list[str] = []
    if encoding.pixel_format != film.pixel_format.replace("yuvj", "yuv"):
        notes.append(f"pixels are written as {encoding.pixel_format}, and were {film.pixel_format}")
    if film.interlaced:
        notes.append("the film is interlaced, and is written as if it were not")
    if film.graded:
        notes.append("how bright the brightest pictures are (HDR10's figures) is not written; the HDR colours are")
    if film.pixel_aspect not in (None, 1) and encoding.codec not in ASPECT_KEPT:
        notes.append(f"the shape of its pixels ({film.pixel_aspect}) is not written by {encoding.codec}")
    if film.rotation and not hasattr(pyav().video.stream.VideoStream, "set_display_rotation"):
        notes.append(f"its rotation by {film.rotation}° is not written: that needs PyAV 18")
    return tuple(notes)
