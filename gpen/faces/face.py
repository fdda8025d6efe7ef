"""What travels between the stations: faces, and the picture size their places refer to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ..errors import SettingError
from ..image.warp import Matrix
from .alignment import Points

Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels"""


@dataclass(frozen=True, eq=False)
class Face:
    """One face: where it is in the picture it was found in and, once restored, what it became.

    Places are in pixels of that picture, pixel centres at whole numbers. Nothing in it is ever changed in place.
    """

    frame: int
    """Index of the picture in its batch."""
    box: Box
    landmarks: Points
    """(5, 2): left eye, right eye, nose, left and right corner of the mouth, as seen in the picture."""
    score: float
    """The detector's confidence, 0..1."""
    crop: Tensor | None = None
    """(S, S, 3) float32 in 0..1: the aligned face as it was."""
    restored: Tensor | None = None
    """(S, S, 3) float32 in 0..1: the aligned face as the network gave it back."""
    crop_to_picture: Matrix | None = None
    """(2, 3): from pixels of the crop to pixels of the picture."""
    fate: str = "found"
    """What became of it, for people to read, and for nothing to be decided by: "restored", "replaced", "left out", or
    "skipped"; perhaps a colon and why."""
    skipped: bool = False
    """Whether the last step that was to work on it passed it over: it cannot be cut out, or is not to be."""
    crops_let_go: bool = False
    """Whether it was restored, and its crops were not kept, as there were so many."""
    weight: float = 1.0
    """How much of it is pasted, 0..1, times the strength that was chosen: less where it appears in a clip or goes."""
    track: int | None = None
    """The number of its track, from 1, where it was followed through a clip."""
    steady: int = 0
    """How many frames of its track on either side help to keep noise out of its crop."""
    within: Tensor | None = None
    """(h, w) in 0..1: the only places of its picture where it is pasted, of any size; None is everywhere."""
    sharpness: float | None = None
    """0 (a blur) … 100, as it was found; see `sharpness.py`. None where nobody has measured it."""

    @property
    def size(self) -> float:
        """The shorter side of its box, in pixels."""
        left, top, right, bottom = self.box
        return min(right - left, bottom - top)

    @property
    def flaw(self) -> str | None:
        """Why it cannot be cut out, or None."""
        if not self.size > 0:
            return "its box has no area"
        if not np.isfinite(self.landmarks).all() or np.ptp(self.landmarks, axis=0).min() == 0:
            return "its landmarks lie on a line"
        return None

    def flaw_in(self, width: int, height: int) -> str | None:
        """Why it cannot be cut out of a picture of this size, or None."""
        if self.flaw:
            return self.flaw
        left, top, right, bottom = self.box
        outside = right <= 0 or bottom <= 0 or left >= width or top >= height
        return "it lies outside the picture" if outside else None


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of a batch of pictures, in the order they were found.

    A node never changes the `Faces` it was given; it returns new ones, so that ComfyUI's cache stays right.
    """

    faces: tuple[Face, ...]
    width: int
    """Width of the picture that boxes, landmarks and matrices refer to."""
    height: int
    frames: int
    """How many pictures the batch had, those without a face counted."""
    cuts: tuple[int, ...] = ()
    """Pictures with which a new scene begins, were the batch the frames of a clip."""

    def __len__(self) -> int:
        return len(self.faces)

    def __iter__(self) -> Iterator[Face]:
        return iter(self.faces)

    def __getitem__(self, index: int) -> Face:
        return self.faces[index]

    def with_faces(self, faces: Iterable[Face]) -> "Faces":
        """The same picture size with other faces."""
        return replace(self, faces=tuple(faces))

    def of_frame(self, frame: int) -> list[Face]:
        """The faces of one picture of the batch."""
        return [face for face in self.faces if face.frame == frame]

    def numbered(self) -> Iterator[tuple[int, Face]]:
        """Each face with its number among those of its picture, from 1: what preview, report and selection show."""
        count = [0] * self.frames
        for face in self.faces:
            count[face.frame] += 1
            yield count[face.frame], face

    def placed_on(self, picture: Tensor) -> "Faces":
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
            matrix = face.crop_to_picture
            if matrix is not None:
                matrix = matrix * scale[:, None]
                matrix[:, 2] += shift
            corners = np.asarray(face.box).reshape(2, 2) * scale + shift
            left, top, right, bottom = corners.ravel().tolist()
            return replace(
                face,
                box=(left, top, right, bottom),
                landmarks=face.landmarks * scale + shift,
                crop_to_picture=matrix,
            )

        return replace(self, faces=tuple(moved(face) for face in self.faces), width=width, height=height)
