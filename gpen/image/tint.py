"""Pictures without colours of their own: grey ones, and prints of one tint, such as sepia."""

import cv2
import numpy as np

from .luminance import luminance
from .warp import Pixels

# Neither noise nor the blocks of compressed colour are colour: chroma is compared in a picture this small.
SIDE = 64
# How far chroma may be off a curve of luminance, root mean square in 0..1. Sepia prints with noise and JPEG have up to
# 3.3 grey levels, colour portraits 7 and more.
LARGEST_RESIDUE = 4 / 255


def is_of_one_tint(pixels: Pixels) -> bool:
    """Whether a picture (H, W, 3) in 0..1 is grey or of one tint: its chroma follows from its luminance alone."""
    small = np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
    # What lies outside the picture is black, whatever the tint.
    seen = small.max(axis=2) > 0
    if seen.sum() < 16:
        return True
    luma = luminance(small)
    chroma, luma = (small - luma[..., None])[seen], luma[seen].astype(np.float64)
    curve = np.stack([np.ones_like(luma), luma, luma**2], axis=1)
    fitted = curve @ np.linalg.lstsq(curve, chroma, rcond=None)[0]
    return float(np.sqrt(np.square(chroma - fitted).mean())) <= LARGEST_RESIDUE
