"""Official portraits (public domain) of people on whom nothing was tuned: each is found once, landmarks in place."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import data

import gpen
from gpen.faces.alignment import template
from gpen.faces.boxes import distinct
from gpen.faces.detectors import DETECTORS, Detector, DetectorKind
from gpen.faces.face import Face
from tests.support.photograph import read_rgb, scaled, tensor

EVERY_PASS = gpen.DetectSettings(size="short side 480", tiny_faces=True, edges=True, rotated=True)
MIRRORED = [1, 0, 2, 4, 3]
FACE_SHARE = 0.43
"""A face's width, as part of its portrait's."""


@pytest.fixture(scope="module", params=["yunet", "retinaface_mobilenet0.25", "mtcnn"])
def detector(request: pytest.FixtureRequest, shared: Path) -> Detector:
    return gpen.open_detector(request.param, folders={"detector": [shared / "weights"]})


@pytest.fixture(scope="module")
def portraits(shared: Path) -> list[np.ndarray]:
    files = sorted((shared / "faces" / "us-senate").glob("*.jpg"))[5::33]
    return [read_rgb(file) for file in files]


def sized(portrait: np.ndarray, side: int) -> np.ndarray:
    return scaled(portrait, side / len(portrait))


def noisy_jpeg(picture: np.ndarray) -> np.ndarray:
    noisy = picture + np.random.default_rng(0).normal(0, 10, picture.shape)
    jpeg = cv2.imencode(".jpg", noisy.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def the_face(picture: np.ndarray, detector: Detector, **settings: Any) -> Face:
    (face,) = gpen.detect_faces(tensor(np.ascontiguousarray(picture)), detector, **settings)
    return face


def largest(picture: np.ndarray, detector: Detector) -> Face:
    """The portrait's own face: at a threshold of 0.5 noise is now and then taken for another."""
    faces = gpen.detect_faces(tensor(np.ascontiguousarray(picture)), detector, threshold=0.5)
    return max(faces, key=lambda face: face.size)


@pytest.mark.parametrize("threshold", [0, 0.5])
@pytest.mark.parametrize("side", [128, 512, 1250, 1500, 3000])
def test_found_once_at_every_size(portraits: list[np.ndarray], detector: Detector, side: int, threshold: float) -> None:
    for portrait in portraits[: 3 if side < 1000 else 1]:
        face = the_face(sized(portrait, side), detector, threshold=threshold)
        assert 0.25 * side < face.box[2] - face.box[0] < 0.65 * side


def test_close_up_without_forehead(portraits: list[np.ndarray], detector: Detector) -> None:
    for portrait in portraits[:2]:
        left, _, right, bottom = the_face(sized(portrait, 384), detector).box
        left, right, bottom = (round(v * len(portrait) / 384) for v in (left, right, bottom))
        close = portrait[bottom - (right - left) : bottom, left:right]
        face = the_face(sized(close, 900), detector)
        assert face.box[2] - face.box[0] > 600


@pytest.mark.parametrize("title", ["coffee", "chelsea", "brick", "coins", "text"])
def test_nothing_is_found_where_nobody_is(detector: Detector, title: str) -> None:
    pixels = getattr(data, title)()
    assert len(gpen.detect_faces(tensor(pixels if pixels.ndim == 3 else np.stack([pixels] * 3, 2)), detector)) == 0


def test_a_threshold_near_0_ends_in_seconds(detector: Detector) -> None:
    start = time.process_time()
    gpen.detect_faces(tensor(data.astronaut()), detector, EVERY_PASS, threshold=0.01)
    assert time.process_time() - start < 60


