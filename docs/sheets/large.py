"""A face four times larger than the network's crop: the network's pixels alone, detail kept, and tiles."""

import torch

import gpen
from gpen.image.picture import to_uint8
from tests.support.large_faces import DAMAGES, scaled_portrait, ways
from tests.support.photograph import shared_faces

from ..pictures import Row, captioned

SIDE = 1000
"""Of the face's crop: to the preview model what 2,000 pixels are to a network of 512."""
CELL = 320
"""Pixels of the picture, around an eye."""
SHOWN = {"none": "undamaged", "noise, σ = 0.05": "with noise", "blur, σ = 6": "blurred"}
WAYS = {
    "the network's pixels": "large_faces = off",
    "detail kept": "large_faces = keep detail",
    "in tiles": "tiles = on",
}


def make() -> list[Row]:
    """A row for each damage, a cell for each way."""
    model, detector = gpen.load_model("preview", device="cpu"), gpen.open_detector("mtcnn")
    clean, faces = scaled_portrait(shared_faces() / "us-senate" / "amy-klobuchar.jpg", detector, SIDE)
    left, top = (int(v) - CELL // 2 for v in faces[0].landmarks[0])
    rows: list[Row] = []
    for damage, said in SHOWN.items():
        damaged = torch.from_numpy(DAMAGES[damage](clean[0].numpy()))[None]
        cells = {
            WAYS.get(way, said): to_uint8(picture[0, top : top + CELL, left : left + CELL])
            for way, picture in ways(model, damaged, faces).items()
        }
        rows.append(captioned(cells))
    return rows
