"""What of a restored face is pasted: the masks, how their edge is moved and softened, and whose face is in front."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

import gpen
from gpen.image.picture import to_uint8
from tests.support.faces import after_of, with_after
from tools.demo import damaged_photograph

from ..pictures import GAP, Row, captioned, portrait, scaled

SIDE = 316
# Of the damaged photograph, rows and columns.
HEAD = np.s_[20:420, 55:455]
# Where a restored face is pasted, the picture is mixed with this colour.
SHOWN = torch.tensor([1.0, 0.5, 0.05])
# Two restored faces are told apart by these.
NEAR, FAR = (1.25, 0.95, 0.6), (0.6, 0.95, 1.3)


def make() -> list[Row]:
    """Masks, with a parser's where there is one; their edge; two faces that overlap."""
    picture = torch.from_numpy(damaged_photograph().copy())[None].float() / 255
    detector = gpen.open_detector("mtcnn")
    faces = gpen.restore_faces(gpen.load_model("preview", device="cpu"), picture, gpen.detect_faces(picture, detector))
    restored = after_of(faces[0])
    half = torch.ones(1, *picture.shape[1:3])
    half[:, :, picture.shape[2] // 2 :] = 0
    parsed = _parsed()
    as_it_was = {"as it was; the restored crop": _two(picture[0][HEAD], restored)}
    drawn = {
        "mask = oval": {"mask": "oval"},
        "mask = box": {"mask": "box"},
        "custom_mask: the left half": {"custom_mask": half},
    }
    edges = {
        "grow = -20": {"grow": -20},
        "grow = 20": {"grow": 20},
        "feather = 2": {"feather": 2},
        "feather = 50": {"feather": 50},
    }
    rows = [captioned(as_it_was | _pasted(picture, faces, drawn))]
    if parsed:
        rows.append(captioned(_pasted(picture, faces, parsed)))
    rows.append(captioned(_pasted(picture, faces, edges)))

    couple = _couple()
    faces = gpen.detect_faces(couple, detector)
    faces = gpen.restore_faces(gpen.load_model("preview", device="cpu"), couple, faces)
    largest = max(face.size for face in faces)
    faces = faces.with_faces(_tinted(face, NEAR if face.size == largest else FAR) for face in faces)
    overlapping: dict[str, dict[str, Any]] = {
        "mask = oval: the nearer face, here orange, is in front": {"mask": "oval"},
        "mask = box: at each pixel the larger mask counts": {"mask": "box"},
    }
    pasted = {text: to_uint8(gpen.paste_faces(couple, faces, **how).image)[0] for text, how in overlapping.items()}
    wide = (4 * SIDE + GAP) // 3
    row = {"two faces that overlap": to_uint8(couple)[0]} | pasted
    return [*rows, captioned({text: scaled(cell, wide) for text, cell in row.items()})]


def _parsed() -> dict[str, dict[str, Any]]:
    """The masks that a parser draws, as far as its weights are on disk."""
    found: dict[str, dict[str, Any]] = {}
    absent: list[str] = []
    for mask in ("parse", "official"):
        try:
            parser = gpen.open_parser(mask, download=False)
        except gpen.DownloadError:
            absent.append(mask)
            continue
        for parts in ("face, hair", "face") if mask == "parse" else ("",):
            name = f"mask = {mask}" + (f", parts = {parts}" if parts else "")
            found[name] = {"mask": mask, "parser": parser} | ({"parts": parts} if parts else {})
    if absent:
        print(f"masks: without {' and '.join(absent)}, as no parser's weights are on disk ($GPEN_MODELS)")
    return found


def _pasted(picture: Tensor, faces: gpen.Faces, ways: Mapping[str, dict[str, Any]]) -> dict[str, Row]:
    """Each result over its mask, which is a tint on the picture."""
    cells: dict[str, Row] = {}
    for text, settings in ways.items():
        pasted = gpen.paste_faces(picture, faces, **settings)
        share = pasted.mask[0, ..., None]
        tinted = torch.lerp(picture[0] * 0.5, picture[0] * 0.45 + SHOWN * 0.55, share)
        cells[text] = _two(pasted.image[0][HEAD], tinted[HEAD])
    return cells


def _two(above: Tensor, below: Tensor) -> Row:
    return np.concatenate([scaled(to_uint8(picture), SIDE) for picture in (above, below)])


def _couple() -> Tensor:
    """Official portraits (public domain): one in front of another, cut out by an oval."""
    far, near = portrait("us-senate/angus-king.jpg", 300), portrait("us-senate/amy-klobuchar.jpg", 400)
    picture = np.zeros((300, 400, 3), np.float32)
    picture[:, :300], picture[:, 300:] = far, far[:, -1:]
    cut = np.zeros((400, 400), np.float32)
    cv2.ellipse(cut, (200, 190), (105, 165), 0, 0, 360, 1.0, cv2.FILLED)
    cut[285:, 70:330] = 1
    cut = cv2.GaussianBlur(cut, (0, 0), 3)[..., None]
    left = 90
    under = picture[:, left:]
    picture[:, left:] = under + cut[:300, : 400 - left] * (near[:300, : 400 - left] - under)
    return torch.from_numpy(picture)[None] / 255


def _tinted(face: gpen.Face, tint: tuple[float, float, float]) -> gpen.Face:
    return with_after(face, (after_of(face) * torch.tensor(tint)).clamp(0, 1))
