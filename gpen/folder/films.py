"""The films among the files of a run: done by what is handed in, and written down like the pictures."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from ..errors import SettingError
from ..faces.face import Face, Faces
from ..faces.report import describe
from .plan import Job
from .record import Entry, Record
from .result import FAILED, RESTORED, Result, failure, told_of
from .store import LocalStore


class RestoredFilm(Protocol):
    """What `restore_video` gives."""

    @property
    def frames(self) -> int: ...

    @property
    def faces(self) -> Faces: ...

    @property
    def notes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Films:
    """How the films of a run are done."""

    restore: Callable[[Path, Path], RestoredFilm]
    """from source to target, which appears whole or not at all"""
    settings: Mapping[str, Any]
    """what a film depends on beside the settings of the run, in values that JSON knows"""


def restored_film(job: Job, films: Films, record: Record, settings: str, run: str = "") -> Result:
    """Restore one film and write it down; a failure is a result as well.

    Args:
        settings: their fingerprint.
        run: a name of the run, for the record.

    Raises what would fail for every file alike, and `SettingError` where this one is all that is to be done: in a
    folder it is this film that does not fit the settings, and others may.
    """
    source, target, store = Path(job.source), Path(job.target), LocalStore()
    started = time.monotonic()
    try:
        before = store.told(source)
        done = films.restore(source, target)
        faces, report = tuple(_told(done.faces)), f"{done.frames} frames, {describe(done.faces)}"
        result = Result(job, RESTORED, "", faces, report, done.notes, time.monotonic() - started)
        entry = Entry(job.place.as_posix(), str(source), *before, store.told(target)[0], settings, (), result.told, run)
    except Exception as error:
        alone = record.folder is None
        why = str(error) if isinstance(error, SettingError) and not alone else failure(error)
    else:
        record.add(entry)
        return result
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return Result(job, FAILED, why)


def _told(faces: Faces) -> Iterator[dict[str, Any]]:
    """One entry for each face that was followed, where it is first seen: a film has too many to tell of each frame."""
    first: dict[object, Face] = {}
    for number, face in enumerate(faces):
        first.setdefault(number if face.track is None else face.track, face)
    frames = Counter(face.track for face in faces)
    for face in first.values():
        yield told_of(face, face.frame) | {"outcome": "restored", "why": f"in {frames[face.track]} frames"}
