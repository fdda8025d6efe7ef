"""What became of each face: facts for a page to lay out, and the same in a few lines for people."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from .face import Face, Faces, OutcomeKind


@dataclass(frozen=True)
class FaceReport:
    """One face, in whole pixels of its picture."""

    number: int
    """In its picture, from 1."""
    picture: int
    """In its batch, from 1."""
    kind: OutcomeKind
    why: str
    """Perhaps empty."""
    width: int
    height: int
    left: int
    top: int
    score: float
    sharpness: int | None
    """None where nobody has measured it."""

    def text(self, pictures: int) -> str:
        """One line, what became of it first; it names the picture where there are several."""
        where = f"{self.width}×{self.height} px at ({self.left}, {self.top})"
        where += f" in picture {self.picture}" if pictures > 1 else ""
        sharp = [] if self.sharpness is None else [f"sharpness {self.sharpness}"]
        why = [self.why] if self.why else []
        return " · ".join([f"#{self.number} {self.kind}", where, *sharp, f"score {self.score:.2f}", *why])


@dataclass(frozen=True)
class Report:
    """What became of the faces of a batch; as a string, one line of counts, then a line a face."""

    faces: tuple[FaceReport, ...] = ()
    pictures: int = 1
    tracks: int = 0
    message: str = ""
    """What is to be said in the place of the faces."""

    @property
    def counts(self) -> dict[str, int]:
        """How many faces have met with what, those that were only found left out."""
        counts = Counter(face.kind for face in self.faces)
        return {kind: count for kind, count in counts.items() if kind != "found"}

    def __str__(self) -> str:
        if self.message:
            return self.message
        if not self.faces:
            return "no face found" if self.pictures == 1 else f"no face found in {self.pictures} pictures"
        count = f"{len(self.faces)} face{'s' * (len(self.faces) != 1)} found"
        if self.tracks:
            count += f" in {self.tracks} track{'s' * (self.tracks != 1)}"
        done = [f"{number} {kind}" for kind, number in self.counts.items()]
        return "\n".join([", ".join([count, *done]), *(face.text(self.pictures) for face in self.faces)])

    def facts(self, most: int = 200) -> dict[str, Any]:
        """The same for JSON: all counts, and the first `most` of the faces."""
        return {
            "message": self.message,
            "found": len(self.faces),
            "pictures": self.pictures,
            "tracks": self.tracks,
            "counts": self.counts,
            "faces": [asdict(face) for face in self.faces[:most]],
            "left_off": max(0, len(self.faces) - most),
        }


def report_on(faces: Faces) -> Report:
    """What became of each face.

    >>> str(report_on(Faces((), 512, 512, 1)))
    'no face found'
    """
    tracks = len({face.track for face in faces if face.track is not None})
    return Report(tuple(map(_report_face, faces)), faces.frames, tracks)


def describe(faces: Faces) -> str:
    """What became of each face, in a few lines."""
    return str(report_on(faces))


def _report_face(face: Face) -> FaceReport:
    left, top, right, bottom = face.box
    return FaceReport(
        number=face.number,
        picture=face.frame + 1,
        kind=face.outcome.kind,
        why=face.outcome.why,
        width=round(right - left),
        height=round(bottom - top),
        left=round(left),
        top=round(top),
        score=round(float(face.score), 2),
        sharpness=None if face.sharpness is None else round(face.sharpness),
    )
