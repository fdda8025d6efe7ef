"""Rows about finding faces: once, at every size, nothing else, landmarks in place, a figure for their quality."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage import data

import gpen
from gpen.faces.boxes import overlap
from gpen.faces.detectors import DETECTORS, Detector, DetectorKind
from gpen.faces.face import Box, Face
from gpen.faces.sharpness import sharpness

from .portraits import FOLDERS, SIDE, Pixels, batch, blurred, coded, noisy, people, portrait, resized
from .row import Row, at_least, at_most
from .sheets import write_sheet

AT_HAND = ("yunet", "retinaface_mobilenet0.25", "mtcnn")
"""Those whose weights are free to lie beside the tests; RetinaFace-R50 is 109 MB and does not."""
NOT_ALONE = ("bill-hagerty",)
"""Whose portraits show somebody else as well."""
SIDES = (128, 256, 512, 768, 1000, 1250, 1500, 2000, 3000, 4096)
ADVISED = 0.5
"""The threshold that the README advises where nothing is found."""
EVERY_PASS = gpen.DetectSettings(size="short side 480", tiny_faces=True, edges=True, rotated=True)
WITHOUT_PEOPLE = ("coffee", "chelsea", "rocket", "brick", "grass", "gravel", "coins", "page", "text", "moon", "clock")
FACE_WIDTHS = (40, 90, 180, 400)
MIRRORED = [1, 0, 2, 4, 3]


@cache
def detector(name: str, second_look: bool = True) -> Detector:
    """A detector by name; without its second look, where landmarks do not matter, it is quicker."""
    opened = gpen.open_detector(name, folders=FOLDERS, download=False)
    return opened if second_look else OneLook(opened)


class OneLook:
    """A detector without its second look."""

    def __init__(self, opened: Detector) -> None:
        self.opened, self.at_once = opened, opened.at_once
        self.kind: DetectorKind = replace(opened.kind, second_looks=0)

    def __call__(self, pictures: np.ndarray, threshold: float) -> list[list[Face]]:
        return self.opened(pictures, threshold)


def found(pixels: Pixels, name: str, second_look: bool = True, **settings: Any) -> list[Face]:
    """The faces of one picture."""
    return list(gpen.detect_faces(batch(pixels), detector(name, second_look), **settings))


@cache
def true_face(file: Path) -> Face:
    """The one face of a portrait as it is, with the landmarks that detectors agree on, in the clean picture."""
    pixels = portrait(file, 512)
    faces = [max(found(pixels, name, threshold=0.6), key=lambda face: face.size) for name in AT_HAND]
    landmarks = np.mean([face.landmarks for face in faces], axis=0)
    small = gpen.Faces((replace(faces[0], landmarks=landmarks),), 512, 512, 1)
    return small.scaled_to(SIDE, SIDE)[0]


def width_of(face: Face) -> float:
    """The width of its box."""
    return face.box[2] - face.box[0]


def found_once(name: str, count: int = 20, sides: int = 2) -> Row:
    """One person, one face: each portrait at some of the sizes, with the default threshold and the advised one."""
    right, wrong = [], []
    for index, file in enumerate(file for file in people(count) if file.stem not in NOT_ALONE):
        expected = true_box(file)
        for side in (SIDES[(index + step) % len(SIDES)] for step in range(0, len(SIDES), len(SIDES) // sides)):
            faces = found(portrait(file, side), name, threshold=ADVISED)
            # What is found with the higher threshold is what is surer among these: the surest comes first.
            for threshold in (ADVISED, DETECTORS[name].threshold):
                sure = [face for face in faces if face.score >= threshold]
                right.append(len(sure) == 1 and overlap(sure[0].box, scaled_box(expected, side / SIDE)) > 0.4)
                if not right[-1]:
                    wrong.append((float(side), [with_boxes(portrait(file, side), sure)]))
    write_sheet(f"{name} found once", wrong)
    words = f"{name}: found exactly once, {len(right)} looks, sides {SIDES[0]} to {SIDES[-1]}"
    return at_least(words, np.mean(right), 0.99, "{:.2%}")


def with_boxes(pixels: Pixels, faces: list[Face]) -> Pixels:
    """The picture of 500 pixels at most, with what was found in it."""
    drawn, scale = resized(pixels, min(500, len(pixels))), min(500, len(pixels)) / len(pixels)
    for face in faces:
        left, top, right, bottom = (round(edge) for edge in scaled_box(face.box, scale))
        cv2.rectangle(drawn, (left, top), (right, bottom), (0, 255, 0), 1)
    return drawn


def scaled_box(box: Box, scale: float) -> Box:
    """A box in a picture that is so many times as large."""
    left, top, right, bottom = box
    return left * scale, top * scale, right * scale, bottom * scale


@cache
def true_box(file: Path) -> Box:
    """The box of the one face of a portrait, by a detector that knows its size, in pixels of 1024."""
    face = max(found(portrait(file, 384), "yunet", second_look=False), key=lambda face: face.size)
    left, top, right, bottom = (v * SIDE / 384 for v in face.box)
    return left, top, right, bottom


def close_up(file: Path) -> Pixels:
    """900×900 pixels from brow to chin, filled by the face."""
    left, _, right, bottom = true_box(file)
    side = right - left
    x, y = left, bottom - 0.97 * side
    matrix = np.array([[900 / side, 0, -x * 900 / side], [0, 900 / side, -y * 900 / side]])
    return np.asarray(cv2.warpAffine(portrait(file), matrix, (900, 900), flags=cv2.INTER_CUBIC), np.uint8)


def close_ups(name: str, count: int = 10) -> Row:
    """Faces that fill their picture."""
    right = [len(found(close_up(file), name, second_look=False)) == 1 for file in people(count)]
    return at_least(f"{name}: close-ups of 900 px, no forehead, found once, of {count}", np.mean(right), 0.95, "{:.0%}")


def nothing_else(name: str, settings: gpen.DetectSettings, words: str) -> Row:
    """Pictures of scikit-image that show nobody."""
    faces = {}
    for title in WITHOUT_PEOPLE:
        pixels = getattr(data, title)()
        pixels = np.stack([pixels] * 3, 2) if pixels.ndim == 2 else pixels[..., :3]
        faces[title] = len(gpen.detect_faces(batch(pixels), detector(name), settings))
    where = ", ".join(title for title, count in faces.items() if count)
    row = at_most(f"{name}: faces in {len(faces)} pictures without people, {words}", sum(faces.values()), 0, "{}")
    return replace(row, name=f"{row.name} ({where})") if where else row


def threshold_near_zero(name: str) -> Row:
    """Every pass, with a threshold that lets everything through."""
    start = time.process_time()
    count = len(gpen.detect_faces(batch(data.astronaut()), detector(name), EVERY_PASS, threshold=0.01))
    seconds = time.process_time() - start
    return at_most(f"{name}: seconds for a picture of 512 px, every pass, threshold 0.01 ({count} faces)", seconds, 20)


def damaged(file: Path, width: float, seed: int) -> tuple[Pixels, float]:
    """A portrait whose face is so wide, with noise of 0.04 and as a JPEG of 50; and its scale."""
    side = round(SIDE * width / width_of(true_face(file)))
    return coded(noisy(portrait(file, side), 0.04, seed), 50), side / SIDE


def turned(pixels: Pixels, degrees: float) -> tuple[Pixels, np.ndarray]:
    """The picture turned about its middle, its edge continued; and the matrix that leads back."""
    middle = (pixels.shape[1] - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), degrees, 1)
    done = cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(done, np.uint8), cv2.invertAffineTransform(matrix)


def landmarks(pixels: Pixels, name: str) -> np.ndarray | None:
    """Of the largest face that is found at the advised threshold."""
    faces = found(pixels, name, threshold=ADVISED)
    return max(faces, key=lambda face: face.size).landmarks if faces else None


def apart(one: np.ndarray, other: np.ndarray, width: float) -> float:
    """The mean distance of landmarks, in widths of the face."""
    return float(np.linalg.norm(one - other, axis=1).mean() / width)


def mirrored_landmarks(name: str, count: int = 6) -> Row:
    """Landmarks of a mirrored picture are mirrored."""
    errors = []
    for (index, file), width in product(enumerate(people(count)), FACE_WIDTHS):
        pixels, _ = damaged(file, width, index)
        one, other = landmarks(pixels, name), landmarks(np.ascontiguousarray(pixels[:, ::-1]), name)
        if one is not None and other is not None:
            back = (other * [-1, 1] + [pixels.shape[1] - 1, 0])[MIRRORED]
            errors.append(apart(one, back, width))
    words = f"{name}: landmarks of the mirrored picture mirror, of the face's width ({len(errors)} pictures)"
    return at_most(words, np.mean(errors), 0.015, "{:.2%}")


def tilted_landmarks(name: str, degrees: float, bar: float, count: int = 6) -> Row:
    """Landmarks of a tilted picture are tilted."""
    errors, drawn, looked = [], [], 0
    for (index, file), width in product(enumerate(people(count)), FACE_WIDTHS):
        pixels, _ = damaged(file, width, index)
        tilted, back = turned(pixels, degrees)
        one, other = landmarks(pixels, name), landmarks(tilted, name)
        looked += 1
        if one is not None and other is not None:
            errors.append(apart(one, other @ back[:, :2].T + back[:, 2], width))
            drawn.append((errors[-1], [with_points(pixels, one), with_points(tilted, other)]))
    write_sheet(f"{name} tilted {degrees}", sorted(drawn, key=lambda pair: pair[0]))
    words = f"{name}: landmarks at {degrees}° of tilt, of the face's width (found in {len(errors)} of {looked})"
    return at_most(words, np.mean(errors), bar, "{:.2%}")


def with_points(pixels: Pixels, points: np.ndarray) -> Pixels:
    """The picture, its landmarks drawn into it."""
    drawn = pixels.copy()
    for x, y in points.round().astype(int).tolist():
        cv2.circle(drawn, (x, y), max(1, len(drawn) // 200), (0, 255, 0), cv2.FILLED)
    return drawn


def upside_down(name: str, count: int = 6) -> Row:
    """Whoever is found standing on the head has the eyes below the mouth, as the picture shows it."""
    right = []
    for (index, file), width in product(enumerate(people(count)), FACE_WIDTHS[1:]):
        pixels, scale = damaged(file, width, index)
        seen = landmarks(np.ascontiguousarray(pixels[::-1, ::-1]), name)
        if seen is not None:
            right.append(apart(pixels.shape[0] - 1 - seen, true_face(file).landmarks * scale, width) < 0.15)
    words = f"{name}: upside down, eyes where they are, of {len(right)} that are found"
    return at_least(words, np.mean(right) if right else 1.0, 1.0, "{:.0%}")


def second_look_time(name: str) -> Row:
    """What the second look costs one core."""
    pixels, seconds = portrait(people(1)[0], 1000), {}
    for second_look in (False, True):
        found(pixels, name, second_look)  # warm
        start = time.process_time()
        found(pixels, name, second_look)
        seconds[second_look] = time.process_time() - start
    plain, more = seconds[False] * 1000, (seconds[True] - seconds[False]) * 1000
    return Row(f"{name}: second look at one face; finding it in 1000 px: {plain:.0f} ms", "–", f"{more:.0f} ms", True)


def auto_with_one_more(count: int = 6) -> Row:
    """Whatever further detector is on disk, "auto" finds what MTCNN alone finds."""
    worst = 1.0
    for name, side in product(AT_HAND, (128, 1000, 1500)):
        once = [len(found(portrait(file, side), name, False)) == 1 for file in people(count)]
        worst = min(worst, float(np.mean(once)))
    return at_least(
        f"auto with any detector on disk: {count} people found once, the worst of {len(AT_HAND)}", worst, 1.0, "{:.0%}"
    )


DAMAGES: dict[str, Callable[[Pixels, float], Pixels]] = {
    "blur of 1.5 % of the face": lambda pixels, width: blurred(pixels, 0.015 * width),
    "noise of 0.04": lambda pixels, width: noisy(pixels, 0.04),
    "JPEG 30": lambda pixels, width: coded(pixels, 30),
}


def told_from_clean(damage: str, count: int = 15) -> Row:
    """How surely the sharpness of a damaged face is below that of a clean one; the worst of the widths."""
    surely, below = [], []
    for width in (64, 100, 200, 400, 1000):
        values = np.array([sharpnesses(file, width, damage) for file in people(count)])
        clean, bad = values.T
        surely.append((clean[:, None] > bad).mean())
        below.append((np.mean(bad <= 45) + np.mean(clean > 45)) / 2)
    words = f"sharpness: AUC of clean and {damage}, {count} people, worst of widths 64 to 1000"
    words += f"; at 45 right in {np.mean(below):.0%}"
    return at_least(words, min(surely), 0.95, "{:.3f}")


def sharpnesses(file: Path, width: int, damage: str) -> tuple[float, float]:
    """Of a clean face so wide, and of it damaged."""
    side = 2 * width
    pixels = resized(surroundings(file), side)
    height, width_of_picture = surroundings(file).shape[:2]
    points = gpen.Faces((head(file),), width_of_picture, height, 1).scaled_to(side, side)[0].landmarks
    clean, bad = (torch.from_numpy(p).float() / 255 for p in (pixels, DAMAGES[damage](pixels, width)))
    return sharpness(clean, points), sharpness(bad, points)


@cache
def whole_face(file: Path) -> Face:
    """The face in pixels of its portrait."""
    face = max(found(portrait(file, 384), "yunet"), key=lambda face: face.size)
    return gpen.Faces((face,), 384, 384, 1).scaled_to(SIDE, SIDE)[0]


def head(file: Path) -> Face:
    """The face in pixels of `surroundings`."""
    face = whole_face(file)
    return replace(face, landmarks=face.landmarks - corner(face))


def corner(face: Face) -> tuple[int, int]:
    """Of a square twice as wide as the face."""
    x, y = face.landmarks.mean(0) - width_of(face)
    return round(x), round(y)


@cache
def surroundings(file: Path) -> Pixels:
    """The square twice as wide as the face, its edge continued beyond the portrait."""
    face = whole_face(file)
    left, top = corner(face)
    side = round(2 * width_of(face))
    matrix = np.array([[1.0, 0, -left], [0, 1, -top]])
    return np.asarray(cv2.warpAffine(portrait(file), matrix, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8)


EVERY_SIZE = tuple(partial(found_once, name, 60, len(SIDES)) for name in AT_HAND)
"""What takes an hour: `python -m benchmarks.faces --every-size`."""

ROWS = (
    *(partial(found_once, name) for name in AT_HAND),
    *(partial(close_ups, name) for name in AT_HAND),
    *(partial(nothing_else, name, gpen.DetectSettings(), "as it is made") for name in AT_HAND),
    *(partial(nothing_else, name, EVERY_PASS, "every pass") for name in AT_HAND),
    *(partial(threshold_near_zero, name) for name in AT_HAND),
    *(partial(mirrored_landmarks, name) for name in AT_HAND),
    *(partial(tilted_landmarks, name, 20, 0.03) for name in AT_HAND),
    *(partial(tilted_landmarks, name, 45, 0.05) for name in AT_HAND),
    *(partial(upside_down, name) for name in AT_HAND),
    *(partial(second_look_time, name) for name in AT_HAND),
    auto_with_one_more,
    *(partial(told_from_clean, damage) for damage in DAMAGES),
)
