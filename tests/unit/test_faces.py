"""Face and Faces: what travels between the steps."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from gpen.faces.alignment import GPEN_TEMPLATE, template
from gpen.faces.face import FOUND, Crop, Face, Faces, Outcome
from gpen.faces.report import describe
from tests.support.faces import crop_of


def face(frame: int = 0, outcome: Outcome = FOUND) -> Face:
    crop = Crop(torch.zeros(64, 64, 3), np.eye(2, 3), GPEN_TEMPLATE)
    return Face(frame, (10, 20, 40, 60), template(64), 0.95, crop=crop, outcome=outcome)


def test_nothing_changes_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        face().score = 1.0  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Faces((), 1, 1, 1).width = 2  # type: ignore[misc]


def test_faces_of_a_frame() -> None:
    faces = Faces((face(0), face(2), face(0)), 100, 100, 3)
    assert [len(faces.of_frame(frame)) for frame in range(3)] == [2, 0, 1]


def test_scaling_keeps_the_edges_of_the_picture() -> None:
    # The outer edges of the first and the last pixel lie at -0.5 and at the size less 0.5.
    faces = Faces((Face(0, (-0.5, -0.5, 99.5, 49.5), np.array([[-0.5, 49.5]] * 5), 1.0),), 100, 50, 1)
    scaled = faces.scaled_to(400, 150)
    assert scaled[0].box == (-0.5, -0.5, 399.5, 149.5)
    np.testing.assert_allclose(scaled[0].landmarks[0], [-0.5, 149.5])


def test_scaling_moves_the_matrix_with_the_landmarks() -> None:
    faces = Faces((face(),), 100, 100, 1)
    scaled = faces.scaled_to(250, 250)
    point = np.array([12.0, 7.0, 1.0])
    after, before = crop_of(scaled[0]).crop_to_picture, crop_of(faces[0]).crop_to_picture
    np.testing.assert_allclose(after @ point, (before @ point) * 2.5 + 0.75)
    back = scaled.scaled_to(100, 100)
    np.testing.assert_allclose(back[0].landmarks, faces[0].landmarks)


def test_report_says_each_outcome() -> None:
    outside = Outcome("skipped", "it lies outside the picture")
    faces = Faces((face(outcome=Outcome("restored")), face(1, outside)), 100, 100, 2)
    first, one, two = describe(faces).splitlines()
    assert first == "2 faces found, 1 restored, 1 skipped"
    assert one.startswith("#1 restored · 30×40 px at (10, 20) in picture 1")
    assert two == "#1 skipped · 30×40 px at (10, 20) in picture 2 · score 0.95 · it lies outside the picture"
    assert describe(Faces((), 1, 1, 1)) == "no face found"


def test_a_number_is_given_once() -> None:
    faces = Faces((face(0), face(1), face(0)), 100, 100, 2)
    assert [one.number for one in faces] == [1, 1, 2]
    later = faces.with_faces([faces[2], face(0)])
    assert [one.number for one in later] == [2, 3], "a face that comes later gets the next one"
    assert [one.key for one in later.scaled_to(50, 50)] == [(0, 2), (0, 3)]
