"""Clips to follow faces through, and how much they flicker."""

import numpy as np
import torch
from skimage import data
from torch import Tensor

FRAMES = 12
NOISE = 10 / 255


def still_clip(frames: int = FRAMES, seed: int = 0) -> Tensor:
    """NASA's portrait of Eileen Collins (public domain), still, with other noise in each frame: (frames, H, W, 3)."""
    picture = data.astronaut()[0:220, 115:335].astype(np.float32) / 255
    noise = np.random.default_rng(seed).normal(0, NOISE, (frames, *picture.shape))
    return torch.from_numpy((picture + noise).clip(0, 1).astype(np.float32))


def flicker(clip: Tensor, mask: Tensor) -> float:
    """Mean change from frame to frame, in grey levels, where the mask is full in all of them."""
    inside = (mask > 0.9).all(0)
    return float(clip.diff(dim=0).abs()[:, inside].mean()) * 255
