"""The first way through a film: which faces its frames have."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, islice

import numpy as np
import torch

from ..faces.detect import find_faces
from ..faces.detectors import Detector
from ..faces.face import Faces
from ..faces.settings import DetectSettings
from ..image.cuts import Changes, flashes, scene_cuts
from ..progress import Progress
from .parts import END, Parts, Seen, continued, read_seen
from .pixels import to_pixels
from .source import Film, frames_of

# A detector that likes many pictures at once is given no more frames than this.
MOST_AT_ONCE = 8


def detect_in_film(
    film: Film, detector: Detector, detect: DetectSettings | None, parts: Parts, on_progress: Progress | None
) -> list[Seen]:
    """What is seen in each frame, each told in the parts' file at once."""
    seen, complete = read_seen(parts.faces)
    if complete:
        return seen
    total = 2 * film.frames if film.frames else None
    with continued(parts.faces, seen) as file:
        for one in _seen_from(film, detector, detect, len(seen)):
            file.write(one.to_line())
            file.flush()
            seen.append(one)
            if on_progress:
                on_progress(len(seen), total)
        file.write(END)
    return read_seen(parts.faces)[0]


def _seen_from(film: Film, detector: Detector, detect: DetectSettings | None, first: int) -> Iterator[Seen]:
    """What is seen in each frame from `first` on."""
    changes = Changes()
    at_once = max(1, min(detector.at_once, MOST_AT_ONCE))
    decoded = frames_of(film)
    for begin in count(step=at_once):
        frames = list(islice(decoded, at_once))
        if not frames:
            return
        if begin + len(frames) <= first - 2:
            continue  # the last two that were seen before tell how much the next differs
        pixels = [to_pixels(frame) for frame in frames]
        differ = [changes.of(picture) for picture in pixels]
        if begin + len(frames) <= first:
            continue
        found = find_faces(torch.from_numpy(np.stack(pixels)).float() / 255, detector, detect)
        for index, frame in enumerate(frames):
            if begin + index >= first:
                yield Seen(frame.pts, differ[index], found.of_frame(index))


def faces_of(film: Film, seen: Sequence[Seen]) -> Faces:
    """The faces of the whole film."""
    sides = (film.width, film.height) if film.rotation % 180 == 0 else (film.height, film.width)
    faces = [replace(face, frame=frame) for frame, one in enumerate(seen) for face in one.faces]
    changes = [one.change for one in seen]
    return Faces(tuple(faces), *sides, len(seen), scene_cuts(changes), flashes(changes))
