"""Pictures that show what was found; at any size, and wherever the face lies."""

import numpy as np
import pytest
import torch

from gpen.faces.alignment import template
from gpen.faces.face import Face, Faces
from gpen.image.preview import box_mask, draw_faces


def faces(left: float, top: float, width: int = 300, height: int = 200) -> Faces:
    landmarks = template(64) + np.array([left, top])
    return Faces((Face(1, (left, top, left + 64, top + 64), landmarks, 0.9),), width, height, 2)


@pytest.mark.parametrize(("left", "top"), [(100, 80), (-30, -30), (280, 190), (1000, 1000)])
def test_frames_only_its_own_picture(left: float, top: float) -> None:
    picture = torch.full((2, 200, 300, 3), 0.5)
    shown = draw_faces(picture, faces(left, top))
    assert torch.allclose(shown[0], picture[0], atol=1 / 255)
    inside = left < 300 and top < 200
    assert ((shown[1] - 0.5).abs().amax() > 0.3) == inside
    assert picture.unique().numel() == 1, "the picture itself was drawn into"


def test_mask_is_one_inside_the_box() -> None:
    mask = box_mask(faces(280, 190))
    assert mask.shape == (2, 200, 300) and mask.sum() == 20 * 10 and mask[1, 190:, 280:].min() == 1
    assert box_mask(faces(-100, -100)).max() == 0
