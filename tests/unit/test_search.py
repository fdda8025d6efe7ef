"""Finding faces that an upright look at one size misses: turned, cut, tiny, in given boxes; with two detectors."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import data

import gpen
from gpen.by_name import open_detector
from gpen.errors import SettingError
from gpen.faces.alignment import template as gpen_template
from gpen.faces.boxes import read_boxes
from gpen.faces.detect import find_faces
from gpen.faces.detectors import Detector, DetectorKind
from gpen.faces.detectors.mtcnn import MTCNNDetector
from gpen.faces.passes import _at_scale, _beyond_edges
from gpen.faces.settings import SIZES
from gpen.weights.locate import Folders
from tests.support.detectors import Fixed
from tests.support.photograph import read_rgb, tensor, tilted, tilted_points

# NASA's portrait of Eileen Collins, as YuNet finds her face.
EYES = np.array([[200.0, 102], [247, 103]])


@pytest.fixture(scope="module", params=["mtcnn", "yunet"])
def detector(request: pytest.FixtureRequest, shared: Path) -> Detector:
    folders: Folders = {"detector": [shared / "weights"]}
    return gpen.open_detector(request.param, folders=folders)


def found(pixels: np.ndarray, detector: Detector, **search: Any) -> gpen.Faces:
    return gpen.detect_faces(tensor(pixels), detector, **search)


def tiny(scale: float) -> np.ndarray:
    """A crowd of one: the astronaut, `scale` as large, in a picture of 700×450."""
    small = cv2.resize(data.astronaut(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = np.full((450, 700, 3), 110, np.uint8)
    picture[200 : 200 + len(small), 480 : 480 + len(small)] = small
    return picture


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_face_in_a_turned_picture(detector: Detector, quarters: int) -> None:
    turned = np.rot90(data.astronaut(), quarters)
    faces = found(turned, detector, rotated=True)
    assert len(faces) == 1
    x, y = EYES.T
    eyes = {1: (y, 511 - x), 2: (511 - x, 511 - y), 3: (511 - y, x)}[quarters]
    assert np.abs(faces[0].landmarks[:2] - np.column_stack(eyes)).max() < 10
    left, top, right, bottom = faces[0].box
    assert left < faces[0].landmarks[2, 0] < right and top < faces[0].landmarks[2, 1] < bottom


def test_turned_and_upright_faces_in_one_picture(detector: Detector) -> None:
    head = data.astronaut()[20:220, 120:320]
    both = np.concatenate([head, np.rot90(head)], axis=1)
    faces = found(both, detector, rotated=True)
    # From eye to eye: to the right, and upwards.
    directions = sorted(np.rint(face.landmarks[1] - face.landmarks[0]).tolist() for face in faces)
    assert len(faces) == 2
    assert abs(directions[0][0]) < 12 and directions[0][1] < -35
    assert directions[1][0] > 35 and abs(directions[1][1]) < 12


def test_face_that_the_edge_cuts(detector: Detector) -> None:
    cut = data.astronaut()[:300, 215 if isinstance(detector, MTCNNDetector) else 230 :]
    assert _at_scale(cut[None], 1, detector, detector.kind.threshold) == [[]]
    assert len(_beyond_edges(cut[None], 1, detector, detector.kind.threshold)[0]) == 1
    faces = found(cut, detector, edges=True)
    assert len(faces) == 1 and faces[0].box[2] < 100


def test_tiny_face(detector: Detector) -> None:
    picture = tiny(0.12)
    assert len(found(picture, detector)) == 0
    faces = found(picture, detector, tiny_faces=True)
    assert len(faces) == 1
    assert np.abs(faces[0].landmarks[:2] - (EYES * 0.12 + [480, 200])).max() < 2
    assert len(found(picture[180:280, 460:560], detector, size="short side 480")) == 1


@pytest.mark.parametrize("size", SIZES)
def test_a_face_that_every_pass_sees_is_one(detector: Detector, size: str) -> None:
    faces = found(data.astronaut()[:220, 100:320], detector, size=size, tiny_faces=True, edges=True, rotated=True)
    assert len(faces) == 1
    assert np.abs(faces[0].landmarks[:2] - (EYES - [100, 0])).max() < 8


def test_size_says_at_which_size_the_picture_is_looked_at() -> None:
    seen: list[tuple[int, int]] = []

    class Watching:
        kind = DetectorKind("watching", threshold=0.5)
        at_once = 1

        def __call__(self, pictures: np.ndarray, threshold: float) -> list[list[gpen.Face]]:
            seen.append(pictures.shape[1:3])
            return [[] for _ in pictures]

    for shape in ((1200, 1500), (1000, 2000), (240, 300), (10, 900)):
        for size in SIZES:
            found(np.zeros((*shape, 3), np.uint8), Watching(), size=size)
    assert seen == [
        *((1200, 1500), (480, 600), (1200, 1500)),
        *((500, 1000), (480, 960), (1000, 2000)),
        *((240, 300), (480, 600), (240, 300)),
        *((10, 900), (44, 4000), (10, 900)),
    ]
    with pytest.raises(gpen.SettingError, match=r"'huge'.*full size"):
        gpen.DetectSettings(size="huge")


def test_landmarks_in_given_boxes(detector: Detector) -> None:
    box = {"x": 170, "y": 50, "width": 105, "height": 130, "label": "face", "score": 0.7}
    faces = gpen.detect_faces(tensor(data.astronaut()), detector, boxes=[box])
    assert [face.box for face in faces] == [(170, 50, 275, 180)]
    assert np.abs(faces[0].landmarks[:2] - EYES).max() < 8 and str(faces[0].outcome) == "found"


def test_box_in_which_no_face_is_seen_gets_the_mean_face() -> None:
    rocks = tensor(data.coffee()[:300, :300])
    two = torch.cat([rocks, rocks])
    box = {"x": 40, "y": 60, "width": 100, "height": 120, "score": 0.7}
    faces = gpen.detect_faces(two, "mtcnn", boxes=[[box], []])
    assert [(face.frame, face.box, face.score) for face in faces] == [(0, (40, 60, 140, 180), 0.7)]
    assert "guessed" in str(faces[0].outcome)
    x, y = faces[0].landmarks.T
    assert x.min() > 40 and x.max() < 140 and y.min() > 60 and y.max() < 180
    assert len(gpen.detect_faces(two, "mtcnn", boxes={**box, "width": 0})) == 0
    outside = gpen.detect_faces(two, "mtcnn", boxes={**box, "x": 1000})
    assert len(outside) == 2 and outside[0].box[0] == 1000


def test_landmarks_of_a_small_face_are_finer_than_a_pixel(detector: Detector) -> None:
    def landmarks(shift: float) -> np.ndarray:
        """Of the face made 0.35 as large and moved by a part of a pixel, less what it was moved by."""
        matrix = np.array([[0.35, 0, shift], [0, 0.35, shift]])
        soft = cv2.GaussianBlur(data.astronaut(), (0, 0), 1.1)
        (face,) = found(np.asarray(cv2.warpAffine(soft, matrix, (180, 180)), np.uint8), detector)
        return face.landmarks - shift

    assert np.std([landmarks(shift) for shift in (0, 0.25, 0.5, 0.75)], axis=0).mean() < 0.15


def test_sharpness_is_measured_in_the_picture_and_not_where_it_was_looked_at() -> None:
    large = cv2.resize(data.astronaut()[:300, 60:400], None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    (sharp,) = found(data.astronaut()[:300, 60:400], gpen.open_detector("mtcnn"))
    (same,) = found(large, gpen.open_detector("mtcnn"))
    assert sharp.sharpness is not None and same.sharpness is not None
    assert abs(sharp.sharpness - same.sharpness) < 8


@pytest.mark.parametrize("width", [float("nan"), float("inf"), 1e12, 999_999, 1e300, 10**400, "wide", None, [1]])
def test_a_box_that_is_no_place_in_a_picture_is_named(width):
    with pytest.raises(SettingError, match=r"expected a box|much larger than its picture"):
        read_boxes({"x": 0, "y": 0, "width": width, "height": 10}, 1, 100, 100)


def test_a_box_beside_lists_of_boxes_is_not_lost():
    box = {"x": 1, "y": 2, "width": 3, "height": 4}
    assert [len(of_frame) for of_frame in read_boxes([box, [box, box], None], 3, 100, 100)] == [1, 2, 0]


def test_a_box_far_larger_than_the_picture_is_named():
    box = {"x": 0, "y": 0, "width": 1e5, "height": 1e5}
    with pytest.raises(SettingError, match="picture of 30×20 pixels"):
        find_faces(torch.rand(1, 20, 30, 3), open_detector("mtcnn"), boxes=box)


def test_landmarks_of_turned_portraits_are_those_of_the_face_upright(detector: Detector, shared: Path) -> None:
    """A lying face is seen in the upright pass, too, with landmarks that are wrong."""
    for file in sorted((shared / "faces" / "us-house").glob("*.jpg"))[5::70]:
        portrait = cv2.resize(read_rgb(file), (320, 320), interpolation=cv2.INTER_AREA)
        (upright,) = found(portrait, detector)
        eyes_apart = np.linalg.norm(upright.landmarks[1] - upright.landmarks[0])
        middle = upright.landmarks - 159.5
        for quarters in (1, 2, 3):
            (face,) = found(np.rot90(portrait, quarters), detector, rotated=True)
            x, y = middle.T
            turned = np.column_stack({1: (y, -x), 2: (-x, -y), 3: (-y, x)}[quarters]) + 159.5
            assert np.linalg.norm(face.landmarks - turned, axis=1).mean() < 0.3 * eyes_apart, (file.name, quarters)


def test_landmarks_of_a_small_face_that_is_tilted(shared: Path) -> None:
    """YuNet sees it half upright, a third of a face off; the second look finds the way up."""
    yunet = gpen.open_detector("yunet", folders={"detector": [shared / "weights"]})
    for name, side in (("albio-sires", 100), ("albio-sires", 180), ("joe-neguse", 180), ("al-green", 100)):
        portrait = read_rgb(shared / "faces" / "us-house" / f"{name}.jpg")
        picture = np.asarray(cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
        upright, turned = (
            max(found(pixels, yunet, threshold=0.5), key=lambda face: face.size)
            for pixels in (picture, tilted(picture, 45))
        )
        wanted = tilted_points(upright.landmarks, picture, 45)
        width = upright.box[2] - upright.box[0]
        assert np.linalg.norm(turned.landmarks - wanted, axis=1).mean() < 0.035 * width, (name, side)


@pytest.mark.parametrize(("score", "count"), [(0.92, 0), (0.96, 2)])
def test_what_is_seen_turned_alone_must_be_surer(score: float, count: int) -> None:
    face = gpen.Face(0, (10, 10, 50, 60), gpen_template(64), score)

    class OnItsSide(Fixed):
        """Sees a face only where the picture is higher than wide: turned by 90° and by 270°."""

        def __call__(self, pictures: np.ndarray, threshold: float) -> list[list[gpen.Face]]:
            return [[self.face] if pixels.shape[0] > pixels.shape[1] else [] for pixels in pictures]

    picture = np.zeros((80, 160, 3), np.uint8)
    assert not found(picture, OnItsSide(face), threshold=0.9)
    assert len(found(picture, OnItsSide(face), threshold=0.9, rotated=True)) == count
