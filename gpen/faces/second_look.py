"""A second look at each face, inside its aligned crop and the mirror image of it: its landmarks come out finer, and
what is no face is not seen again.

In the aligned crop every face has the size and the tilt that the detector sees best, and what it gets wrong by
preferring one side, the mirror image gets wrong by as much the other way.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..image.warp import Matrix, footprint, inverse, scale_of, smoothed
from .alignment import Points, similarity, template
from .detectors.kind import Detector, Pictures
from .face import Face

# Of 128, 160, 192 and 256 pixels, landmarks were nearest to those of undamaged portraits in the largest.
CROP_SIZE = 256
# Left and right change places in a mirror.
MIRRORED = [1, 0, 2, 4, 3]
# There is a face in the crop: it is looked at with less doubt.
THRESHOLD = 0.3
# A face whose landmarks moved by more pixels of the crop, about 1 % of its width, is aligned anew and looked at again,
# as often as its detector gains by it: one that is tilted by 45° needs it.
SETTLED = 1.2
# Landmarks further than this from where they should be, nearly half a face, in pixels of the crop, are another face's;
# those of a face of 40 pixels that is tilted by 45° are a third of it off at first.
FURTHEST = 0.22 * CROP_SIZE
# What the detector is less sure of is no face most of the time, and a threshold near 0 finds a thousand of them.
LEAST_SCORE = 0.5
# A face that stands on its head is found upright as well, its eyes where its mouth is, and the detector is less sure of
# it than of the same crop turned by 180°, by the logarithm of the odds; that must be surer by this. So it is with a
# small one that is tilted by 45° and seen upright, half a face off.
UPRIGHT_BONUS = 0.5
# Turned by 180°, YuNet was less sure of members of the House by at least 0.43 where they stand upright or lean by 25°,
# and surer by at least 0.44 where they stand on their heads (26 people at up to four sizes).
UPSIDE_DOWN_BONUS = 0.2
WAYS = (0, 180, 45, -45)
BONUSES = (UPSIDE_DOWN_BONUS, UPRIGHT_BONUS, UPRIGHT_BONUS)
# For that, a crop of so many pixels is enough, half of it filled by the face's box.
BOX_CROP_SIZE = 128
# Crops that go through a detector together have as many pixels as one picture of 1000×1000, for each that it takes.
FACES_AT_ONCE = 1000**2 // CROP_SIZE**2 // 2


def look_again(pictures: Pictures, found: list[list[Face]], detector: Detector) -> list[list[Face]]:
    """The faces of each picture, with finer landmarks where the detector gains by it and sees them again.

    Where its row says so, what it was unsure of and does not see again is left out.
    """
    faces = [(pictures[frame], face) for frame, of_picture in enumerate(found) for face in of_picture]
    points = [face.landmarks for _, face in faces]
    unsettled = [index for index, (_, face) in enumerate(faces) if face.score >= LEAST_SCORE]
    none = set[int]()
    at_once = FACES_AT_ONCE * detector.at_once
    for look in range(detector.kind.second_looks):
        chunks = [unsettled[first : first + at_once] for first in range(0, len(unsettled), at_once)]
        unsettled = []
        for chunk in chunks:
            if look == 0:
                for index, seen in zip(chunk, _upright(detector, [faces[index] for index in chunk]), strict=True):
                    points[index] = seen
            looked = _look(detector, [(faces[index][0], points[index]) for index in chunk])
            for index, again in zip(chunk, looked, strict=True):
                points[index] = again.landmarks
                if again.moved > SETTLED:
                    unsettled.append(index)
                if look == 0 and not again.seen and faces[index][1].score < detector.kind.confirmed_below:
                    none.add(index)
    finer = (None if index in none else replace(face, landmarks=points[index]) for index, (_, face) in enumerate(faces))
    return [[face for face in (next(finer) for _ in of_picture) if face] for of_picture in found]


def log_odds(score: float) -> float:
    """The logarithm of the odds of a score 0..1: what is comparable near 1."""
    score = min(max(score, 1e-9), 1 - 1e-9)
    return math.log(score / (1 - score))


def _upright(detector: Detector, faces: list[tuple[np.ndarray, Face]]) -> list[Points]:
    """The landmarks of each face, given with its picture, with its eyes where they are.

    One that lies on its head and is tilted is surest when turned by 45° first, and by 180° then: so those that were
    turned are looked at again.
    """
    points = _way_up(detector, faces)
    turned = [index for index, (_, face) in enumerate(faces) if points[index] is not face.landmarks]
    again = [(faces[index][0], replace(faces[index][1], landmarks=points[index])) for index in turned]
    if again:
        for index, seen in zip(turned, _way_up(detector, again), strict=True):
            points[index] = seen
    return points


def _way_up(detector: Detector, faces: list[tuple[np.ndarray, Face]]) -> list[Points]:
    """The landmarks of each face, given with its picture: those seen in its box turned, where they are surer."""
    ways = [[_turned(_box_to_crop(face), degrees) for degrees in WAYS] for _, face in faces]
    crops = [
        _cut(pixels, way, BOX_CROP_SIZE) for (pixels, _), of_face in zip(faces, ways, strict=True) for way in of_face
    ]
    seen = [max(of_view, key=lambda face: face.score, default=None) for of_view in detector(np.stack(crops), THRESHOLD)]
    points = []
    for index, ((_, face), of_face) in enumerate(zip(faces, ways, strict=True)):
        plain, *turned = seen[index * len(WAYS) : (index + 1) * len(WAYS)]
        surest = log_odds(plain.score if plain else THRESHOLD)
        best = face.landmarks
        for way, bonus, view in zip(of_face[1:], BONUSES, turned, strict=True):
            if view and view.score > LEAST_SCORE and log_odds(view.score) - bonus > surest:
                surest, best = log_odds(view.score) - bonus, _through(inverse(way), view.landmarks)
        points.append(best)
    return points


def _turned(picture_to_crop: Matrix, degrees: float) -> Matrix:
    """The same crop, turned about its middle."""
    middle = (BOX_CROP_SIZE - 1) / 2
    turn = np.asarray(cv2.getRotationMatrix2D((middle, middle), degrees, 1), np.float64)
    return np.column_stack([turn[:, :2] @ picture_to_crop[:, :2], _through(turn, picture_to_crop[None, :, 2])[0]])


def _box_to_crop(face: Face) -> Matrix:
    """From the picture to a crop with the middle of the face's box in its middle, upright as its landmarks are."""
    left, top, right, bottom = face.box
    matrix = similarity(face.landmarks, template(BOX_CROP_SIZE))
    matrix *= BOX_CROP_SIZE / 2 / max(right - left, bottom - top) / scale_of(matrix)
    matrix[:, 2] = (BOX_CROP_SIZE - 1) / 2 - matrix[:, :2] @ [(left + right) / 2, (top + bottom) / 2]
    return matrix


