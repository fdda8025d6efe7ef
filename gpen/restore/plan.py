"""Where each face is cut out for the network, decided before anything runs."""

from collections import defaultdict
from dataclasses import dataclass

from torch import Tensor

from ..faces.alignment import GPEN_ALIGNMENT, Alignment, align, is_turned
from ..faces.face import Face, FaceKey, Faces
from ..image.warp import Matrix, scale_of
from .inpaint import touches
from .settings import RestoreSettings

# In sizes of the network's crop: a smaller face is nearly all seen in one, and a larger one would take long.
LEAST_IN_TILES, MOST_IN_TILES = 2**0.5, 4


@dataclass(frozen=True, eq=False)
class Cut:
    """Where a face is cut out."""

    size: int
    """Side of its crop: the network's, or more where it is done in tiles."""
    picture_to_crop: Matrix
    crop_to_picture: Matrix


@dataclass(frozen=True, eq=False)
class Planned:
    """What is to be done with one face."""

    face: Face
    cut: Cut | None
    """None where it is skipped."""
    problem: str = ""
    """Why it is skipped."""


def plan(
    faces: Faces,
    size: int,
    settings: RestoreSettings,
    mask: Tensor | None,
    alignment: Alignment = GPEN_ALIGNMENT,
) -> list[Planned]:
    """What is to be done with each of the faces, in their order.

    Args:
        faces: placed on the picture they are cut from.
        size: side of the network's crop.
        settings: whether turned faces are stretched, and large ones done in tiles.
        mask: (B, H, W) in 0..1: what alone is filled in, of the size of the pictures; faces it does not touch are
            skipped.
        alignment: how a face lies in the network's crop.
    """
    turned = _turned_tracks(faces)
    sizes = _sizes_in_tiles(faces, size, alignment) if settings.tiles else {}

    def is_stretched(face: Face) -> bool:
        if settings.perspective != "auto":
            return settings.perspective == "on"
        return face.track in turned if face.track else is_turned(face.landmarks)

    def planned(face: Face) -> Planned:
        if problem := face.problem_in(faces.width, faces.height):
            return Planned(face, None, problem)
        side = sizes.get(face.key, size)
        how = alignment.steady() if face.track else alignment
        cut = Cut(side, *align(face.landmarks, side, is_stretched(face), how))
        if mask is not None and not touches(mask[face.frame], cut.crop_to_picture, side):
            return Planned(face, None, "the mask does not touch it")
        return Planned(face, cut)

    return [planned(face) for face in faces]


def _sizes_in_tiles(faces: Faces, size: int, alignment: Alignment) -> dict[FaceKey, int]:
    """The side of the crop of each face that is to be done in tiles.

    It is one for a whole track: crops of neighbouring frames are averaged.
    """
    times: dict[FaceKey | int, float] = defaultdict(float)
    sound = [face for face in faces if not face.problem]
    for face in sound:
        of = face.track or face.key
        times[of] = max(times[of], scale_of(align(face.landmarks, size, alignment=alignment)[1]))
    return {
        face.key: round(size * min(enlarged, MOST_IN_TILES))
        for face in sound
        if (enlarged := times[face.track or face.key]) > LEAST_IN_TILES
    }


def _turned_tracks(faces: Faces) -> set[int]:
    """Tracks whose face is turned in most of their frames: to decide frame by frame would flicker."""
    votes: dict[int, list[bool]] = defaultdict(list)
    for face in faces:
        if face.track and not face.problem:
            votes[face.track].append(is_turned(face.landmarks))
    return {track for track, turned in votes.items() if sum(turned) > len(turned) / 2}
