"""A second look at each face, inside its aligned crop and the mirror image of it: its landmarks come out finer.

In the aligned crop every face has the size and the tilt that the detector sees best, and what it gets wrong by
preferring one side, the mirror image gets wrong by as much the other way.
"""

import math
from dataclasses import replace

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
# Landmarks that are further than this from where they should be, in pixels of the crop, are not this face's.
FURTHEST = 0.15 * CROP_SIZE
# What the detector is less sure of is no face most of the time, and a threshold near 0 finds a thousand of them.
LEAST_SCORE = 0.5
# A face that stands on its head is found upright, its eyes where its mouth is, and the detector is less sure of it
# than in the crop turned by 180°, by the logarithm of the odds; it must be surer by this.
UPRIGHT_BONUS = 0.5
# Crops that go through a detector together have as many pixels as one picture of 1000×1000, for each that it takes.
FACES_AT_ONCE = 1000**2 // CROP_SIZE**2 // 3


def look_again(pictures: Pictures, found: list[list[Face]], detector: Detector) -> list[list[Face]]:
    """The faces of each picture, with finer landmarks where the detector gains by it and sees them again."""
    faces = [(pictures[frame], face) for frame, of_picture in enumerate(found) for face in of_picture]
    points = [face.landmarks for _, face in faces]
    unsettled = [index for index, (_, face) in enumerate(faces) if face.score >= LEAST_SCORE]
    at_once = FACES_AT_ONCE * detector.at_once
    for look in range(detector.kind.second_looks):
        chunks = [unsettled[first : first + at_once] for first in range(0, len(unsettled), at_once)]
        unsettled = []
        for chunk in chunks:
            looked = _look(detector, [(faces[index][0], points[index]) for index in chunk], both_ways_up=look == 0)
            for index, (seen, moved) in zip(chunk, looked, strict=True):
                points[index] = seen
                if moved > SETTLED:
                    unsettled.append(index)
    finer = iter([replace(face, landmarks=seen) for (_, face), seen in zip(faces, points, strict=True)])
    return [[next(finer) for _ in of_picture] for of_picture in found]


def log_odds(score: float) -> float:
    """The logarithm of the odds of a score 0..1: what is comparable near 1."""
    score = min(max(score, 1e-9), 1 - 1e-9)
    return math.log(score / (1 - score))


def _look(detector: Detector, faces: list[tuple[np.ndarray, Points]], both_ways_up: bool) -> list[tuple[Points, float]]:
    """Of each face, given as its picture and landmarks: better landmarks, and how far they moved in the crop."""
    matrices = [similarity(landmarks, template(CROP_SIZE)) for _, landmarks in faces]
    crops = np.stack([_cut(pixels, matrix) for (pixels, _), matrix in zip(faces, matrices, strict=True)])
    views = [crops, crops[:, :, ::-1], *([crops[:, ::-1, ::-1]] if both_ways_up else [])]
    seen = detector(np.ascontiguousarray(np.concatenate(views)), THRESHOLD)
    looked = []
    for index, (matrix, (_, before)) in enumerate(zip(matrices, faces, strict=True)):
        plain, mirrored, *turned = (_central(of_view) for of_view in seen[index :: len(faces)])
        after = _mean(plain, mirrored)
        if turned and turned[0] and (not plain or log_odds(turned[0].score) > log_odds(plain.score) + UPRIGHT_BONUS):
            after = CROP_SIZE - 1 - turned[0].landmarks
        if after is None:
            looked.append((before, 0.0))
        else:
            looked.append((_through(inverse(matrix), after), _apart(after, _through(matrix, before))))
    return looked


def _central(faces: list[Face]) -> Face | None:
    """The face whose landmarks lie nearest to where those of a crop should; None where none do."""
    expected = template(CROP_SIZE)
    nearest = min(faces, key=lambda face: _apart(face.landmarks, expected), default=None)
    return nearest if nearest and _apart(nearest.landmarks, expected) < FURTHEST else None


def _mean(plain: Face | None, mirrored: Face | None) -> Points | None:
    """Of what was seen in a crop and in its mirror image; one alone is not better than what is known."""
    if plain is None or mirrored is None:
        return None
    return (plain.landmarks + (mirrored.landmarks * [-1, 1] + [CROP_SIZE - 1, 0])[MIRRORED]) / 2


def _apart(one: Points, other: Points) -> float:
    return float(np.linalg.norm(one - other, axis=1).mean())


def _through(matrix: Matrix, points: Points) -> Points:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _cut(pixels: np.ndarray, picture_to_crop: Matrix) -> np.ndarray:
    """The crop of 8-bit pixels (H, W, 3); beyond the picture, its edge goes on."""
    crop_to_picture = inverse(picture_to_crop)
    shrink = scale_of(crop_to_picture)
    height, width = pixels.shape[:2]
    left, top, right, bottom = footprint(crop_to_picture, CROP_SIZE, (height, width), int(2 * shrink) + 2)
    # A crop that lies beside the picture sees its edge.
    left, top = min(left, width - 1), min(top, height - 1)
    part = pixels[top : max(bottom, top + 1), left : max(right, left + 1)].astype(np.float32)
    matrix = picture_to_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ [left, top]
    size = (CROP_SIZE, CROP_SIZE)
    crop = cv2.warpAffine(smoothed(part, shrink), matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return crop.round().clip(0, 255).astype(np.uint8)
