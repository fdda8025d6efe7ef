"""How sharp a face is, as one number for people: 0 (a blur) … 100 (as sharp as its pixels allow)."""

import cv2
import numpy as np
import torch

from .alignment import Points, align, crop_face

# A face is measured upright in a crop of so many pixels at most; finer detail, and the noise in it, does not count.
CROP_SIZE = 96
# The inner face, hairline to chin, as parts of the crop: no hair, no collar, no background.
INNER = slice(0.24, 0.8)
# The two smoothings that are compared, in pixels of the crop. The finer one takes noise and blocks away.
FINE, COARSE = 1.0, 2.0
# The strongest edges alone are looked at: brows, lids, nostrils, lips. Noise and blocks make weak ones.
SHARE_OF_EDGES = 0.05
# An edge of this blur, in pixels of the crop, has a sharpness of 50.
HALF_SHARP = 2.0


def sharpness(picture: torch.Tensor, landmarks: Points) -> float:
    """The sharpness, 0..100, of the face with these landmarks (5, 2) in a picture (H, W, 3) in 0..1.

    It does not depend on how large the face is, as long as it was not enlarged: a small face is measured at its own
    size, because its `size` says already that it is small.

    A step that is blurred by σ and smoothed by s has a gradient ∝ 1/√(σ² + s²) in its middle; so the ratio of the
    gradients after two smoothings tells σ. After Zhuo and Sim, "Defocus map estimation from a single image" (2011).
    """
    own_size = 1 / np.linalg.norm(align(landmarks, 1)[0][:, 0])
    size = int(np.clip(own_size, 32, CROP_SIZE))
    crop = crop_face(picture, align(landmarks, size)[0], size).numpy()
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    fine, coarse = (_edges(grey, width) for width in (FINE, COARSE))
    strong = coarse >= np.quantile(coarse, 1 - SHARE_OF_EDGES)
    energy = float(coarse[strong].sum())
    if energy < 1e-6:  # a face without an edge
        return 0.0
    ratio = max(float(fine[strong].sum()) / energy, 1 + 1e-6)
    blur = max(0.0, (COARSE**2 - ratio * FINE**2) / (ratio - 1))
    return 100 / (1 + blur / HALF_SHARP**2)


def _edges(grey: np.ndarray, width: float) -> np.ndarray:
    """The squared gradient of the inner face, smoothed by `width`."""
    smooth = cv2.GaussianBlur(grey, (0, 0), width)
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, ksize=1) for dx in (1, 0))
    inner = slice(round(INNER.start * len(grey)), round(INNER.stop * len(grey)))
    return (x**2 + y**2)[inner, inner]
