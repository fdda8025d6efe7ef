"""A film as it lies in its file: what it is, and its frames in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import VideoError
from .pyav import pyav

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv")
"""What the names of films end with."""


@dataclass(frozen=True)
class Film:
    """What a film's file and its first frame tell."""

    path: Path
    width: int
    """Of the frames as they are coded, before they are turned upright."""
    height: int
    rotation: int
    """By how many degrees, anticlockwise, its frames are turned to be shown."""
    time_base: Fraction
    """Seconds of one tick of its time stamps."""
    rate: Fraction
    """Frames a second, on average."""
    frames: int | None
    """How many frames it has, where its file says so; only reading it tells for certain."""
    pixel_format: str
    bits: int
    """Of a channel."""
    pixel_aspect: Fraction | None
    colors: tuple[int, int, int, int]
    """FFmpeg's numbers for range, matrix, primaries and transfer."""
    interlaced: bool
    graded: bool
    """Whether it carries figures on how bright its brightest pictures are, as HDR10 does."""


def open_film(path: Path) -> Any:
    """The file, opened by PyAV. Raises `VideoError` where it is no film or cannot be read."""
    av = pyav()
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(f"{path} cannot be opened as a film: {error}") from error
    if not pictures_of(container):
        container.close()
        raise VideoError(f"{path} has no moving pictures in it")
    return container


def pictures_of(container: Any) -> Any:
    """The stream of moving pictures, or None: a cover is none."""
    streams = [stream for stream in container.streams.video if not is_cover(stream)]
    return streams[0] if streams else None


def is_cover(stream: Any) -> bool:
    """Whether a stream holds a single picture that stands for the film."""
    return bool(stream.disposition & stream.disposition.attached_pic)


def look_at(path: Path) -> Film:
    """What a film's file says of it. Raises `VideoError`."""
    av = pyav()
    with open_film(path) as container:
        stream = pictures_of(container)
        try:
            frame = next(container.decode(stream), None)
        except av.error.FFmpegError as error:
            raise VideoError(f"{path} is damaged: its first picture cannot be decoded ({error})") from error
        if frame is None:
            raise VideoError(f"{path} has no pictures in it")
        context = stream.codec_context
        return Film(
            path,
            frame.width,
            frame.height,
            round(frame.rotation),
            stream.time_base,
            stream.average_rate or stream.guessed_rate or Fraction(25),
            stream.frames or None,
            frame.format.name,
            max(component.bits for component in frame.format.components),
            stream.sample_aspect_ratio or None,
            (context.color_range, context.colorspace, context.color_primaries, context.color_trc),
            bool(frame.interlaced_frame),
            any("MASTERING" in str(data.type) for data in frame.side_data),
        )


def frames_of(film: Film) -> Iterator[Any]:
    """The decoded frames of a film in the order they are shown. Raises `VideoError` where it is damaged."""
    av = pyav()
    with open_film(film.path) as container:
        stream = pictures_of(container)
        stream.thread_type = "AUTO"
        last: int | None = None
        try:
            for frame in container.decode(stream):
                if (frame.width, frame.height) != (film.width, film.height):
                    raise VideoError(
                        f"{film.path}: its pictures change from {film.width}×{film.height} to "
                        f"{frame.width}×{frame.height} at {frame.time:.1f} s; split it there first"
                    )
                last = frame.pts = _stamp(frame, last, film)
                yield frame
        except av.error.FFmpegError as error:
            at = 0.0 if last is None else float(last * film.time_base)
            raise VideoError(f"{film.path} is damaged after {at:.1f} s: {error}") from error


def _stamp(frame: Any, last: int | None, film: Film) -> int:
    """The time stamp of a frame, later than the last one's whatever the file says: no file can hold others."""
    tick = max(1, round(1 / (film.rate * film.time_base)))
    if frame.pts is None:
        return 0 if last is None else last + tick
    return frame.pts if last is None else max(frame.pts, last + 1)
