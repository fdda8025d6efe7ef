"""What lies beside a film that is being made, so that it can be gone on with whatever happens.

A folder named after the target holds `job.json` (what is made of what), `faces.jsonl` (a line for each frame that was
looked at) and the pictures that are done, coded, in segments. Segments appear whole or not at all.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..atomic_file import replacing
from ..faces.face import Face
from ..image.cuts import Change

SEGMENT = 120
"""Frames of a segment: what is lost at most when the power goes."""


class Parts:
    """The folder of one target. What another job has left in it is removed."""

    def __init__(self, target: Path, job: Mapping[str, Any]):
        """`job` says all that the result depends on; only what was made for the same one is gone on with."""
        self.folder = target.parent / f".{target.name}.gpen-parts"
        record = json.dumps(job, indent=1, sort_keys=True, default=str)
        known = self.folder / "job.json"
        if not known.is_file() or known.read_text(encoding="utf-8") != record:
            self.remove()
            self.folder.mkdir(parents=True)
            with replacing(known) as temporary:
                temporary.write_text(record, encoding="utf-8")

    def segment(self, number: int) -> Path:
        """Where the coded pictures of a segment lie, or will."""
        return self.folder / f"{number:06d}"

    @property
    def faces(self) -> Path:
        """Where the faces of each frame are told."""
        return self.folder / "faces.jsonl"

    def remove(self) -> None:
        """The folder is not needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Seen:
    """What was seen in a frame."""

    def __init__(self, pts: int, change: Change, faces: list[Face]):
        """`pts` is the frame's time stamp in ticks of the film, `change` how much it differs from those before."""
        self.pts, self.change, self.faces = pts, change, faces

    def to_line(self) -> str:
        """As it is written down; figures come back as they were."""
        faces = [
            {"box": face.box, "landmarks": np.asarray(face.landmarks, np.float64).tolist(), "score": face.score,
             "sharpness": face.sharpness, "outcome": str(face.outcome)}
            for face in self.faces
        ]  # fmt: skip
        return json.dumps({"pts": self.pts, "change": self.change, "faces": faces}, default=float) + "\n"

    @classmethod
    def from_line(cls, line: str, frame: int) -> "Seen":
        """Read back. Raises `ValueError` for a line that was not written to its end."""
        told = json.loads(line)
        faces = [
            Face(frame, tuple(one["box"]), np.asarray(one["landmarks"]), one["score"], sharpness=one["sharpness"])
            for one in told["faces"]
        ]
        return cls(told["pts"], Change(*told["change"]), faces)


END = "end\n"
"""The last line once all frames were looked at."""


def read_seen(path: Path) -> tuple[list[Seen], bool]:
    """What was seen so far, frame by frame, and whether that is all of the film; a line cut off is left out."""
    seen: list[Seen] = []
    if not path.is_file():
        return seen, False
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line == END:
                return seen, True
            if not line.endswith("\n"):
                break
            seen.append(Seen.from_line(line, len(seen)))
    return seen, False


@contextmanager
def continued(path: Path, seen: list[Seen]) -> Iterator[TextIO]:
    """The file to write further lines to, after those that are whole."""
    with path.open("a+", encoding="utf-8") as file:
        file.seek(0)
        for _ in seen:
            file.readline()
        file.truncate(file.tell())
        file.seek(0, 2)
        yield file
