"""Pictures that show what was found; at any size, and wherever the face lies."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import gpen
from gpen.faces.alignment import template
from gpen.faces.face import Face, Faces
from gpen.faces.preview import box_mask, draw_faces
from tests.support.networks import Negative


def faces(left: float, top: float, width: int = 300, height: int = 200) -> Faces:
    landmarks = template(64) + np.array([left, top])
    return Faces((Face(1, (left, top, left + 64, top + 64), landmarks, 0.9),), width, height, 2)


@pytest.mark.parametrize(("left", "top"), [(100, 80), (-30, -30), (280, 190), (1000, 1000)])
def test_frames_only_its_own_picture(left: float, top: float) -> None:
    picture = torch.full((2, 200, 300, 3), 0.5)
    shown = draw_faces(picture, faces(left, top))
    # So small a picture is shown at twice its size.
    assert shown.shape == (2, 400, 600, 3) and torch.allclose(shown[0], torch.full((400, 600, 3), 0.5), atol=1 / 255)
    inside = left < 300 and top < 200
    assert ((shown[1] - 0.5).abs().amax() > 0.3) == inside
    assert picture.unique().numel() == 1, "the picture itself was drawn into"


def test_mask_is_one_inside_the_box() -> None:
    mask = box_mask(faces(280, 190))
    assert mask.shape == (2, 200, 300) and mask.sum() == 20 * 10 and mask[1, 190:, 280:].min() == 1
    assert box_mask(faces(-100, -100)).max() == 0


@pytest.mark.parametrize(("height", "width"), [(64, 64), (300, 200), (900, 1400)])
def test_letters_stay_inside_and_are_large_enough_on_a_node(height: int, width: int) -> None:
    size = min(height, width) // 4
    picture = torch.full((1, height, width, 3), 0.5)
    for left, top in ((0, 0), (width - size, 0), (0, height - size), (width - size, height - size)):
        middle = np.array([[left + size / 2, top + size / 2]] * 5)
        face = Face(0, (left, top, left + size, top + size), middle, 0.9, sharpness=63.0)
        one, other = (
            draw_faces(picture, Faces((replace(face, sharpness=sharp),), width, height, 1)) for sharp in (63.0, 77.0)
        )
        rows, columns = torch.nonzero((one - other).abs().amax(-1)[0] > 0.2, as_tuple=True)
        # At node size, some 400 pixels, the digits of the sharpness are at least 7 pixels high.
        assert (rows.max() - rows.min() + 1) * 400 / max(one.shape[1:3]) >= 7
        assert rows.min() > 0 and rows.max() < one.shape[1] - 1
        assert columns.min() > 0 and columns.max() < one.shape[2] - 1


def test_labels_hide_neither_faces_nor_each_other() -> None:
    boxes = [(60, 150, 110, 210), (115, 150, 165, 210), (170, 150, 220, 210)]
    found = [Face(0, box, np.array([[box[0] + 25, 180]] * 5), 0.9, sharpness=63.0) for box in boxes]
    shown = draw_faces(torch.full((1, 400, 400, 3), 0.5), Faces(tuple(found), 400, 400, 1))
    labels = (shown[0] < 0.2).all(-1)  # the darker ground that letters stand on
    for left, top, right, bottom in boxes:
        assert not labels[top + 2 : bottom - 1, left + 2 : right - 1].any()
    alone = draw_faces(torch.full((1, 400, 400, 3), 0.5), Faces((found[0],), 400, 400, 1))
    assert labels.sum() > 2.8 * (alone[0] < 0.2).all(-1).sum()


def pixels_of(png: bytes | None) -> np.ndarray:
    assert png is not None
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels[..., ::-1]


def test_a_notebook_shows_numbered_faces() -> None:
    pictures = torch.full((2, 200, 300, 3), 0.5)
    shown = gpen.preview(pictures, faces(100, 80))
    assert repr(shown) == "<Preview: 2 pictures of 600×400>"
    drawn = draw_faces(pictures, faces(100, 80)).reshape(800, 600, 3)
    np.testing.assert_array_equal(pixels_of(shown._repr_png_()), (drawn * 255).round().byte().numpy())
    # Large ones are shown smaller, of many the first, and of none nothing.
    assert pixels_of(gpen.preview(torch.rand(2, 1000, 3000, 3), faces(100, 80))._repr_png_()).shape == (682, 1024, 3)
    many = replace(faces(100, 80), frames=20)
    assert pixels_of(gpen.preview(torch.rand(20, 200, 300, 3), many)._repr_png_()).shape == (8 * 400, 600, 3)
    assert gpen.preview(torch.rand(0, 200, 300, 3), Faces((), 300, 200, 0))._repr_png_() is None
    with pytest.raises(gpen.SettingError, match="a batch of 2 pictures, and this one has 1"):
        gpen.preview(pictures[:1], faces(100, 80))


def test_a_notebook_shows_what_was_restored(astronaut: Tensor) -> None:
    done = gpen.restore(Negative(), astronaut, "mtcnn")
    assert repr(done) == "Restored(faces=<Faces: 1 of 512×512>)"
    shown = pixels_of(done._repr_png_()).astype(float)
    expected = draw_faces(done.image, done.faces)[0].numpy() * 255
    np.testing.assert_allclose(shown, expected, atol=0.51)
    assert np.abs(shown - done.image[0].numpy() * 255).max() > 100, "nothing is drawn"
