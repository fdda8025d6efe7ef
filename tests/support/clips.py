"""Clips to follow faces through, and how much they flicker."""

import numpy as np
import torch
from skimage import data
from torch import Tensor

import gpen
from gpen.faces.alignment import template

FRAMES = 12
NOISE = 10 / 255


def still_clip(frames: int = FRAMES, seed: int = 0) -> Tensor:
    """NASA's portrait of Eileen Collins (public domain), still, with other noise in each frame: (frames, H, W, 3)."""
    picture = data.astronaut()[0:220, 115:335].astype(np.float32) / 255
    noise = np.random.default_rng(seed).normal(0, NOISE, (frames, *picture.shape))
    return torch.from_numpy((picture + noise).clip(0, 1).astype(np.float32))


def face_at(frame: int, x: float, y: float = 50, side: float = 64, score: float = 0.9) -> gpen.Face:
    """An upright face whose box, `side` pixels wide and high, begins at (x, y)."""
    return gpen.Face(frame, (x, y, x + side, y + side), template(64) * side / 64 + np.array([x, y]), score)


def clip_of(faces: list[gpen.Face], frames: int) -> gpen.Faces:
    """Faces in a clip of 512×512 pixels."""
    return gpen.Faces(tuple(faces), 512, 512, frames)


def flicker(clip: Tensor, mask: Tensor) -> float:
    """Mean change from frame to frame, in grey levels, where the mask is full in all of them."""
    inside = (mask > 0.9).all(0)
    return float(clip.diff(dim=0).abs()[:, inside].mean()) * 255
