"""Faces that are not seen straight on: a turned one stretched for the network, and those that a wide lens bent."""

import cv2
import numpy as np
import torch
from torch import Tensor

import gpen
from gpen.image.picture import to_uint8
from tests.support.faces import crop_of

from ..pictures import Row, captioned, portrait, scaled

# An official portrait (public domain) that `is_turned` tells from a frontal one.
TURNED = "us-house/sean-casten.jpg"
SIDE = 422
LENS = 0.9
TILE = 40
WIDE = 637


def make() -> list[Row]:
    """A turned face without and with `perspective`; below, a picture of a wide lens on its way."""
    return [*_turned(), *_lens()]


def _turned() -> list[Row]:
    original = _portrait(TURNED, 384)
    picture = _small_jpeg(original)
    model, detector = gpen.load_model("preview", device="cpu"), gpen.open_detector("mtcnn")
    faces = gpen.detect_faces(picture, detector)
    left, top, right, bottom = (round(v) for v in faces[0].box)
    face = np.s_[:, max(top, 0) : bottom, max(left, 0) : right]

    def told(text: str, result: Tensor) -> str:
        psnr = -10 * float((result[face] - original[face]).square().mean().log10())
        return f"{text}: the face {psnr:.2f} dB"

    seen: dict[str, Row] = {told("as it was", picture): _cell(picture[0])}
    done: dict[str, Row] = {"the original": _cell(original[0])}
    for perspective in ("off", "on"):
        restored = gpen.restore_faces(model, picture, faces, perspective=perspective)
        crop = crop_of(restored[0]).before
        seen[f"perspective = {perspective}: what the network sees"] = _cell(crop)
        result = gpen.paste_faces(picture, restored).image
        done[told(f"perspective = {perspective}", result)] = _cell(result[0])
    return [captioned(seen), captioned(done)]


def _lens() -> list[Row]:
    seen = gpen.correct_lens(_scene(), LENS, "put back")
    straight = gpen.correct_lens(seen, LENS)
    model = gpen.load_model("preview", device="cpu")
    restored = gpen.restore_faces(model, straight, gpen.detect_faces(straight, "mtcnn"))
    pasted = gpen.paste_faces(straight, restored).image
    cells = {
        "as a wide lens sees it": seen,
        f"strength = {LENS:g}, direction = take out": straight,
        "its faces restored": pasted,
        f"strength = {LENS:g}, direction = put back": gpen.correct_lens(pasted, LENS, "put back"),
    }
    rows = [(text, scaled(to_uint8(picture)[0], WIDE)) for text, picture in cells.items()]
    return [captioned(dict(rows[:2])), captioned(dict(rows[2:]))]


def _scene() -> Tensor:
    """Portraits on a wall of tiles, two of them near the edges, in a picture twice as wide as high."""
    wall = np.full((400, 800, 3), 214, np.uint8)
    left, top, right, bottom = 40, 60, 760, 340
    for x in range(left, right + 1, TILE):
        cv2.line(wall, (x, top), (x, bottom), (120, 130, 140), 2)
    for y in range(top, bottom + 1, TILE):
        cv2.line(wall, (left, y), (right, y), (120, 130, 140), 2)
    scene = torch.from_numpy(wall.copy())[None].float() / 255
    side = 4 * TILE
    for name, x, y in (("alejandro-padilla", 40, 60), ("ben-lujan", 320, 140), ("amy-klobuchar", 600, 180)):
        scene[:, y : y + side, x : x + side] = _small_jpeg(_portrait(f"us-senate/{name}.jpg", side))
    return scene


def _portrait(file: str, side: int) -> Tensor:
    return torch.from_numpy(portrait(file, side))[None].float() / 255


def _small_jpeg(picture: Tensor, shrink: float = 2.5, quality: int = 50) -> Tensor:
    """As out of a small file that was enlarged."""
    pixels = to_uint8(picture)[0]
    side = len(pixels)
    _, coded = cv2.imencode(".jpg", scaled(pixels, round(side / shrink)), [cv2.IMWRITE_JPEG_QUALITY, quality])
    small = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    large = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(large)[None].float() / 255


def _cell(picture: Tensor) -> Row:
    return scaled(to_uint8(picture), SIDE)