@dataclass(frozen=True)
class _Again:
    """What a second look found."""

    landmarks: Points
    """The better ones, or those that were known."""
    moved: float
    """How far they are from those that were known, in pixels of the crop."""
    seen: bool
    """Whether there is a face in the crop and in its mirror image."""


def _look(detector: Detector, faces: list[tuple[np.ndarray, Points]]) -> list[_Again]:
    """Look at each face, given as its picture and landmarks."""
    matrices = [similarity(landmarks, template(CROP_SIZE)) for _, landmarks in faces]
    crops = np.stack([_cut(pixels, matrix, CROP_SIZE) for (pixels, _), matrix in zip(faces, matrices, strict=True)])
    seen = detector(np.ascontiguousarray(np.concatenate([crops, crops[:, :, ::-1]])), THRESHOLD)
    looked: list[_Again] = []
    for index, (matrix, (_, before)) in enumerate(zip(matrices, faces, strict=True)):
        plain, mirrored = (_central(of_view) for of_view in seen[index :: len(faces)])
        if plain is None or mirrored is None:  # one alone is not better than what is known
            looked.append(_Again(before, moved=0.0, seen=False))
            continue
        after = (plain + (mirrored * [-1, 1] + [CROP_SIZE - 1, 0])[MIRRORED]) / 2
        looked.append(_Again(_through(inverse(matrix), after), _apart(after, _through(matrix, before)), seen=True))
    return looked


def _central(faces: list[Face]) -> Points | None:
    """The landmarks that lie nearest to where those of a crop should; None where none do."""
    expected = template(CROP_SIZE)
    nearest = min((face.landmarks for face in faces), key=lambda points: _apart(points, expected), default=None)
    return nearest if nearest is not None and _apart(nearest, expected) < FURTHEST else None


def _apart(one: Points, other: Points) -> float:
    return float(np.linalg.norm(one - other, axis=1).mean())


def _through(matrix: Matrix, points: Points) -> Points:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _cut(pixels: np.ndarray, picture_to_crop: Matrix, side: int) -> np.ndarray:
    """The crop of 8-bit pixels (H, W, 3); beyond the picture, its edge goes on."""
    crop_to_picture = inverse(picture_to_crop)
    shrink = scale_of(crop_to_picture)
    height, width = pixels.shape[:2]
    left, top, right, bottom = footprint(crop_to_picture, side, (height, width), int(2 * shrink) + 2)
    # A crop that lies beside the picture sees its edge.
    left, top = min(left, width - 1), min(top, height - 1)
    part = pixels[top : max(bottom, top + 1), left : max(right, left + 1)].astype(np.float32)
    matrix = picture_to_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ [left, top]
    crop = cv2.warpAffine(smoothed(part, shrink), matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return crop.round().clip(0, 255).astype(np.uint8)
