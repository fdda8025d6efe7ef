"""Films that PyAV makes in the test: a portrait that a hand holds, with a tone."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from .photograph import photograph

Pixels = npt.NDArray[np.uint8]
TICK = Fraction(1, 12800)
FRAME = 512


class Shaken(Sequence[Pixels]):
    """A picture that is moved a little from frame to frame, each made when it is asked for."""

    def __init__(self, picture: Pixels, frames: int, seed: int = 0):
        self.picture = picture
        self.moves = np.random.default_rng(seed).integers(-2, 3, (frames, 2))

    def __len__(self) -> int:
        return len(self.moves)

    def __getitem__(self, index: Any) -> Any:
        return np.roll(self.picture, self.moves[index], axis=(0, 1))


def shaken(frames: int, side: int = 96, seed: int = 0) -> list[Pixels]:
    """The head of `photograph`, `side` pixels high and wide, moved a little from frame to frame."""
    picture = np.asarray(cv2.resize(photograph(), (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    return list(Shaken(picture, frames, seed))


def write_film(
    path: Path,
    pictures: Sequence[Pixels],
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
    stamps: Sequence[int] | None = None,
    rotation: int = 0,
    colors: tuple[int, int, int, int] = (1, 1, 1, 1),
    aspect: Fraction = Fraction(1),
    sound: str | None = "aac",
    subtitles: bool = False,
) -> Path:
    """Write a film; `stamps` are its time stamps in ticks of 1/12800 s, by default 25 frames a second."""
    height, width, _ = pictures[0].shape
    stamps = stamps or [FRAME * index for index in range(len(pictures))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        context = stream.codec_context
        context.time_base, context.sample_aspect_ratio = TICK, aspect
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = colors
        if rotation:
            stream.set_display_rotation(rotation)
        tone = container.add_stream(sound, rate=48000, layout="mono") if sound else None
        words = container.add_stream("mov_text") if subtitles else None
        assert words is None or subtitles
        container.metadata["title"] = "A film"
        container.set_chapters(
            [{"id": 0, "start": 0, "end": 400, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}}]
        )
        for picture, stamp in zip(pictures, stamps, strict=True):
            container.mux(stream.encode(_frame(picture, stamp, pixel_format, colors)))
        container.mux(stream.encode(None))
        if tone:
            _write_tone(container, tone, stamps[-1] * TICK)
    return path


def _frame(picture: Pixels, stamp: int, pixel_format: str, colors: tuple[int, int, int, int]) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame = frame.reformat(format=pixel_format, dst_colorspace=colors[1], dst_color_range=colors[0])
    frame.pts, frame.time_base = stamp, TICK
    return frame


def _write_tone(container: Any, stream: Any, seconds: Fraction) -> None:
    """A tone of 440 Hz."""
    samples = (np.sin(np.arange(int(seconds * 48000)) * 2 * np.pi * 440 / 48000) * 8000).astype(np.int16)
    for start in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def decoded(path: Path) -> list[av.VideoFrame]:
    """All frames of a film."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def pixels_of(path: Path) -> Pixels:
    """(N, H, W, 3)"""
    return np.asarray([frame.to_ndarray(format="rgb24") for frame in decoded(path)], np.uint8)


def stamps_of(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        return [_stamp(frame) for frame in container.decode(video=0)]


def _stamp(frame: av.VideoFrame) -> Fraction:
    assert frame.pts is not None and frame.time_base is not None
    return frame.pts * frame.time_base


def sound_of(path: Path) -> list[bytes]:
    """The coded packets of the sound."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]
