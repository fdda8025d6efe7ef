"""Which faces: the numbered preview of a group, and two selections, in which the chosen faces alone are framed."""

import cv2
import numpy as np
import torch

import gpen
from gpen.faces.preview import draw_faces
from gpen.image.picture import to_uint8
from tests.support.photograph import shared_faces

from ..pictures import Row, captioned, portrait

# Official portraits of the US House (public domain): how high and wide each is shown, and by how much it is blurred.
PEOPLE = ((250, 0), (190, 3), (150, 0), (110, 0), (220, 4))


def make() -> list[Row]:
    picture = _group()
    faces = gpen.detect_faces(picture, "mtcnn")
    every = gpen.select_faces(faces, order="leftmost").chosen
    largest = gpen.select_faces(every, order="largest", count=2)
    blurry = gpen.select_faces(every, max_sharpness=45)
    return [
        captioned({"order = leftmost": to_uint8(draw_faces(picture, every))[0]}),
        captioned({"order = largest, count = 2": _framed(picture, largest)}),
        captioned({"max_sharpness = 45": _framed(picture, blurry)}),
    ]


def _group() -> torch.Tensor:
    files = sorted((shared_faces() / "us-house").glob("*.jpg"))[::100]
    height = max(side for side, _ in PEOPLE)
    columns: list[Row] = []
    for file, (side, blur) in zip(files, PEOPLE, strict=False):
        small = portrait(file, side)
        if blur:
            small = np.asarray(cv2.GaussianBlur(small, (0, 0), blur), np.uint8)
        columns.append(np.pad(small, ((height - side, 0), (0, 0), (0, 0)), constant_values=225))
    return torch.from_numpy(np.concatenate(columns, axis=1))[None].float() / 255


def _framed(picture: torch.Tensor, selected: gpen.Selection) -> Row:
    """The picture with the chosen faces framed."""
    pixels = np.ascontiguousarray(to_uint8(picture)[0])
    for face in selected.chosen:
        left, top, right, bottom = (round(v) for v in face.box)
        cv2.rectangle(pixels, (left, top), (right, bottom), (40, 255, 90), 3)
    return pixels
