"""What travels between the steps: faces, what was cut out of them, and what became of each.

A `Face` is what was found. A `Crop` is what was cut out for it and made of it. An `Outcome` says what the last step did
with it. Nothing is ever changed in place: a step returns new ones, so that ComfyUI's cache stays right.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import SettingError
from ..image.warp import Matrix
from .alignment import Points

if TYPE_CHECKING:
    from torch import Tensor

Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels"""

OutcomeKind = Literal["found", "filled in", "chosen", "left out", "skipped", "restored", "unchanged", "replaced"]
"""found: by a detector. filled in: missed in this frame of a clip, and found in those around it. chosen, left out: by
`select_faces`. skipped: it cannot be cut out, or is not to be. restored: by the network. unchanged, replaced: its crop
came back from another tool."""


@dataclass(frozen=True)
class Outcome:
    """What became of a face."""

    kind: OutcomeKind
    why: str = ""
    """For people to read; nothing is decided by it."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.why}" if self.why else self.kind


FOUND = Outcome("found")
LEAST = 1e-3
"""Pixels that landmarks lie apart at least, across and down: less is a line or a point, and no matrix fits it."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A face cut out upright, and what was made of it; before and after are of one size."""

    before: "Tensor"
    """(S, S, 3) float32 in 0..1: as it was."""
    crop_to_picture: Matrix
    """(2, 3): from pixels of the crop to pixels of the picture."""
    template: Points
    """(5, 2): where its landmarks lie in it, the crop's side being 1."""
    after: "Tensor | None" = None
    """(S, S, 3) float32 in 0..1: as the network, or another tool, gave it back."""
    paste_region: "Tensor | None" = None
    """(h, w) in 0..1: the only places of its picture where it is pasted, of any size; None is everywhere."""

    @property
    def size(self) -> int:
        """Its side in pixels."""
        return len(self.before)

    @property
    def latest(self) -> "Tensor":
        """What it is now: (S, S, 3)."""
        return self.before if self.after is None else self.after


FaceKey = tuple[int, int]
"""Picture and number: what tells a face from all others of its batch."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face of one picture. Places are in pixels of that picture, pixel centres at whole numbers."""

    frame: int
    """Index of the picture in its batch."""
    box: Box
    landmarks: Points
    """(5, 2): left eye, right eye, nose, left and right corner of the mouth, as seen in the picture."""
    score: float
    """The detector's confidence, 0..1."""
    number: int = 0
    """Its number in its picture, from 1, given once and kept by every step; 0 until it is one of `Faces`."""
    sharpness: float | None = None
    """0 (a blur) … 100, as it was found; see `sharpness.py`. None where nobody has measured it."""
    track: int | None = None
    """The number of its track, from 1, where it was followed through a clip."""
    weight: float = 1.0
    """How much of it is pasted, 0..1, times the strength that was chosen: less where it appears in a clip or goes."""
    neighbours: int = 0
    """How many frames of its track on either side are averaged to keep noise out of its crop."""
    crop: Crop | None = None
    """Where it was cut out. None before that, where it was skipped, and where there were too many to keep."""
    outcome: Outcome = FOUND

    @property
    def key(self) -> FaceKey:
        """What tells it from all others of its batch."""
        return self.frame, self.number

    @property
    def size(self) -> float:
        """The shorter side of its box, in pixels."""
        left, top, right, bottom = self.box
        return min(right - left, bottom - top)

    @property
    def problem(self) -> str | None:
        """Why it cannot be cut out, or None."""
        if not self.size > 0:
            return "its box has no area"
        if not np.isfinite(self.landmarks).all() or np.ptp(self.landmarks, axis=0).min() < LEAST:
            return "its landmarks lie on a line"
        return None

    def problem_in(self, width: int, height: int) -> str | None:
        """Why it cannot be cut out of a picture of this size, or None."""
        if self.problem:
            return self.problem
        left, top, right, bottom = self.box
        outside = right <= 0 or bottom <= 0 or left >= width or top >= height
        return "it lies outside the picture" if outside else None

    def skipped(self, why: str) -> "Face":
        """The same face where it cannot be cut out, or is not to be: what an earlier step made of it is gone."""
        return replace(self, crop=None, outcome=Outcome("skipped", why))


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of a batch of pictures, in the order they were found. Those without a number get one here."""

    faces: tuple[Face, ...]
    width: int
    """Width of the picture that boxes, landmarks and matrices refer to."""
    height: int
    frames: int
    """How many pictures the batch had, those without a face counted."""
    cuts: tuple[int, ...] = ()
    """Pictures with which a new scene begins, were the batch the frames of a clip."""
    flashes: tuple[int, ...] = ()
    """Pictures that are of no scene, were it one: a flash, a dropped frame. What is seen before one is seen after."""

    def __post_init__(self) -> None:
        if all(face.number for face in self.faces):
            return
        last: Counter[int] = Counter()
        for face in self.faces:
            last[face.frame] = max(last[face.frame], face.number)
        numbered: list[Face] = []
        for face in self.faces:
            if not face.number:
                last[face.frame] += 1
                face = replace(face, number=last[face.frame])
            numbered.append(face)
        object.__setattr__(self, "faces", tuple(numbered))

    def __len__(self) -> int:
        return len(self.faces)

    def __iter__(self) -> Iterator[Face]:
        return iter(self.faces)

    def __getitem__(self, index: int) -> Face:
        return self.faces[index]

    def __repr__(self) -> str:
        pictures = f", {self.frames} pictures" if self.frames != 1 else ""
        return f"<Faces: {len(self)} of {self.width}×{self.height}{pictures}>"

    def with_faces(self, faces: Iterable[Face]) -> "Faces":
        """The same picture size with other faces."""
        return replace(self, faces=tuple(faces))

    def of_frame(self, frame: int) -> list[Face]:
        """The faces of one picture of the batch."""
        return [face for face in self.faces if face.frame == frame]

    def by_frame(self) -> "Faces":
        """The same faces picture by picture."""
        return self.with_faces(sorted(self.faces, key=lambda face: face.frame))

    def placed_on(self, picture: "Tensor") -> "Faces":
        """The same faces in a batch of pictures (B, H, W, C), which may be larger or smaller copies of their own.

        Raises `SettingError` where it has another number of pictures.
        """
        frames, height, width, _ = picture.shape
        if frames != self.frames:
            raise SettingError(f"the faces were found in a batch of {self.frames} pictures, and this one has {frames}")
        return self.scaled_to(width, height)

    def scaled_to(self, width: int, height: int) -> "Faces":
        """The same faces in a resized picture: found in the small one, pasted onto the upscaled one.

        Boxes, landmarks and matrices move with the picture; crops stay as they are.
        """
        if (width, height) == (self.width, self.height):
            return self
        scale = np.array([width / self.width, height / self.height])
        # Pixel centres are at whole numbers, so a picture's edge is at -0.5 and not at 0.
        shift = (scale - 1) / 2

        def moved(face: Face) -> Face:
            crop = face.crop
            if crop is not None:
                matrix = crop.crop_to_picture * scale[:, None]
                matrix[:, 2] += shift
                crop = replace(crop, crop_to_picture=matrix)
            corners = np.asarray(face.box).reshape(2, 2) * scale + shift
            left, top, right, bottom = corners.ravel().tolist()
            return replace(face, box=(left, top, right, bottom), landmarks=face.landmarks * scale + shift, crop=crop)

        return replace(self, faces=tuple(moved(face) for face in self.faces), width=width, height=height)
