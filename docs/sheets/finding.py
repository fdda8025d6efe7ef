"""What each option of detection finds that a first look misses: the numbered previews without it and with it."""

from typing import Any

import cv2
import numpy as np
import torch
from skimage import data

import gpen
from gpen.faces.preview import draw_faces
from gpen.image.picture import to_uint8
from tests.support.photograph import shared_faces

from ..pictures import Row, captioned, portrait, scaled

WIDTH = 640
WALL = 205


def make() -> list[Row]:
    """A row an option: without it, with it."""
    drawing, box = _drawing()
    cut = data.astronaut()[:200, 215:]
    return [
        _row(_lying(), "rotated = off", "rotated = on", rotated=True),
        _row(cut, "edges = off", "edges = on", edges=True),
        _row(_crowd(), "tiny_faces = off", "tiny_faces = on", tiny_faces=True),
        _row(_small(), "size = long side 1000", "size = short side 480", size="short side 480"),
        _row(drawing, "no boxes", "boxes = one drawn by hand", boxes=box),
    ]


def _row(pixels: Row, without: str, with_it: str, **option: Any) -> Row:
    picture = torch.from_numpy(np.ascontiguousarray(pixels))[None].float() / 255
    cells: dict[str, Row] = {}
    for setting, options in ((without, {}), (with_it, option)):
        faces = gpen.detect_faces(picture, "mtcnn", **options)
        found = f"{len(faces) or 'no'} face{'s' * (len(faces) != 1)} found"
        cells[f"{setting}: {found}"] = scaled(to_uint8(draw_faces(picture, faces))[0], WIDTH)
    return captioned(cells)


def _portraits(first: int, sides: list[int]) -> list[Row]:
    """Official portraits of the US House (public domain), so many pixels high and wide."""
    files = sorted((shared_faces() / "us-house").glob("*.jpg"))[first :: len(sides) + 3]
    return [portrait(file, side) for file, side in zip(files, sides, strict=False)]


def _lying() -> Row:
    """Three people, of whom two lie."""
    left, middle, right = _portraits(36, [320] * 3)
    return np.concatenate([np.rot90(left), middle, np.rot90(right, -1)], axis=1)


def _crowd() -> Row:
    """One in front, and behind some whose faces are eight pixels wide."""
    picture = np.full((190, 440, 3), WALL, np.uint8)
    one, *others = _portraits(36, [120] + [20] * 6)
    picture[70:, :120] = one
    for i, small in enumerate(others):
        top, left = (40, 130)[i // 3], 160 + 95 * (i % 3)
        picture[top : top + len(small), left : left + len(small)] = small
    return picture


def _small() -> Row:
    return np.concatenate(_portraits(11, [22] * 3), axis=1)


def _drawing() -> tuple[Row, dict[str, float]]:
    """NASA's portrait of Eileen Collins (public domain) as a line drawing, and the box of her face."""
    grey = cv2.cvtColor(data.astronaut()[:220, 20:480], cv2.COLOR_RGB2GRAY)
    lines = 255 - cv2.Canny(cv2.GaussianBlur(grey, (0, 0), 1.2), 40, 90)
    return lines[..., None].repeat(3, axis=2), {"x": 150, "y": 50, "width": 105, "height": 130}
