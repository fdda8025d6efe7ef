"""Crops in the open: a group, its faces upright, the same after another tool, pasted back, and what changed."""

import cv2
import numpy as np
import torch

import gpen
from gpen.image.picture import to_uint8

from ..pictures import Row, shared_faces

PEOPLE = ("amy-klobuchar", "angus-king", "alejandro-padilla", "ben-lujan")
SIDE = 300


def make() -> list[Row]:
    """Three rows: the group before and after, the crops as they went out, and as they came back."""
    group = _group()
    cut = gpen.face_crops(group, gpen.detect_faces(group, "mtcnn"), size=SIDE)
    changed = _in_sepia(cut.crops)
    changed[1] = cut.crops[1]  # one comes back as it was
    after = gpen.paste_faces(group, gpen.replace_crops(cut.faces, changed)).image
    pictures = torch.cat([group, after], dim=2)
    return [to_uint8(pictures[0]), *(to_uint8(torch.cat(list(crops), dim=1)) for crops in (cut.crops, changed))]


def _group() -> torch.Tensor:
    """(1, H, W, 3): four portraits, each held at another angle."""
    portraits = []
    for name, angle in zip(PEOPLE, (-14, 6, 20, -8), strict=True):
        pixels = cv2.imread(str(shared_faces() / "us-senate" / f"{name}.jpg"))
        pixels = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), angle, 1)
        turned = cv2.warpAffine(pixels, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        portraits.append(cv2.resize(turned, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA))
    return torch.from_numpy(np.concatenate(portraits, axis=1)[None, ..., ::-1].astype(np.float32) / 255)


def _in_sepia(crops: torch.Tensor) -> torch.Tensor:
    """What stands for any other tool here."""
    return crops.mean(dim=3, keepdim=True) ** torch.tensor([0.8, 1.0, 1.3])
