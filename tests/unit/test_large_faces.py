"""Faces larger than the network's crop, restored at their own size in tiles."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage import data

import gpen
from gpen.image.files import read_picture
from gpen.image.warp import scale_of
from tests.support.faces import after_of, crop_of
from tests.support.networks import Negative
from tests.support.photograph import tensor


@pytest.fixture(scope="module")
def two_sizes() -> tuple[torch.Tensor, gpen.Faces]:
    """The astronaut, and herself at a quarter of that size: faces of 90 and of 22 pixels."""
    head = data.astronaut()[:240, 100:340]
    small = cv2.resize(head, (60, 60), interpolation=cv2.INTER_AREA)
    picture = tensor(np.concatenate([head, np.pad(small, ((0, 180), (0, 0), (0, 0)))], axis=1))
    faces = gpen.detect_faces(picture, "mtcnn")
    return picture, gpen.select_faces(faces, order="largest").chosen


def test_only_larger_faces_are_done_at_their_own_size(two_sizes: tuple[torch.Tensor, gpen.Faces]) -> None:
    picture, faces = two_sizes
    large, small = gpen.restore_faces(Negative(), picture, faces, tiles=True)
    assert crop_of(small).size == 64
    assert 150 < crop_of(large).size < 256 and scale_of(crop_of(large).crop_to_picture) == pytest.approx(1, abs=0.02)
    assert crop_of(large).before.shape == after_of(large).shape
    torch.testing.assert_close(after_of(large), 1 - crop_of(large).before)
    # It lies where it was: the negative of its crop is the negative of the picture, but for the resampling.
    pasted = gpen.paste_faces(picture, faces.with_faces([large]), large_faces="off")
    inside = pasted.mask[0] > 0.99
    assert inside.sum() > 3000
    assert (pasted.image[0] - (1 - picture[0]))[inside].abs().mean() < 0.02


def test_no_larger_than_four_times_the_network(two_sizes: tuple[torch.Tensor, gpen.Faces]) -> None:
    picture, faces = two_sizes
    huge = torch.nn.functional.interpolate(picture.movedim(3, 1), scale_factor=3, mode="bilinear").movedim(1, 3)
    (face,) = gpen.restore_faces(Negative(), huge, faces.with_faces([faces[0]]), tiles=True)
    assert crop_of(face).size == 256


def test_blurred_portrait_gains_by_tiles(shared: Path) -> None:
    clean = read_picture(shared / "faces" / "us-senate" / "amy-klobuchar.jpg").rgb
    blurred = torch.from_numpy(cv2.GaussianBlur(clean[0].numpy(), (0, 0), 3))[None]
    faces, model = gpen.detect_faces(clean, "mtcnn"), gpen.load_model("preview", device="cpu")
    errors = []
    for tiles in (False, True):
        done = gpen.paste_faces(blurred, gpen.restore_faces(model, blurred, faces, tiles=tiles))
        errors.append((done.image - clean)[0][done.mask[0] > 0.99].square().mean())
    assert errors[1] < 0.98 * errors[0]


def test_crops_of_both_sizes_leave_and_come_back(two_sizes: tuple[torch.Tensor, gpen.Faces]) -> None:
    picture, faces = two_sizes
    faces = gpen.restore_faces(Negative(), picture, faces, tiles=True)
    cut = gpen.face_crops(picture, faces)
    assert len(cut.crops) == 2 and cut.crops.shape[1] == max(crop_of(face).size for face in faces)
    assert gpen.replace_crops(cut.faces, 1 - cut.crops)[0].outcome.kind == "replaced"


def test_clip_in_which_the_face_comes_nearer(two_sizes: tuple[torch.Tensor, gpen.Faces]) -> None:
    picture = two_sizes[0][:, :, :240].movedim(3, 1)
    frames = [
        torch.nn.functional.interpolate(picture, scale_factor=scale, mode="bilinear")[..., :240, :240]
        for scale in (1.0, 1.05, 1.1)
    ]
    clip = torch.cat(frames).movedim(1, 3)
    faces = gpen.track_faces(gpen.detect_faces(clip, "mtcnn"))
    assert [face.track for face in faces] == [1, 1, 1] and faces[0].neighbours > 0
    sizes = {
        len(f.crop.after)
        for f in gpen.restore_faces(Negative(), clip, faces, tiles=True)
        if (f.crop is not None and f.crop.after is not None)
    }
    assert len(sizes) == 1 and sizes.pop() > 64


def test_networks_for_other_tasks_are_refused(two_sizes: tuple[torch.Tensor, gpen.Faces]) -> None:
    picture, faces = two_sizes
    with pytest.raises(gpen.SettingError, match=r"for colorization .* restore its faces without tiles"):
        gpen.restore_faces(Negative(task="colorization"), picture, faces, tiles=True)
