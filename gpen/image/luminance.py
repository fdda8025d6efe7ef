"""How light a picture is: of pixels as NumPy and OpenCV have them, and of torch's."""

import cv2
import numpy as np
from torch import Tensor

from .warp import Pixels, Plane

WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue. ITU-R BT.601, as in official code, OpenCV's grey and JPEG."""
_MATRIX = np.array([WEIGHTS], np.float32)


def luminance(pixels: Pixels) -> Plane:
    """(H, W, 3) → (H, W)."""
    return np.asarray(cv2.transform(pixels, _MATRIX), np.float32)


def luminance_of(picture: Tensor) -> Tensor:
    """(..., 3) in 0..1 → (..., 1) in 0..1."""
    return (picture * picture.new_tensor(WEIGHTS)).sum(dim=-1, keepdim=True)