@pytest.mark.parametrize("width", [40, 160])
def test_landmarks_mirror_and_tilt_with_the_picture(
    portraits: list[np.ndarray], detector: Detector, width: int
) -> None:
    mirrored, tilted = [], []
    for portrait in portraits:
        picture = noisy_jpeg(sized(portrait, round(width / FACE_SHARE)))
        middle = (len(picture) - 1) / 2
        here = largest(picture, detector).landmarks
        there = largest(picture[:, ::-1], detector).landmarks
        mirrored.append(np.linalg.norm((there * [-1, 1] + [2 * middle, 0])[MIRRORED] - here, axis=1).mean() / width)
        turn = cv2.getRotationMatrix2D((middle, middle), 20, 1)
        turned = cv2.warpAffine(picture, turn, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        there = largest(np.asarray(turned, np.uint8), detector).landmarks
        tilted.append(np.linalg.norm(here @ turn[:, :2].T + turn[:, 2] - there, axis=1).mean() / width)
    assert np.mean(mirrored) < 0.02 and np.mean(tilted) < 0.03


def test_who_is_found_upside_down_has_the_eyes_below(portraits: list[np.ndarray], detector: Detector) -> None:
    for portrait in portraits:
        picture = sized(portrait, 400)
        upright = the_face(picture, detector)
        for face in gpen.detect_faces(tensor(picture[::-1, ::-1].copy()), detector):
            apart = np.linalg.norm(len(picture) - 1 - face.landmarks - upright.landmarks, axis=1).mean()
            assert apart < 0.15 * upright.size


def face(box: tuple[float, float, float, float], shift: float = 0) -> Face:
    left, top, right, bottom = box
    places = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    return Face(0, box, places * [right - left, bottom - top] + [left + shift, top], 0.9)


def test_what_counts_as_the_same_face() -> None:
    one = face((0, 0, 100, 120))
    assert len(distinct([one, face((10, 10, 110, 130))])) == 1, "boxes that are nearly one"
    assert len(distinct([one, face((30, 40, 80, 100))])) == 1, "a box in the box"
    taller = Face(0, (-50, -200, 150, 140), one.landmarks, 0.5)
    assert len(distinct([one, taller])) == 1, "the same landmarks in a box that is much larger"
    assert len(distinct([one, face((60, 10, 160, 130))])) == 2, "two heads, one before the other"


def test_many_candidates_are_compared_in_no_time() -> None:
    places = np.random.default_rng(0).uniform(0, 4000, (20000, 2)).tolist()
    start = time.process_time()
    assert len(distinct(face((x, y, x + 40, y + 50)) for x, y in places)) == 1000
    assert time.process_time() - start < 10


def test_every_row_opens_what_it_names(shared: Path) -> None:
    for kind in DETECTORS.values():
        if kind.file is None:
            assert gpen.open_detector(kind.name, download=False).kind is kind
        elif any((shared / "weights").glob(f"{kind.file}*")):
            assert gpen.open_detector(kind.name, folders={"detector": [shared / "weights"]}).kind is kind


def test_auto_is_no_worse_for_one_more_detector(portraits: list[np.ndarray], shared: Path, tmp_path: Path) -> None:
    for file in ("", "detection_mobilenet0.25_Final.pth", "face_detection_yunet_2023mar.onnx"):
        if file:
            (tmp_path / file).symlink_to(shared / "weights" / file)
        detector = gpen.open_detector("auto", folders={"detector": [tmp_path]})
        for side in (300, 1400):
            the_face(sized(portraits[0], side), detector)


def test_pictures_on_which_a_look_again_sees_nothing_keep_their_landmarks(detector: Detector) -> None:
    from gpen.faces.second_look import look_again

    somewhere = face((20.0, 20, 60, 70))
    pictures = np.full((1, 90, 90, 3), 128, np.uint8)
    ((same,),) = look_again(pictures, [[somewhere]], detector)
    np.testing.assert_array_equal(same.landmarks, somewhere.landmarks)
    assert torch.isfinite(torch.from_numpy(same.landmarks)).all()


def test_what_is_not_seen_again_is_a_face_only_if_it_was_sure(detector: Detector) -> None:
    from gpen.faces.second_look import look_again

    least = detector.kind.confirmed_below
    scores = [least - 0.01, least + 0.01]
    somewhere = [replace(face((20.0, 20, 60, 70)), score=score) for score in scores]
    (left,) = look_again(np.full((1, 90, 90, 3), 128, np.uint8), [somewhere], detector)
    assert [one.score for one in left] == (scores[1:] if least else scores)
    given = gpen.detect_faces(
        torch.full((1, 90, 90, 3), 0.5), detector, boxes=[{"x": 20, "y": 20, "width": 40, "height": 50}], threshold=0.5
    )
    assert len(given) == 1, "somebody says that there is a face"


def test_tie_is_no_face(shared: Path) -> None:
    tied = sized(read_rgb(shared / "faces/us-senate/john-barrasso.jpg"), 512)
    assert len(gpen.detect_faces(tensor(tied), "mtcnn", threshold=0.5)) == 1


class SurestAtASlant:
    """Takes what it sees for an upright face, which is brighter above: surest of one that is, then of one that stands
    on its head, then of one that leans."""

    kind = DetectorKind("slant", threshold=0.5, second_looks=1)
    at_once = 1

    def __call__(self, pictures: np.ndarray, threshold: float) -> list[list[Face]]:
        return [[self._seen(picture.astype(float).mean(2))] for picture in pictures]

    def _seen(self, light: np.ndarray) -> Face:
        down, right = (slope.mean() for slope in np.gradient(light))
        off = abs(np.degrees(np.arctan2(right, -down)))
        side = len(light)
        score = 0.99 if off < 20 else 0.96 if off > 160 else 0.93 if off < 70 else 0.6
        return Face(0, (0.3 * side, 0.3 * side, 0.7 * side, 0.7 * side), template(side), score)


def test_face_is_turned_until_nothing_is_surer() -> None:
    y, x = np.mgrid[:200, :200]
    angle = np.radians(135)
    light = 128 + 0.5 * (np.sin(angle) * (x - 99.5) - np.cos(angle) * (y - 99.5))
    (found,) = gpen.detect_faces(tensor(np.stack([light.astype(np.uint8)] * 3, 2)), SurestAtASlant())
    right, down = found.landmarks[:2].mean(0) - found.landmarks[3:].mean(0)
    assert abs(np.degrees(np.arctan2(right, -down)) - 135) < 2
