"""What became of one picture or film of a run."""

import errno
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import GPENError, PictureError, SettingError, is_out_of_memory
from ..faces.face import Face
from .plan import Job
from .record import Entry

log = logging.getLogger(__name__)

RESTORED, UNCHANGED, SKIPPED, FAILED = "restored", "unchanged", "skipped", "failed"


@dataclass(frozen=True)
class Result:
    """What became of one picture or film."""

    job: Job
    kind: str
    """`RESTORED`, `UNCHANGED` (copied byte for byte), `SKIPPED` (done by an earlier run) or `FAILED`"""
    why: str = ""
    """of a failure"""
    faces: tuple[Mapping[str, Any], ...] = ()
    """see `told_of`"""
    report: str = ""
    """the same for people; see `describe`"""
    lost: tuple[str, ...] = ()
    """what the source carried and the result does not, in words"""
    seconds: float = 0.0

    @property
    def told(self) -> dict[str, Any]:
        """What a report says of it, and the record keeps."""
        return {
            "kind": self.kind,
            "faces": list(self.faces),
            "lost": list(self.lost),
            "seconds": round(self.seconds, 3),
        }


def failure(error: Exception) -> str:
    """Why a picture failed, in one line. Raises the error where it would be the same for every picture."""
    if isinstance(error, SettingError):
        raise error
    if disk_is_full(error):
        raise PictureError(f"{error}. Free some space and run again: it goes on from here.") from error
    if isinstance(error, GPENError):
        return " ".join(str(error).split())
    if is_out_of_memory(error):
        return "there is not enough memory for it; try it alone with --memory low, or make it smaller"
    log.debug("unexpected", exc_info=error)
    return f"something unexpected happened ({type(error).__name__}: {' '.join(str(error).split())})"


def told_of(face: Face, frame: int = 0) -> dict[str, Any]:
    """A face in values that JSON knows."""
    return {
        "frame": frame,
        "number": face.number,
        "box": [round(float(side), 2) for side in face.box],
        "score": round(float(face.score), 4),
        "sharpness": None if face.sharpness is None else round(float(face.sharpness), 1),
        "outcome": face.outcome.kind,
        "why": face.outcome.why,
    }


def skipped(job: Job, entry: Entry) -> Result:
    """The result of a job that was done before."""
    told = entry.told
    return Result(job, SKIPPED, "", tuple(told.get("faces", ())), "", tuple(told.get("lost", ())))


def disk_is_full(error: BaseException | None) -> bool:
    """Whether an error says that there is no room on the disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False
