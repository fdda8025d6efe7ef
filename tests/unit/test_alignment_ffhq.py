"""The crops of restorers that were trained on FFHQ, against those of facexlib's own helper."""

from pathlib import Path

import numpy as np
import pytest
import torch
from facexlib.utils.face_restoration_helper import FaceRestoreHelper
from torch import Tensor

import gpen
from gpen.faces.alignment import FFHQ_ALIGNMENT, FFHQ_TEMPLATE_512, GPEN_ALIGNMENT, Points, align, crop_face
from gpen.restore.plan import plan
from gpen.restore.settings import RestoreSettings
from tests.support.measure import psnr
from tests.support.photograph import read_rgb, tensor

LEAST_DB = 45
"""The helper rounds to 8 bits, and does not smooth what it makes smaller."""


def of_helper(picture: Tensor, landmarks: Points) -> Tensor:
    """The crop (512, 512, 3) that facexlib's helper cuts out of a picture (H, W, 3)."""
    helper = object.__new__(FaceRestoreHelper)  # without its networks, which it would fetch
    helper.face_template, helper.face_size, helper.pad_blur = FFHQ_TEMPLATE_512, (512, 512), False
    helper.input_img = (picture.numpy()[..., ::-1] * 255).round().astype(np.uint8)
    helper.all_landmarks_5, helper.affine_matrices, helper.cropped_faces = [landmarks], [], []
    helper.align_warp_face()
    return torch.from_numpy(helper.cropped_faces[0][..., ::-1].astype(np.float32) / 255)


def of_ours(picture: Tensor, landmarks: Points) -> Tensor:
    return crop_face(picture, align(landmarks, 512, alignment=FFHQ_ALIGNMENT)[0], 512, FFHQ_ALIGNMENT.outside)


def test_crops_of_portraits(shared: Path) -> None:
    detector = gpen.open_detector("yunet", folders={"detector": [shared / "weights"]})
    files = sorted((shared / "faces" / "us-senate").glob("*.jpg"))[::10][:10]
    for file in files:
        picture = tensor(read_rgb(file))
        landmarks = max(gpen.detect_faces(picture, detector), key=lambda face: face.size).landmarks
        assert psnr(2 * of_ours(picture[0], landmarks), 2 * of_helper(picture[0], landmarks)) >= LEAST_DB, file.name
    assert len(files) == 10


@pytest.mark.parametrize("offset", [(0, 0), (-180, -150), (300, 100)])
def test_grey_beyond_the_picture(astronaut: Tensor, offset: tuple[int, int]) -> None:
    (face,) = gpen.detect_faces(astronaut, "mtcnn")
    landmarks = face.landmarks + np.array(offset)
    ours, helper = of_ours(astronaut[0], landmarks), of_helper(astronaut[0], landmarks)
    assert psnr(2 * ours, 2 * helper) >= LEAST_DB
    if offset != (0, 0):
        assert (ours == torch.tensor(FFHQ_ALIGNMENT.outside)).all(dim=2).float().mean() > 0.05, "nothing is outside"


def test_a_landmark_that_is_off_counts_in_clips_alone() -> None:
    """Else the crop of a face that is followed would jump when another landmark is left out."""
    landmarks = FFHQ_TEMPLATE_512 + np.array([[0, 0], [0, 0], [0, 0], [0, 0], [60, 40]])
    robust, steady = (align(landmarks, 512, alignment=how)[0] for how in (FFHQ_ALIGNMENT, FFHQ_ALIGNMENT.steady()))
    np.testing.assert_allclose(robust, [[1, 0, 0], [0, 1, 0]], atol=1e-3)
    assert np.abs(steady - robust).max() > 1


def test_gpen_stays_as_it_was() -> None:
    assert not GPEN_ALIGNMENT.robust and GPEN_ALIGNMENT.outside == (0, 0, 0)


def test_faces_of_a_clip_are_cut_steadily(astronaut: Tensor) -> None:
    clip = astronaut.expand(2, -1, -1, -1)
    tracked = gpen.track_faces(gpen.detect_faces(clip, "mtcnn"))
    cut = plan(tracked, 512, RestoreSettings(), None, FFHQ_ALIGNMENT)[0].cut
    assert cut is not None
    expected = align(next(iter(tracked)).landmarks, 512, alignment=FFHQ_ALIGNMENT.steady())[0]
    np.testing.assert_array_equal(cut.picture_to_crop, expected)
