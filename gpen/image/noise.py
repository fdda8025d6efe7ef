"""What tells noise and the blocks of compression from a picture: measures of a plane of luminance."""

import cv2
import numpy as np
import numpy.typing as npt

from .warp import Pixels

Plane = npt.NDArray[np.float32]
"""(H, W)"""

LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)
BLOCK = 8


def luminance(pixels: Pixels) -> Plane:
    """(H, W, 3) → (H, W)."""
    return np.asarray(cv2.transform(pixels, LUMA), np.float32)


def flat_level(band: Plane) -> float:
    """The deviation that even the flattest parts of a high-pass band (H, W) have: its noise."""
    height, width = (side // BLOCK * BLOCK for side in band.shape)
    if not height or not width:
        return float(band.std())
    blocks = band[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return float(np.quantile(np.sqrt(np.square(blocks).mean(axis=(1, 3))), 0.3))


def noise_level(plane: Plane) -> float:
    """Deviation of white noise in a picture (H, W), by a filter that straight edges and shading do not excite.

    Immerkær, "Fast noise variance estimation" (1996).
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    return flat_level(np.asarray(cv2.filter2D(plane, -1, kernel), np.float32))


def blockiness(plane: Plane) -> float:
    """How much larger steps are between the 8×8 blocks of a JPEG than within them, from 1 (no blocks seen)."""
    if min(plane.shape) < 4 * BLOCK:
        return 1.0
    ratios = []
    for axis in (0, 1):
        steps = np.abs(np.diff(plane, axis=axis)).mean(axis=1 - axis)
        phases = [steps[phase::BLOCK].mean() for phase in range(BLOCK)]
        ratios.append(max(phases) / max(float(np.median(phases)), 1e-6))
    return max(1.0, float(np.mean(ratios)))
