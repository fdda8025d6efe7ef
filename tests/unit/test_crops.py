"""Crops out and back in: the same faces, in the same places, and nothing changed that nobody changed."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import gpen
from gpen.faces.exchange import bounding_boxes, segments
from gpen.faces.face import Face, Faces, Outcome
from tests.support.networks import Negative
from tests.support.photograph import read_rgb


@pytest.fixture(scope="module")
def found(astronaut: torch.Tensor) -> gpen.Faces:
    """The face of the photograph as a detector finds it, a smaller copy beside it, and two that cannot be cut out."""
    face = gpen.detect_faces(astronaut, "mtcnn")[0]
    others = (
        gpen.Face(0, (10, 10, 10, 60), face.landmarks, 0.9),
        gpen.Face(0, (20, 300, 80, 360), (face.landmarks - face.landmarks.mean(0)) * 0.6 + (50, 330), 0.8),
        gpen.Face(0, (900, 10, 960, 70), face.landmarks + 700, 0.9),
    )
    return gpen.Faces((face, *others), 512, 512, 1)


def test_crops_of_found_faces_are_upright_and_in_order(astronaut: torch.Tensor, found: gpen.Faces) -> None:
    cut = gpen.face_crops(astronaut, found)
    assert cut.crops.shape == (2, 512, 512, 3)
    assert [face.outcome.kind for face in cut.faces] == ["found", "skipped", "found", "skipped"]
    again = gpen.detect_faces(cut.crops[:1], "mtcnn")[0]
    eyes = again.landmarks[1] - again.landmarks[0]
    assert abs(np.degrees(np.arctan2(eyes[1], eyes[0]))) < 3
    assert all(face.crop is None for face in found), "what came in was changed"


def test_crops_of_a_tilted_group_are_upright(shared: Path) -> None:
    people = []
    for name, angle in (("amy-klobuchar", -16), ("angus-king", 9), ("ben-lujan", 22)):
        pixels = read_rgb(shared / "faces" / "us-senate" / f"{name}.jpg")
        pixels = cv2.resize(pixels, (200, 200), interpolation=cv2.INTER_AREA)
        people.append(cv2.warpAffine(pixels, cv2.getRotationMatrix2D((100, 100), angle, 1), (200, 200)))
    group = torch.from_numpy(np.concatenate(people, axis=1))[None].float() / 255
    cut = gpen.face_crops(group, gpen.detect_faces(group, "mtcnn"), size=256)
    assert len(cut.crops) == 3
    for face in gpen.detect_faces(cut.crops, "mtcnn"):
        eyes = face.landmarks[1] - face.landmarks[0]
        assert abs(np.degrees(np.arctan2(eyes[1], eyes[0]))) < 5
    back = gpen.replace_crops(cut.faces, cut.crops)
    assert torch.equal(gpen.paste_faces(group, back).image, group)


def test_crops_of_a_batch_go_back_to_their_own_picture(astronaut: torch.Tensor, found: gpen.Faces) -> None:
    pictures = torch.cat([astronaut, torch.zeros_like(astronaut), astronaut.flip(3)])
    faces = gpen.Faces((found[0], replace(found[0], frame=2)), 512, 512, 3)
    cut = gpen.face_crops(pictures, faces, size=128)
    torch.testing.assert_close(cut.crops[1], cut.crops[0].flip(2))
    changed = cut.crops.clone()
    changed[1] = 1 - changed[1]
    pasted = gpen.paste_faces(pictures, gpen.replace_crops(cut.faces, changed)).image
    assert [torch.equal(a, b) for a, b in zip(pasted, pictures, strict=True)] == [True, True, False]


def test_size_follows_the_restored_faces_or_is_chosen(astronaut: torch.Tensor, found: gpen.Faces) -> None:
    restored = gpen.restore_faces(Negative(), astronaut, found)
    assert gpen.face_crops(astronaut, restored).crops.shape == (2, 64, 64, 3)
    assert gpen.face_crops(astronaut, restored, size=100).crops.shape == (2, 100, 100, 3)
    assert gpen.face_crops(astronaut, found, size=128).crops.shape == (2, 128, 128, 3)


def test_which_crops(astronaut: torch.Tensor, found: gpen.Faces) -> None:
    restored = gpen.restore_faces(Negative(), astronaut, found)
    original = gpen.face_crops(astronaut, restored, which="original").crops
    torch.testing.assert_close(gpen.face_crops(astronaut, restored).crops, 1 - original, atol=1e-4, rtol=0)
    torch.testing.assert_close(original, gpen.face_crops(astronaut, found, size=64).crops, atol=1e-4, rtol=0)


@pytest.mark.parametrize("which", ["restored", "original"])
@pytest.mark.parametrize("size", [0, 300])
def test_round_trip_of_unchanged_crops_changes_nothing(
    astronaut: torch.Tensor, found: gpen.Faces, which: str, size: int
) -> None:
    cut = gpen.face_crops(astronaut, found, which=which, size=size)
    for unchanged in (cut.crops, (cut.crops * 255).round() / 255, (cut.crops * 255).floor() / 255):
        back = gpen.replace_crops(cut.faces, unchanged)
        assert torch.equal(gpen.paste_faces(astronaut, back, mask="box").image, astronaut)
        assert [face.outcome.kind for face in back] == ["unchanged", "skipped", "unchanged", "skipped"]


def test_who_is_left_out_does_not_depend_on_words(astronaut: torch.Tensor, found: gpen.Faces) -> None:
    queued = Outcome("found", "skipped the queue")
    faces = found.with_faces([found[0].skipped("by choice"), replace(found[2], outcome=queued)])
    cut = gpen.face_crops(astronaut, faces, size=64)
    assert [face.crop is None for face in cut.faces] == [True, False]
    # Whoever is chosen anew is cut out anew.
    again = gpen.face_crops(astronaut, gpen.select_faces(cut.faces).chosen, size=64)
    assert not any(face.outcome.kind == "skipped" for face in again.faces) and len(again.crops) == 2


def test_round_trip_of_restored_crops_pastes_what_would_have_been_pasted(
    astronaut: torch.Tensor, found: gpen.Faces
) -> None:
    restored = gpen.restore_faces(Negative(), astronaut, found)
    cut = gpen.face_crops(astronaut, restored)
    back = gpen.replace_crops(cut.faces, cut.crops)
    assert torch.equal(gpen.paste_faces(astronaut, back).image, gpen.paste_faces(astronaut, restored).image)


def test_changed_crop_is_pasted_where_it_came_from(astronaut: torch.Tensor, found: gpen.Faces) -> None:
    cut = gpen.face_crops(astronaut, found, size=256)
    changed = cut.crops.clone()
    changed[1] = 1 - changed[1]
    back = gpen.replace_crops(cut.faces, changed)
    assert [face.outcome.kind for face in back] == ["unchanged", "skipped", "replaced", "skipped"]
    pasted = gpen.paste_faces(astronaut, back, large_faces="off")
    assert torch.equal(pasted.image[:, :250], astronaut[:, :250]), "the other face changed"
    middle = np.s_[0, 325:335, 45:55]
    torch.testing.assert_close(pasted.image[middle], 1 - astronaut[middle], atol=0.06, rtol=0)
    assert (pasted.image[middle] - 1 + astronaut[middle]).abs().mean() < 0.01
    assert torch.equal(gpen.paste_faces(astronaut, back, strength=0).image, astronaut)


@pytest.mark.parametrize("size", [256, 100, 400])
def test_crop_of_another_size_lands_in_the_same_place(astronaut: torch.Tensor, found: gpen.Faces, size: int) -> None:
    cut = gpen.face_crops(astronaut, found, size=200)
    changed = 1 - F.interpolate(cut.crops.movedim(3, 1), (size, size), mode="bilinear", antialias=True).movedim(1, 3)
    back = gpen.replace_crops(cut.faces, changed)
    assert (back[0].crop is not None and back[0].crop.after is not None) and len(back[0].crop.after) == max(size, 200)
    same = gpen.replace_crops(cut.faces, 1 - cut.crops)
    pasted, expected = (gpen.paste_faces(astronaut, faces).image for faces in (back, same))
    # Half a pixel to the side would cost three times as much.
    assert (pasted - expected).abs().mean() < 0.0025


def test_larger_picture_gives_crops_with_its_detail(astronaut: torch.Tensor, found: gpen.Faces) -> None:
    large = F.interpolate(astronaut.movedim(3, 1), scale_factor=2.0, mode="bilinear").movedim(1, 3)
    cut = gpen.face_crops(large, found)
    assert (cut.faces.width, cut.faces.height) == (1024, 1024)
    assert (cut.crops - gpen.face_crops(astronaut, found).crops).abs().mean() < 0.02


@pytest.mark.parametrize("number", [1, 3])
def test_wrong_number_of_crops(astronaut: torch.Tensor, found: gpen.Faces, number: int) -> None:
    cut = gpen.face_crops(astronaut, found, size=64)
    with pytest.raises(gpen.SettingError, match=f"expected 2 crops, .* and got {number}"):
        gpen.replace_crops(cut.faces, torch.zeros(number, 64, 64, 3))


def test_faces_without_crops_are_refused(found: gpen.Faces) -> None:
    with pytest.raises(gpen.SettingError, match="carry no crops"):
        gpen.replace_crops(found, torch.zeros(2, 64, 64, 3))


def test_wrong_settings_name_the_choices(astronaut: torch.Tensor, found: gpen.Faces) -> None:
    with pytest.raises(gpen.SettingError, match="choose one of: restored, original"):
        gpen.face_crops(astronaut, found, which="after")
    with pytest.raises(gpen.SettingError, match="0 or more"):
        gpen.face_crops(astronaut, found, size=-8)


def test_no_face_gives_no_crop(astronaut: torch.Tensor) -> None:
    cut = gpen.face_crops(astronaut, gpen.Faces((), 512, 512, 1))
    assert cut.crops.shape == (0, 512, 512, 3)
    assert bounding_boxes(cut.faces) == [[]] and segments(astronaut, cut.faces) == ((512, 512), [])


def test_boxes_are_whole_pixels_inside_each_picture() -> None:
    landmarks = np.zeros((5, 2))
    faces = (gpen.Face(1, (-3.2, 4.4, 50.6, 70.0), landmarks, 0.75), gpen.Face(1, (60, 60, 120, 130), landmarks, 1))
    boxes = bounding_boxes(gpen.Faces(faces, 100, 80, 2))
    assert boxes == [
        [],
        [
            {"x": 0, "y": 4, "width": 51, "height": 66, "label": "face", "score": 0.75},
            {"x": 60, "y": 60, "width": 40, "height": 20, "label": "face", "score": 1},
        ],
    ]


def test_segments_have_the_fields_other_packs_read(astronaut: torch.Tensor, found: gpen.Faces) -> None:
    cut = gpen.face_crops(astronaut, found)
    (height, width), segs = segments(astronaut, cut.faces)
    assert (height, width) == (512, 512) and len(segs) == 2
    names = ("cropped_image", "cropped_mask", "confidence", "crop_region", "bbox", "label", "control_net_wrapper")
    assert segs[0]._fields == names
    for seg in segs:
        left, top, right, bottom = seg.crop_region
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        np.testing.assert_array_equal(seg.cropped_image, astronaut[:, top:bottom, left:right].numpy())
        assert seg.cropped_mask.shape == (bottom - top, right - left)
        x1, y1, x2, y2 = seg.bbox
        assert seg.cropped_mask.sum() == (x2 - x1) * (y2 - y1)
        assert seg.cropped_mask[y1 - top, x1 - left] == 1 and seg.cropped_mask[y1 - top - 1, x1 - left] == 0


def test_segments_do_not_share_memory_with_the_picture():
    landmarks = np.array([[20.0, 20], [35, 20], [27, 28], [22, 36], [33, 36]])
    face = Face(0, (10.0, 10, 45, 50), landmarks, 0.9)
    picture = torch.rand(1, 60, 50, 3)
    cut = gpen.face_crops(picture, Faces((face,), 50, 60, 1))
    (segment,) = segments(picture, cut.faces)[1]
    assert not np.shares_memory(segment.cropped_image, picture.numpy())
