"""Faces given by the points of MediaPipe's face mesh."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gpen
from tests.support.photograph import mesh

POINTS = mesh()


def given(frames: int = 1, **changes: object) -> dict[str, Any]:
    face = {"landmarks_xy": np.array(POINTS, np.float32), "score": 0.9, "presence": 20.0}
    return {"frames": [[face]] * frames, "image_size": (512, 512), "connection_sets": {}, **changes}


def test_lie_where_a_detector_sees_them(astronaut: torch.Tensor, shared: Path) -> None:
    (face,) = gpen.faces_from_landmarks(astronaut, given())
    (seen,) = gpen.detect_faces(astronaut, "yunet", folders={"detector": [shared / "weights"]})
    eyes_apart = np.linalg.norm(seen.landmarks[1] - seen.landmarks[0])
    assert np.linalg.norm(face.landmarks - seen.landmarks, axis=1).max() < 0.15 * eyes_apart
    assert face.score == pytest.approx(0.9) and face.sharpness == pytest.approx(seen.sharpness, abs=5)
    left, top, right, bottom = face.box
    assert left < seen.landmarks[0, 0] < seen.landmarks[1, 0] < right and top < seen.landmarks[2, 1] < bottom


def test_are_restored_like_any_others(astronaut: torch.Tensor) -> None:
    faces = gpen.faces_from_landmarks(astronaut, given())
    faces = gpen.restore_faces(gpen.load_model("preview", device="cpu"), astronaut, faces)
    pasted = gpen.paste_faces(astronaut, faces)
    x, y = faces[0].landmarks.mean(0).round().astype(int)
    assert str(faces[0].outcome) == "restored" and pasted.mask[0, y, x] == 1 and pasted.mask[0, 400, 60] == 0


def test_move_with_the_size_of_the_picture(astronaut: torch.Tensor) -> None:
    large = torch.nn.functional.interpolate(astronaut.movedim(3, 1), scale_factor=2, mode="bilinear").movedim(1, 3)
    (small,), (moved,) = (gpen.faces_from_landmarks(picture, given()) for picture in (astronaut, large))
    np.testing.assert_allclose(moved.landmarks, small.landmarks * 2 + 0.5)


def test_box_of_its_own_and_a_frame_without_a_face(astronaut: torch.Tensor) -> None:
    face = given()["frames"][0][0] | {"bbox_xyxy": np.array([150.0, 40, 280, 190])}
    faces = gpen.faces_from_landmarks(astronaut.expand(2, -1, -1, -1), given(frames=1) | {"frames": [[], [face]]})
    assert [(face.frame, face.box) for face in faces] == [(1, (150, 40, 280, 190))]


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "face",
        [],
        {"frames": [[]]},
        given(image_size=(0, 512)),
        given(image_size=(1, 1)),
        given(image_size=(10**400, 512)),
        given(image_size=(float("inf"), 512)),
        given(frames=1) | {"frames": [[{"landmarks_xy": POINTS, "score": 10**400}]]},
        given(frames=1) | {"frames": [[{"landmarks_xy": [[10**400, 1]] * 478}]]},
        given(frames=1) | {"frames": [[{"landmarks_xy": POINTS, "bbox_xyxy": [0, 0, 1e300, 5]}]]},
        given(frames=1) | {"frames": [[{"landmarks_xy": POINTS[:468]}]]},
        given(frames=1) | {"frames": [[{"landmarks_xy": [[float("nan"), 1]] * 478}]]},
        given(frames=1) | {"frames": [[{"score": 1}]]},
        given(frames=1) | {"frames": [[7]]},
    ],
)
def test_anything_else_is_named(astronaut: torch.Tensor, wrong: object) -> None:
    with pytest.raises(gpen.SettingError, match=r"expected FACE_LANDMARKS .*478"):
        gpen.faces_from_landmarks(astronaut, wrong)


def test_other_number_of_pictures_is_named(astronaut: torch.Tensor) -> None:
    with pytest.raises(gpen.SettingError, match="batch of 3 pictures, and this one has 1"):
        gpen.faces_from_landmarks(astronaut, given(frames=3))


def test_faces_that_shrink_to_a_point_are_none(astronaut: torch.Tensor) -> None:
    """As in a copy that is a millionth of the size that they are given for."""
    points = np.array(POINTS, np.float64) * 1e-3 + 5e5
    face = {"landmarks_xy": points, "score": 0.9}
    assert len(gpen.faces_from_landmarks(astronaut, {"frames": [[face]], "image_size": (10**6, 10**6)})) == 0
