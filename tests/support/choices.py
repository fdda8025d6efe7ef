"""Every way to choose faces, on `photograph.blurry_group`: a picture 770 pixels wide with four people in it."""

from typing import Any

import torch

import gpen

FIRST_TWO = torch.zeros(1, 32, 77)
FIRST_TWO[:, :, :54] = 1
"""A mask."""

# One that has a face in it, and one to which that of another is the nearest.
_TWO_BOXES = [{"x": 540, "y": 0, "width": 140, "height": 140}, {"x": 750, "y": 200, "width": 9, "height": 9}]


def places(faces: gpen.Faces) -> dict[int, int]:
    """The number of each face → its place from the left."""
    from_left = sorted(faces, key=lambda face: face.box[0])
    return {number: from_left.index(face) + 1 for number, face in ((face.number, face) for face in faces)}


def choices(faces: gpen.Faces) -> list[tuple[dict[str, Any], set[int]]]:
    """Settings of `select_faces` → who is chosen of the group, by place from the left."""
    place = places(faces)
    by_score = sorted(((face.number, face) for face in faces), key=lambda numbered: numbered[1].score)
    return [
        ({}, {1, 2, 3, 4}),
        ({"indices": "2-3"}, {place[2], place[3]}),
        ({"order": "largest", "count": 2}, {1, 2}),
        ({"order": "smallest", "count": 1}, {4}),
        ({"order": "leftmost", "count": 3}, {1, 2, 3}),
        ({"order": "rightmost", "count": 1}, {4}),
        ({"order": "most central", "count": 1}, {2}),
        ({"order": "least central", "count": 1}, {4}),
        ({"order": "most certain", "count": 1}, {place[by_score[-1][0]]}),
        ({"order": "least certain", "count": 1}, {place[by_score[0][0]]}),
        ({"order": "blurriest", "count": 1}, {2}),
        ({"order": "sharpest", "count": 3}, {1, 3, 4}),
        ({"min_size": 70}, {1, 2}),
        ({"max_size": 70}, {3, 4}),
        ({"min_percent": 22.0}, {1, 2}),
        ({"max_percent": 22.0}, {3, 4}),
        ({"max_sharpness": 20.0}, {2}),
        ({"mask": FIRST_TWO}, {1, 2}),
        ({"boxes": _TWO_BOXES}, {3, 4}),
        ({"order": "rightmost", "count": 1, "max_size": 70, "mask": FIRST_TWO}, set()),
    ]
