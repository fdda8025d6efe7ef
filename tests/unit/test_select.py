"""Which faces: every order and limit, what is said of those left out, and that their pixels stay."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import gpen
from gpen.faces.alignment import template
from gpen.faces.report import describe
from gpen.faces.settings import ORDERS, read_numbers
from tests.support.choices import choices
from tests.support.networks import Negative
from tests.support.photograph import blurry_group, group

DETECTORS = ("mtcnn", "yunet")


def face(left: float, top: float, size: float, score: float, sharp: float, frame: int = 0) -> gpen.Face:
    landmarks = template(64) * size / 64 + np.array([left, top])
    return gpen.Face(frame, (left, top, left + size, top + size), landmarks, score, sharpness=sharp)


def three(*more: gpen.Face, frames: int = 1) -> gpen.Faces:
    """Numbers 1, 2 and 3 in a picture of 400×300: a large one right, a small one left, one in the middle."""
    first = face(280, 20, 100, 0.95, 40), face(10, 40, 20, 0.8, 90), face(170, 120, 60, 0.99, 70)
    return gpen.Faces((*first, *more), 400, 300, frames)


def numbers(faces: gpen.Faces, chosen: gpen.Faces) -> list[int]:
    """The numbers of chosen faces among those they were chosen from."""
    return [
        number for one in chosen for number, other in ((face.number, face) for face in faces) if one.box == other.box
    ]


@pytest.mark.parametrize(
    ("order", "expected"),
    {
        "as found": [1, 2, 3],
        "largest": [1, 3, 2],
        "smallest": [2, 3, 1],
        "leftmost": [2, 3, 1],
        "rightmost": [1, 3, 2],
        "most central": [3, 1, 2],
        "least central": [2, 1, 3],
        "most certain": [3, 1, 2],
        "least certain": [2, 1, 3],
        "blurriest": [1, 3, 2],
        "sharpest": [2, 3, 1],
    }.items(),
)
def test_orders(order: str, expected: list[int]) -> None:
    assert order in ORDERS
    faces = three()
    assert numbers(faces, gpen.select_faces(faces, order=order).chosen) == expected
    first = gpen.select_faces(faces, order=order, count=1)
    assert numbers(faces, first.chosen) == expected[:1]
    assert numbers(faces, first.rest) == sorted(expected[1:]), "the rest keeps its order"


@pytest.mark.parametrize(
    ("settings", "expected", "why"),
    [
        ({}, [1, 2, 3], ""),
        ({"indices": "1, 3"}, [1, 3], "left out: its number is not in 1, 3"),
        ({"indices": " 2 - 3;7"}, [2, 3], "left out: its number is not in 2 - 3;7"),
        ({"min_size": 32}, [1, 3], "left out: smaller than 32 px"),
        ({"max_size": 60}, [2, 3], "left out: larger than 60 px"),
        ({"min_percent": 10}, [1, 3], "left out: smaller than 10 % of the picture (6.7 %)"),
        ({"max_percent": 25}, [2, 3], "left out: larger than 25 % of the picture (33.3 %)"),
        ({"max_sharpness": 70}, [1, 3], "left out: sharper than 70"),
        ({"order": "largest", "count": 2}, [1, 3], "left out: not among the 2 largest"),
        ({"count": 2}, [1, 2], "left out: not among the first 2"),
        ({"boxes": {"x": 150, "y": 100, "width": 100, "height": 100}}, [3], "left out: not in or nearest to a box"),
    ],
)
def test_limits_and_what_is_said(settings: dict[str, object], expected: list[int], why: str) -> None:
    faces = three()
    selected = gpen.select_faces(faces, **settings)  # type: ignore[arg-type]
    assert sorted(numbers(faces, selected.chosen)) == expected
    assert {str(one.outcome) for one in selected.chosen} == {"chosen"}
    assert {str(one.outcome) for one in selected.rest} == ({why} if why else set())
    assert {str(one.outcome) for one in faces} == {"found"}, "what came in was changed"
    report = describe(selected.all).splitlines()
    assert report[0].startswith(f"3 faces found, {len(expected)} chosen") or "chosen" in report[0]
    for number, line in enumerate(report[1:], 1):
        kind, _, reason = why.partition(": ")
        assert line.startswith(f"#{number} {'chosen' if number in expected else kind} · ")
        assert number in expected or line.endswith(f" · {reason}")


def test_count_and_numbers_are_those_of_each_picture() -> None:
    faces = three(face(5, 5, 50, 0.9, 50, 2), face(200, 5, 80, 0.9, 50, 2), frames=3)
    assert [number for number, _ in ((face.number, face) for face in faces)] == [1, 2, 3, 1, 2]
    largest = gpen.select_faces(faces, order="largest", count=1).chosen
    assert [(one.frame, one.size) for one in largest] == [(0, 100), (2, 80)]
    second = gpen.select_faces(faces, indices="2").chosen
    assert [(one.frame, one.size) for one in second] == [(0, 20), (2, 80)]


def test_mask_of_any_size_for_one_or_all_pictures() -> None:
    faces = three(face(170, 120, 60, 0.9, 50, 1), frames=2)
    left = torch.zeros(1, 30, 40)
    left[:, :, :21] = 1  # half of number 3 and a bit
    assert numbers(faces, gpen.select_faces(faces, mask=left).chosen) == [2, 3, 1, 3, 1]
    each = torch.cat([left, 1 - left])
    assert [(one.frame, one.size) for one in gpen.select_faces(faces, mask=each).chosen] == [(0, 20), (0, 60)]
    assert len(gpen.select_faces(faces, mask=torch.zeros(1, 300, 400)).chosen) == 0
    assert len(gpen.select_faces(faces, mask=torch.zeros(1, 64, 64)).chosen) == 0, "a mask of any size is one"


def test_box_without_a_face_takes_the_nearest_and_lists_are_per_picture() -> None:
    faces = three(face(170, 120, 60, 0.9, 50, 1), frames=2)
    corner = {"x": 0, "y": 290, "width": 10, "height": 10, "label": "face", "score": 0.5}
    for boxes in (corner, [corner], [[corner]]):
        assert [(one.frame, one.size) for one in gpen.select_faces(faces, boxes=boxes).chosen] == [(0, 60), (1, 60)]
    assert [one.frame for one in gpen.select_faces(faces, boxes=[[], [corner]]).chosen] == [1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"order": "prettiest"}, "'prettiest'.*largest"),
        ({"indices": "0"}, "as the preview shows them, from 1"),
        ({"indices": "3-1"}, "'3-1'"),
        ({"indices": "all"}, "'all'"),
        ({"min_size": 50, "max_size": 20}, "50 and the largest 20"),
        ({"count": -1}, "-1"),
        ({"max_sharpness": 101}, "101"),
        ({"boxes": {"x": 1}}, "width, height"),
        ({"boxes": [[], [], []]}, "boxes are of 3 pictures, and the batch has 1"),
        ({"boxes": "everywhere"}, "everywhere"),
        ({"mask": torch.ones(3, 9, 9)}, "mask"),
    ],
)
def test_mistakes_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(gpen.GPENError, match=words):
        gpen.select_faces(three(), **settings)  # type: ignore[arg-type]


def test_sharpness_that_nobody_measured_is_named() -> None:
    faces = three().with_faces(replace(one, sharpness=None) for one in three())
    assert len(gpen.select_faces(faces, order="largest").chosen) == 3
    with pytest.raises(gpen.SettingError, match="sharpness"):
        gpen.select_faces(faces, max_sharpness=50)


def test_numbers_are_read() -> None:
    assert read_numbers("") == set() and read_numbers(" 1, 3-5 ;9 ") == {1, 3, 4, 5, 9}


@pytest.fixture(scope="module", params=DETECTORS)
def people(request: pytest.FixtureRequest, shared: Path) -> tuple[torch.Tensor, gpen.Faces]:
    """Four people, each smaller than the one left of it, the second out of focus; and their faces."""
    picture = torch.from_numpy(blurry_group(shared))[None].float() / 255
    return picture, gpen.detect_faces(picture, request.param, threshold=0.6, folders={"detector": [shared / "weights"]})


def test_every_choice_among_people_in_a_group(people: tuple[torch.Tensor, gpen.Faces]) -> None:
    _, faces = people
    from_left = sorted(faces, key=lambda one: one.box[0])
    for settings, expected in choices(faces):
        selected = gpen.select_faces(faces, **settings)
        where = [[one.box for one in from_left].index(chosen.box) + 1 for chosen in selected.chosen]
        assert set(where) == expected and len(where) == len(expected), (settings, describe(selected.all))
        assert len(selected.rest) == 4 - len(expected)


def test_so_many_of_each_picture_of_a_batch(people: tuple[torch.Tensor, gpen.Faces]) -> None:
    _, faces = people
    both = [*faces, *(replace(one, frame=1) for one in faces)]
    two = gpen.select_faces(gpen.Faces(tuple(both), faces.width, faces.height, 2), order="largest", count=1)
    largest = max(faces, key=lambda one: one.size).box
    assert [(one.frame, one.box) for one in two.chosen] == [(0, largest), (1, largest)]


def test_only_the_chosen_face_is_touched(people: tuple[torch.Tensor, gpen.Faces]) -> None:
    picture, faces = people
    second = gpen.select_faces(faces, order="leftmost").chosen.with_faces(
        gpen.select_faces(faces, order="leftmost").chosen.faces[1:2]
    )
    pasted = gpen.paste_faces(picture, gpen.restore_faces(Negative(), picture, second)).image
    changed = torch.nonzero((pasted != picture).any(-1)[0])
    assert len(changed) and changed[:, 1].min() >= 320 and changed[:, 1].max() < 540


def test_none_chosen_gives_the_very_pixels_back(people: tuple[torch.Tensor, gpen.Faces], shared: Path) -> None:
    picture, faces = people
    none = gpen.select_faces(faces, min_size=5000).chosen
    assert torch.equal(gpen.paste_faces(picture, gpen.restore_faces(Negative(), picture, none)).image, picture)
    done = gpen.restore(Negative(), picture, gpen.open_detector("mtcnn"), select=gpen.SelectSettings(min_size=5000))
    assert torch.equal(done.image, picture) and done.mask.max() == 0
    assert {str(one.outcome) for one in done.faces} == {"left out: smaller than 5000 px"}


def test_all_in_one_restores_the_chosen_and_reports_all(shared: Path) -> None:
    picture = torch.from_numpy(group(shared, (220, 140)))[None].float() / 255
    done = gpen.restore(
        Negative(),
        picture,
        gpen.open_detector("mtcnn"),
        select=gpen.SelectSettings(order="smallest", count=1),
    )
    outcomes = {one.box[0] > 220: str(one.outcome) for one in done.faces}
    assert outcomes == {True: "restored", False: "left out: not among the 1 smallest"}
    assert torch.equal(done.image[:, :, :190], picture[:, :, :190])
