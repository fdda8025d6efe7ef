"""All steps on photographs as people have them: at many scales, tilts and damages, turned aside, bent, and close."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

import gpen
from gpen.faces.alignment import is_turned, template
from gpen.faces.detectors import Detector
from gpen.faces.preview import box_mask, draw_faces
from gpen.image.picture import to_uint8
from tests.support.networks import Negative
from tests.support.parsers import write_parser
from tests.support.photograph import (
    Case,
    Pixels,
    cases,
    group,
    near_and_far,
    photograph,
    tensor,
    turned_aside,
    with_hand,
)


@pytest.fixture(scope="module", params=["mtcnn", "yunet"])
def detector(request: pytest.FixtureRequest, shared: Path) -> Detector:
    return gpen.open_detector(request.param, folders={"detector": [shared / "weights"]})


@pytest.mark.parametrize("case", cases().values(), ids=cases())
def test_face_is_restored_upright_and_in_its_place(case: Case, detector: Detector) -> None:
    picture = tensor(case.picture)
    done = gpen.restore(Negative(), picture, detector)
    (face,) = done.faces
    apart = np.linalg.norm(case.eyes[1] - case.eyes[0])
    assert str(face.outcome) == "restored" and np.abs(face.landmarks[:2] - case.eyes).max() < 0.35 * apart
    assert face.crop is not None
    # The eyes of the mean face in its crop lie on those of the picture.
    there = template(64)[:2] @ face.crop.crop_to_picture[:, :2].T + face.crop.crop_to_picture[:, 2]
    assert np.abs(there - case.eyes).max() < 0.35 * apart
    assert torch.equal(done.image[done.mask == 0], picture[done.mask == 0])
    x, y = case.eyes.mean(0).astype(int)
    around = np.s_[0, y - 3 : y + 4, x - 3 : x + 4]
    assert done.mask[around].min() > 0.99
    torch.testing.assert_close(done.image[around].mean(), 1 - picture[around].mean(), atol=0.1, rtol=0)


# Made smaller, a picture loses its damage.
DAMAGED = {
    name: case for name, case in cases().items() if case.picture is not case.original and len(case.picture) > 100
}


@pytest.mark.parametrize("case", DAMAGED.values(), ids=DAMAGED)
def test_restored_face_is_nearer_to_the_original(case: Case) -> None:
    done = gpen.restore(gpen.load_model("preview", device="cpu"), tensor(case.picture), gpen.open_detector("mtcnn"))
    face = done.mask > 0.99
    errors = [(image - tensor(case.original))[face].square().mean() for image in (tensor(case.picture), done.image)]
    assert errors[1] < 0.98 * errors[0]


def test_turned_face_is_stretched(shared: Path, detector: Detector) -> None:
    def crops(pixels: Pixels) -> list[torch.Tensor]:
        picture = tensor(pixels)
        faces = gpen.detect_faces(picture, detector)
        restored = [gpen.restore_faces(Negative(), picture, faces, perspective=how)[0] for how in ("off", "on", "auto")]
        return [face.crop.before for face in restored if face.crop is not None]

    off, on, auto = crops(turned_aside(shared))
    assert is_turned(gpen.detect_faces(tensor(turned_aside(shared)), detector)[0].landmarks)
    assert torch.equal(auto, on) and (on - off).abs().mean() > 0.01
    off, _, auto = crops(photograph())
    assert torch.equal(auto, off)


def test_faces_that_a_lens_bent() -> None:
    seen = gpen.correct_lens(tensor(photograph()), 0.6, "put back")
    straight = gpen.correct_lens(seen, 0.6)
    faces = gpen.restore_faces(Negative(), straight, gpen.detect_faces(straight, "mtcnn"))
    done = gpen.correct_lens(gpen.paste_faces(straight, faces, grow=-18).image, 0.6, "put back")
    below = np.s_[0, 195:-4, 4:-4]
    assert peak_signal_noise_ratio(seen[below].numpy(), done[below].numpy(), data_range=1) > 27
    assert (done - seen)[0, 90:130, 80:140].abs().mean() > 0.2


def test_nearer_of_two_people_is_in_front(detector: Detector) -> None:
    picture = tensor(near_and_far())
    faces = gpen.restore_faces(Negative(), picture, gpen.detect_faces(picture, detector))
    assert len(faces) == 2
    both, turned_round = (
        gpen.paste_faces(picture, faces.with_faces(order), grow=20) for order in (faces, reversed(faces.faces))
    )
    assert torch.equal(both.image, turned_round.image)
    far, near = (
        gpen.paste_faces(picture, faces.with_faces([face]), grow=20) for face in sorted(faces, key=lambda f: f.size)
    )
    assert ((near.mask > 0.98) & (far.mask > 0.98)).sum() > 50, "they should overlap"
    torch.testing.assert_close(both.image[near.mask > 0.999], near.image[near.mask > 0.999], atol=1e-3, rtol=0)
    beside = (far.mask > 0.99) & (near.mask == 0) & (both.mask > 0.99)
    assert beside.sum() > 50
    torch.testing.assert_close(both.image[beside], far.image[beside], atol=0.02, rtol=0)


def test_face_that_comes_and_goes_in_a_clip(detector: Detector) -> None:
    # The same scene, but that nobody can be made out in it.
    nobody, somebody = photograph().copy(), photograph()
    nobody[40:190, 40:180] = cv2.GaussianBlur(nobody, (0, 0), 12)[40:190, 40:180]
    clip = tensor(nobody, somebody, somebody, nobody, somebody, somebody, somebody, nobody)
    faces = gpen.track_faces(gpen.detect_faces(clip, detector), max_gap=2, fade=2)
    assert [str(face.outcome) for face in faces] == ["found", "found", "filled in", "found", "found", "found"]
    pasted = gpen.paste_faces(clip, gpen.restore_faces(Negative(), clip, faces))
    expected = torch.tensor([0, 1 / 3, 2 / 3, 1, 1, 2 / 3, 1 / 3, 0])
    torch.testing.assert_close(pasted.mask.flatten(1).amax(1), expected, atol=0.01, rtol=0)
    # What is all of it in one.
    done = gpen.restore(Negative(), clip, detector, track=gpen.TrackSettings())
    assert [face.frame for face in done.faces] == [1, 2, 3, 4, 5, 6] and {face.track for face in done.faces} == {1}


def test_hand_that_a_parser_sees_stays_in_front(tmp_path: Path) -> None:
    covered, hand = with_hand(photograph())
    faces = gpen.detect_faces(tensor(photograph()), "mtcnn")
    faces = gpen.restore_faces(gpen.load_model("preview", device="cpu"), tensor(covered), faces)
    write_parser("parse", tmp_path)
    parser = gpen.open_parser("parse", folders={"parser": [tmp_path]}, download=False)
    middle = tuple(slice(side.start + 11, side.stop - 11) for side in hand)
    for parts, seen in (("face", False), ("face, hat", True)):
        pasted = gpen.paste_faces(tensor(covered), faces, mask="parse", parser=parser, parts=parts)
        in_front = pasted.mask[0][middle]
        assert in_front.min() > 0.99 if seen else in_front.max() < 0.01
        assert pasted.mask[0, 90:110, 85:130].min() > 0.99


def test_preview_shows_who_was_found(shared: Path, detector: Detector) -> None:
    people = group(shared)
    faces = gpen.detect_faces(tensor(people), detector, threshold=0.6)
    shown, mask = to_uint8(draw_faces(tensor(people), faces))[0], box_mask(faces)[0]
    assert shown.shape == people.shape and len(faces) == 4
    changed = (np.abs(shown.astype(int) - people) > 20).any(axis=2)
    boxes = [[round(value) for value in face.box] for face in faces]
    for left, top, right, bottom in boxes:
        assert changed[top : bottom + 1, [left, right]].mean() > 0.5, "it has no frame"
        assert mask[top + 1 : bottom - 1, left + 1 : right - 1].min() == 1
    assert mask.sum() == sum((right - left) * (bottom - top) for left, top, right, bottom in boxes)
