"""The coded pictures of a film and all else that its source carried, in one file."""

import heapq
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from functools import cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from ..errors import SettingError, VideoError
from .pyav import pyav
from .source import Film, is_cover, open_film, pictures_of

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""What a film may be written as, and FFmpeg's name for it."""
# So that a film begins to play before it is loaded.
OPTIONS = {"mp4": {"movflags": "faststart"}, "mov": {"movflags": "faststart"}}
CALLED = {"subtitle": "subtitles", "audio": "sound", "attachment": "an attachment", "video": "further pictures"}


def ending_for(source: PurePath) -> str:
    """What the name of a film's result ends with: as its source's where that can be written, else .mkv."""
    ending = source.suffix.lower()
    return ending if ending in MUXERS else ".mkv"  # which holds nearly any sound


class Segment(NamedTuple):
    """Coded pictures in a file of their own, whose time stamps begin at 0."""

    path: Path
    start: int
    """Its first time stamp in the film, in the film's ticks."""


@cache
def codecs_of(muxer: str) -> frozenset[str]:
    """The codecs that a container, by its FFmpeg name, can hold."""
    with pyav().open(io.BytesIO(), "w", format=muxer) as container:
        return frozenset(container.supported_codecs)


def left_out(film: Film, target: Path) -> tuple[str, ...]:
    """What the target cannot hold of the film, in words for people.

    Raises `SettingError` where it cannot hold the sound: a film without it is no result.
    """
    notes: list[str] = []
    with open_film(film.path) as source:
        kept = _kept(source, codecs_of(MUXERS[target.suffix.lower()]))
        for stream in source.streams:
            if stream in kept or stream == pictures_of(source) or _tells_chapters(stream):
                continue
            if stream.type == "audio":
                raise SettingError(
                    f"a {target.suffix} cannot hold the sound of {film.path.name} ({_codec(stream)}) as it is; "
                    "write an .mkv, which holds nearly any"
                )
            called = "the cover" if is_cover(stream) else CALLED.get(stream.type, "data")
            notes.append(f"{called} ({_codec(stream) or 'of unknown kind'}) left out: a {target.suffix} cannot hold it")
    return tuple(notes)


def _kept(source: Any, known: frozenset[str]) -> list[Any]:
    """The streams that are copied as they are."""
    main = pictures_of(source)
    return [
        stream
        for stream in source.streams
        if stream != main and stream.type in ("audio", "subtitle", "video") and _codec(stream) in known
    ]


def _tells_chapters(stream: Any) -> bool:
    """Whether a stream only says what the chapters are called, as .mp4 and .mov do; they are written anyway."""
    return stream.type == "data" and stream.metadata.get("handler_name") == "SubtitleHandler" and not _codec(stream)


def _codec(stream: Any) -> str:
    return getattr(getattr(stream, "codec_context", None), "name", "")


def join(film: Film, segments: Sequence[Segment], path: Path, muxer: str) -> None:
    """Write `path`: the pictures of the segments, and what else the film's file carried, packet by packet as it is.

    Raises `VideoError` where FFmpeg cannot.
    """
    av = pyav()
    try:
        with ExitStack() as stack:
            source = stack.enter_context(open_film(film.path))
            first = stack.enter_context(av.open(str(segments[0].path)))
            target = stack.enter_context(av.open(str(path), "w", format=muxer, options=OPTIONS.get(muxer, {})))
            pictures = _copied(target, first.streams.video[0], pictures_of(source))
            if film.rotation and hasattr(pictures, "set_display_rotation"):
                pictures.set_display_rotation(film.rotation)
            others = {stream.index: _copied(target, stream, stream) for stream in _kept(source, codecs_of(muxer))}
            target.metadata.update(source.metadata)
            target.set_chapters(source.chapters())
            _write(target, source, segments, film.time_base, pictures, others)
    except av.error.FFmpegError as error:
        raise VideoError(f"the film cannot be put together as {muxer}: {error}") from error


def _copied(target: Any, template: Any, told: Any) -> Any:
    """A stream like `template`, with the ticks, language and role of `told`."""
    stream = target.add_stream_from_template(template)
    stream.time_base = told.time_base
    stream.metadata.update(told.metadata)
    stream.disposition = told.disposition
    return stream


def _write(
    target: Any, source: Any, segments: Sequence[Segment], tick: Fraction, pictures: Any, others: dict[int, Any]
) -> None:
    """Packets by their time, so that the file can be played while it is read and nothing piles up."""
    streams = [_packets_of_segments(segments, tick, pictures)]
    if others:
        streams.append(_packets_of_source(source, others))
    for packet in heapq.merge(*streams, key=_seconds):
        target.mux(packet)


def _seconds(packet: Any) -> Fraction:
    return packet.dts * packet.time_base


def _packets_of_source(source: Any, others: dict[int, Any]) -> Iterator[Any]:
    for packet in source.demux([source.streams[index] for index in others]):
        if packet.size == 0:  # what tells a decoder that this is all
            continue
        if packet.dts is None:
            packet.dts = packet.pts or 0
        packet.stream = others[packet.stream.index]
        yield packet


def _packets_of_segments(segments: Sequence[Segment], tick: Fraction, pictures: Any) -> Iterator[Any]:
    last: Fraction | None = None
    for segment in segments:
        with pyav().open(str(segment.path)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size == 0:
                    continue
                start = round(segment.start * tick / packet.time_base)
                packet.pts, packet.dts = packet.pts + start, packet.dts + start
                # Pictures are coded ahead of their time, at the beginning of a segment perhaps before the last one's.
                if last is not None and _seconds(packet) <= last:
                    packet.dts = int(last / packet.time_base) + 1
                last = _seconds(packet)
                packet.stream = pictures
                yield packet
