"""Crops in the open: a group, its faces upright, the same after another tool, pasted back, and what changed."""

import cv2
import numpy as np
import torch

import gpen
from gpen.image.picture import to_uint8

from ..pictures import Row, captioned, portrait

PEOPLE = ("amy-klobuchar", "angus-king", "alejandro-padilla", "ben-lujan")
SIDE = 300


def make() -> list[Row]:
    """Three rows: the group before and after, the crops as they went out, and as they came back."""
    group = _group()
    faces = gpen.select_faces(gpen.detect_faces(group, "mtcnn"), order="leftmost").chosen
    cut = gpen.face_crops(group, faces, size=SIDE)
    changed = _in_sepia(cut.crops)
    changed[1] = cut.crops[1]  # one comes back as it was
    after = gpen.paste_faces(group, gpen.replace_crops(cut.faces, changed)).image
    return [
        captioned({"a group": to_uint8(group)[0], "its crops pasted back": to_uint8(after)[0]}),
        captioned({f"crop {n}, size = {SIDE}": crop for n, crop in enumerate(to_uint8(cut.crops), 1)}),
        captioned(
            {f"{n}: {'unchanged' if n == 2 else 'made sepia'}": crop for n, crop in enumerate(to_uint8(changed), 1)}
        ),
    ]


def _group() -> torch.Tensor:
    """(1, H, W, 3): four portraits, each held at another angle."""
    portraits = []
    for name, angle in zip(PEOPLE, (-14, 6, 20, -8), strict=True):
        pixels = portrait(f"us-senate/{name}.jpg", SIDE)
        turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), angle, 1)
        turned = cv2.warpAffine(pixels, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        portraits.append(cv2.resize(turned, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA))
    return torch.from_numpy(np.concatenate(portraits, axis=1)[None].astype(np.float32) / 255)


def _in_sepia(crops: torch.Tensor) -> torch.Tensor:
    """What stands for any other tool here."""
    return crops.mean(dim=3, keepdim=True) ** torch.tensor([0.8, 1.0, 1.3])
