"""The second way through a film: each frame with its restored faces, coded in segments."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from ..atomic_file import replacing
from ..errors import VideoError
from ..faces.face import Face, Faces
from ..paste.compose import paste_frame
from ..paste.parsers import Parser
from ..paste.settings import PasteSettings
from ..progress import Progress
from ..restore.faces import FaceStream
from ..restore.settings import RestoreSettings
from ..restorers.protocol import Restorer
from .encoding import Encoding, add_pictures
from .join import Segment
from .parts import SEGMENT, Parts, Seen
from .pixels import changed, to_picture, unchanged
from .pyav import pyav
from .source import Film, frames_of


@dataclass(frozen=True, eq=False)
class Work:
    """What becomes of a film."""

    film: Film
    seen: Sequence[Seen]
    faces: Faces
    """Those that are restored, frame by frame."""
    model: Restorer
    restore: RestoreSettings
    paste: PasteSettings
    parser: Parser | None
    encoding: Encoding

    @property
    def reach(self) -> int:
        """How many frames away another frame may help one."""
        return 2 * max((face.neighbours for face in self.faces), default=0)


class Window:
    """The frames of a film, decoded as they are asked for; those that may be asked for again are kept."""

    def __init__(self, film: Film, seen: Sequence[Seen]):
        self.film, self.seen, self.oldest = film, seen, 0
        self._decoded = enumerate(frames_of(film))
        self._kept: dict[int, Any] = {}
        # One that faces are cut out of, and one that they are pasted into.
        self._pictures = lru_cache(2)(lambda index: to_picture(self.frame(index)))

    def forget_before(self, oldest: int) -> None:
        """No frame before this one is asked for again."""
        self.oldest = oldest
        for index in [index for index in self._kept if index < oldest]:
            del self._kept[index]

    def frame(self, index: int) -> Any:
        """A frame as it was decoded. Raises `VideoError` where the film is not the one that was looked through."""
        while index not in self._kept:
            number, frame = next(self._decoded, (-1, None))
            if frame is None or number >= len(self.seen) or frame.pts != self.seen[number].pts:
                raise VideoError(f"{self.film.path} is another film than when its faces were looked for; begin again")
            if number >= self.oldest:
                self._kept[number] = frame
        return self._kept[index]

    def picture(self, index: int) -> Tensor:
        """A frame upright: (H, W, 3) in 0..1."""
        return self._pictures(index)


def write_segments(work: Work, parts: Parts, on_progress: Progress | None) -> list[Segment]:
    """The coded pictures of the whole film; segments that are there are not made again."""
    window = Window(work.film, work.seen)
    stream = FaceStream(work.model, window.picture, work.faces, work.restore)
    faces_in = Counter(face.frame for face in work.faces)
    segments: list[Segment] = []
    for number, first in enumerate(range(0, len(work.seen), SEGMENT)):
        segment = Segment(parts.segment(number), work.seen[first].pts)
        segments.append(segment)
        if segment.path.is_file():
            continue
        window.forget_before(first - work.reach)
        frames = range(first, min(first + SEGMENT, len(work.seen)))
        # Begun anew for each segment, so that batches are the same whether or not the work was interrupted.
        restored = stream.restored(frames.start, frames.stop)
        faces = ([next(restored) for _ in range(faces_in[frame])] for frame in frames)
        with replacing(segment.path) as temporary:
            _encode(work, window, frames, faces, temporary, on_progress)
    return segments


def _encode(
    work: Work,
    window: Window,
    frames: range,
    restored: Iterator[list[Face]],
    path: Path,
    on_progress: Progress | None,
) -> None:
    """Write frames, each with its restored faces, into a file of their own whose time begins at 0."""
    av = pyav()
    start: int | None = None
    try:
        with av.open(str(path), "w", format=work.encoding.muxer) as container:
            pictures = add_pictures(container, work.film, work.encoding)
            for index, faces in zip(frames, restored, strict=True):
                start = work.seen[index].pts if start is None else start
                frame = _finished(work, window, index, faces)
                # The encoder chooses its own key frames, not those of the source.
                frame.pict_type, frame.time_base, frame.pts = 0, work.film.time_base, work.seen[index].pts - start
                container.mux(_in_order(pictures.encode(frame), frames))
                window.forget_before(index + 1 - work.reach)
                if on_progress:
                    on_progress(len(work.seen) + index + 1, 2 * len(work.seen))
            container.mux(_in_order(pictures.encode(None), frames))
    except av.error.FFmpegError as error:
        raise VideoError(f"the codec {work.encoding.codec} failed on {work.film.path.name}: {error}") from error


def _in_order(packets: list[Any], frames: range) -> list[Any]:
    """Coded pictures; of a single frame x265 tells no time at which it is to be decoded, but what lay in memory."""
    for packet in packets if len(frames) == 1 else ():
        packet.dts = packet.pts
    return packets


def _finished(work: Work, window: Window, index: int, faces: list[Face]) -> Any:
    """A frame as it goes to the encoder."""
    frame, pixel_format = window.frame(index), work.encoding.pixel_format
    if all(face.crop is None for face in faces):
        return unchanged(frame, pixel_format)
    image, shares = paste_frame(window.picture(index), faces, work.paste, parser=work.parser)
    return changed(frame, image, shares, pixel_format) if shares.any() else unchanged(frame, pixel_format)
