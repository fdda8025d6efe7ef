"""Faces followed through a clip: which are one, where it is by the word of all frames, and how it comes and goes."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from ..options import settled
from .alignment import Points
from .boxes import area, common_area
from .face import Box, Face, Faces, Outcome
from .settings import TrackSettings

# Two faces are one where the part of their boxes that they do not share, and the distance of their landmarks in sizes
# of the face, come to less than this together: at 1.3 a face may move by half of its size between two frames.
FURTHEST = 1.3
# At a smoothing of 1: σ, in frames, of what is averaged over time, and how many crops on either side are.
MOST_SIGMA = 4.0
MOST_NEIGHBOURS = 8
# Where another face covers more than this of the box in which a face is missed, that face is behind it.
HIDDEN = 0.25
# In sizes of the face: a smoothed face further than this from where it was seen has jumped, and is left where it was.
JUMP = 0.04


@dataclass
class _Track:
    faces: list[Face] = field(default_factory=list)

    def expected(self, frame: int) -> tuple[Box, Points]:
        """Where its face should be in a frame: as it moved last, it moves on."""
        last, before = self.faces[-1], self.faces[-2 if len(self.faces) > 1 else -1]
        passed = last.frame - before.frame
        speed = (last.landmarks - before.landmarks).mean(0) / passed if passed else np.zeros(2)
        moved = speed * (frame - last.frame)
        left, top, right, bottom = (np.asarray(last.box).reshape(2, 2) + moved).ravel().tolist()
        return (left, top, right, bottom), last.landmarks + moved


def track_faces(faces: Faces, settings: TrackSettings | None = None, **changes: Any) -> Faces:
    """Take the pictures of a batch for the frames of a clip and follow each face through it.

    Args:
        faces: what was found in each frame.
        settings: how calm they become, what is filled in and what is left out.
        **changes: single settings by name, as in `track_faces(faces, smoothing=0.8)`.

    A scene cut, as `find_faces` tells it, ends all tracks. A face that goes behind another is gone until it is found,
    and so it is in a flash or a dropped frame.

    Returns them frame by frame, each with the number of its `track`. Raises `SettingError` for a setting that
    cannot be.
    """
    settings = settled(TrackSettings, settings, changes)
    tracks = [track.faces for track in _tracks(faces, settings.max_gap) if len(track.faces) >= settings.min_length]
    done = [face for face in faces if face.problem]
    found = _boxes_by_frame(tracks)
    neighbours = round(settings.smoothing * MOST_NEIGHBOURS)
    for number, track in enumerate(tracks, 1):
        for run in _runs(_seen(track, found, faces.flashes)):
            comes, goes = (_on_its_own(faces, frame) for frame in (run[0].frame, run[-1].frame + 1))
            weights = _fades(len(run), settings.fade, comes, goes)
            done += [
                replace(face, track=number, weight=float(weight), neighbours=neighbours)
                for face, weight in zip(_smoothed(run, settings.smoothing), weights, strict=True)
            ]
    return faces.with_faces(done).by_frame()


def count_tracks(faces: Faces) -> int:
    """How many different faces a tracked clip has."""
    return len({face.track for face in faces if face.track is not None})


def _on_its_own(faces: Faces, frame: int) -> bool:
    """Whether what is seen from this frame on, or was until it, came or went on its own.

    At the ends of the clip, where the scene is cut and in a flash, all comes and goes at once.
    """
    return 0 < frame < faces.frames and frame not in faces.cuts and not {frame - 1, frame} & set(faces.flashes)


def _boxes_by_frame(tracks: list[list[Face]]) -> dict[int, list[Box]]:
    """For each frame, the boxes of the faces that were found in it."""
    boxes: dict[int, list[Box]] = defaultdict(list)
    for face in chain.from_iterable(tracks):
        boxes[face.frame].append(face.box)
    return boxes


def _is_hidden(filled: Face, found: list[Box]) -> bool:
    """Whether a face that was not found in its frame is behind one that was: what is seen there is the other."""
    return any(common_area(filled.box, box) > HIDDEN * area(filled.box) for box in found)


def _tracks(faces: Faces, max_gap: int) -> list[_Track]:
    """Which faces are one, decided frame by frame; the nearest pairs first. A scene cut ends all of them."""
    tracks: list[_Track] = []
    by_frame: dict[int, list[Face]] = defaultdict(list)
    for face in faces:
        if face.problem is None:
            by_frame[face.frame].append(face)
    cuts = sorted(faces.cuts)
    open_tracks: list[_Track] = []
    for frame in sorted(by_frame):
        here = by_frame[frame]
        scene = cuts[bisect_right(cuts, frame) - 1] if cuts and frame >= cuts[0] else 0
        earliest = max(scene, frame - max_gap - 1)
        open_tracks = [track for track in open_tracks if track.faces[-1].frame >= earliest]
        expected = [track.expected(frame) for track in open_tracks]
        costs = {
            (i, j): cost
            for i, place in enumerate(expected)
            for j, face in enumerate(here)
            if (cost := _cost(*place, face)) < FURTHEST
        }
        taken: dict[int, int] = {}
        for i, j in sorted(costs, key=lambda pair: costs[pair]):
            if j not in taken and i not in taken.values():
                taken[j] = i
        started: list[_Track] = []
        for j, face in enumerate(here):
            if j in taken:
                open_tracks[taken[j]].faces.append(face)
            else:
                started.append(_Track([face]))
        tracks += started
        open_tracks += started
    return tracks


def _cost(box: Box, landmarks: Points, face: Face) -> float:
    """How unlike a face is to what was expected: 0 for the same place, 1 and more where the boxes do not meet."""
    a, b = np.asarray(box), np.asarray(face.box)
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(sides.clip(min=0).prod())
    union = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - shared
    distance = float(np.linalg.norm(landmarks - face.landmarks, axis=1).mean()) / face.size
    return 1 - shared / union + distance


def _seen(track: list[Face], found: Mapping[int, list[Box]], flashes: Sequence[int]) -> Iterator[Face]:
    """A track without gaps but those in which its face is behind another, or in a flash.

    `found` are the boxes of each frame.
    """
    own = {face.frame for face in track}
    for face in _filled(track):
        gone = face.frame in flashes or _is_hidden(face, found.get(face.frame, []))
        if face.frame in own or not gone:
            yield face


def _filled(track: list[Face]) -> Iterator[Face]:
    """A face for every frame of the track; where it was missed, on the straight line between those around it."""
    for before, after in zip(track, [*track[1:], None], strict=True):
        yield before
        for frame in range(before.frame + 1, after.frame if after else 0):
            assert after is not None
            yield _face_between(before, after, frame)


def _face_between(before: Face, after: Face, frame: int) -> Face:
    share = (frame - before.frame) / (after.frame - before.frame)
    left, top, right, bottom = _between(np.asarray(before.box), np.asarray(after.box), share).tolist()
    return Face(
        frame,
        (left, top, right, bottom),
        _between(before.landmarks, after.landmarks, share),
        min(before.score, after.score),
        outcome=Outcome("filled in"),
        sharpness=_sharpness_between(before, after, share),
    )


def _runs(track: Iterable[Face]) -> list[list[Face]]:
    """A track in runs of frames that follow each other: it is seen, hidden, and seen again."""
    runs: list[list[Face]] = []
    for face in track:
        if runs and runs[-1][-1].frame + 1 == face.frame:
            runs[-1].append(face)
        else:
            runs.append([face])
    return runs


def _sharpness_between(before: Face, after: Face, share: float) -> float | None:
    if before.sharpness is None or after.sharpness is None:
        return None
    return before.sharpness + share * (after.sharpness - before.sharpness)


def _between(a: npt.NDArray, b: npt.NDArray, share: float) -> npt.NDArray:
    return a + share * (b - a)


def _smoothed(track: list[Face], smoothing: float) -> list[Face]:
    """The landmarks of each frame on a line fitted to those around it.

    A line and not a mean, so that a face that moves evenly stays where it is, at the ends of its track as well.
    """
    if smoothing == 0 or len(track) < 3:
        return track
    sigma = smoothing * MOST_SIGMA
    points = np.stack([face.landmarks for face in track]).reshape(len(track), -1)
    radius = int(np.ceil(3 * sigma))
    smooth: list[Face] = []
    for i, face in enumerate(track):
        near = slice(max(0, i - radius), i + radius + 1)
        time = np.arange(len(track))[near] - i
        root = np.exp(-((time / sigma) ** 2) / 4)[:, None]
        lines = np.linalg.lstsq(np.column_stack([np.ones(len(time)), time]) * root, points[near] * root, rcond=None)[0]
        fitted = lines[0].reshape(-1, 2)
        jump = float(np.linalg.norm((fitted - face.landmarks).mean(0))) / face.size
        landmarks = _between(face.landmarks, fitted, 1 / (1 + (jump / JUMP) ** 4))
        smooth.append(replace(face, landmarks=landmarks))
    return smooth


def _fades(frames: int, fade: int, appears: bool, goes: bool) -> npt.NDArray[np.floating]:
    """The weight of each frame of a track."""
    ramp = np.arange(1, frames + 1) / (fade + 1)
    weights = np.ones(frames)
    if appears:
        weights = np.minimum(weights, ramp)
    if goes:
        weights = np.minimum(weights, ramp[::-1])
    return weights
