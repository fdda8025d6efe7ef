"""How good the pixels of a face are, as one number for people: 0 (damaged) … 100 (as sharp and clean as can be).

Blur is measured against the size of the face, noise and the blocks of compression in the pixels as they are; each of
them alone takes a face down. Damage that a resized picture brings with it counts as far as it is still seen.
"""

import cv2
import numpy as np
import torch

from ..image.luminance import luminance
from ..image.noise import BLOCK, flat_level, noise_band
from .alignment import Points, align, crop_face

# Blur is measured upright in a crop of so many pixels at most, in which a face is 64 pixels wide: so large and small
# faces are measured alike.
CROP_SIZE = 133
SMALLEST_CROP = 32
FACE_IN_CROP = 0.48
# The inner face, hairline to chin, as parts of the crop: no hair, no collar, no background.
INNER = slice(0.24, 0.8)
# The two smoothings that are compared, in pixels of the crop. At 1 and 2, a blur of 1.5 % in a face 64 pixels wide is
# not told from none; these tell it at every size.
FINE, COARSE = 0.5, 1.0
# The strongest edges alone are looked at: brows, lids, nostrils, lips. Noise and blocks make weak ones.
SHARE_OF_EDGES = 0.05
# Noise and blocks are measured in so many pixels of the picture on either side of the middle of the face at most.
REACH = 80
# Pores are not in so much of a face, its flattest.
FLATTEST = 0.1
# What takes a face from 100 to 50: an edge of this blur in widths of the face, which is that of a clean face blurred
# by 1.4 % of it; noise with this deviation in its flattest tenth, white noise of 0.035 in all; and blocks that take
# away so much of the finest waves, a JPEG of quality 50.
HALF_BLUR = 0.0167
HALF_NOISE = 0.0185
HALF_BLOCKS = 0.636
# How steeply: half of such a damage is hardly seen, and hardly counts.
STEEPNESS = 4

# The three finest of the eight waves of which a JPEG makes each row of a block.
FINEST_WAVES = np.array(
    [[np.cos((2 * x + 1) * u * np.pi / (2 * BLOCK)) / 2 for u in (5, 6, 7)] for x in range(BLOCK)], np.float32
)


def sharpness(picture: torch.Tensor, landmarks: Points) -> float:
    """The sharpness, 0..100, of the face with these landmarks (5, 2) in a picture (H, W, 3) in 0..1.

    Of portraits at widths of 64 to 1000 pixels, clean ones have more than 55 and those that are blurred by 1.5 % of
    the width of the face, noisy by 0.04, or JPEGs of quality 30 less than 45; `benchmarks/faces.md` says how surely.
    """
    size_in_picture = 1 / np.linalg.norm(align(landmarks, 1)[0][:, 0])
    grey = _middle(picture, landmarks, size_in_picture)
    damages = [_blur(picture, landmarks, size_in_picture) / HALF_BLUR]
    if min(grey.shape) >= 2 * BLOCK:
        noise = flat_level(noise_band(grey)[1:-1, 1:-1], part=FLATTEST)
        damages += [noise / HALF_NOISE, _blocks(grey) / HALF_BLOCKS]
    return 100 / (1 + sum(damage**STEEPNESS for damage in damages))


def _blur(picture: torch.Tensor, landmarks: Points, size_in_picture: float) -> float:
    """The deviation of the Gaussian that the edges of the face are blurred by, in widths of the face.

    A step that is blurred by σ and smoothed by s has a gradient ∝ 1/√(σ² + s²) in its middle; so the ratio of the
    gradients after two smoothings tells σ. After Zhuo and Sim, "Defocus map estimation from a single image" (2011).
    """
    size = int(np.clip(size_in_picture, SMALLEST_CROP, CROP_SIZE))
    grey = luminance(crop_face(picture, align(landmarks, size)[0], size).numpy())
    fine, coarse = (_edges(grey, width) for width in (FINE, COARSE))
    strong = coarse >= np.quantile(coarse, 1 - SHARE_OF_EDGES)
    energy = float(coarse[strong].sum())
    if energy < 1e-6:  # a face without an edge
        return 1.0
    ratio = max(float(fine[strong].sum()) / energy, 1 + 1e-6)
    variance = max(0.0, (COARSE**2 - ratio * FINE**2) / (ratio - 1))
    return float(np.sqrt(variance)) / (FACE_IN_CROP * size)


def _edges(grey: np.ndarray, width: float) -> np.ndarray:
    """The squared gradient of the inner face, smoothed by `width`."""
    smooth = cv2.GaussianBlur(grey, (0, 0), width)
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, ksize=1) for dx in (1, 0))
    inner = slice(round(INNER.start * len(grey)), round(INNER.stop * len(grey)))
    return (x**2 + y**2)[inner, inner]


def _middle(picture: torch.Tensor, landmarks: Points, size_in_picture: float) -> np.ndarray:
    """The luminance of the middle of the face in the picture's own pixels; without pixels where it lies outside."""
    reach = int(min(FACE_IN_CROP / 2 * size_in_picture, REACH)) + 1
    x, y = landmarks.mean(0).round().clip(-1e6, 1e6).astype(int).tolist()
    part = picture[max(0, y - reach) : max(0, y + reach), max(0, x - reach) : max(0, x + reach)]
    return luminance(part.detach().cpu().float().contiguous().numpy()) if part.numel() else np.zeros((0, 0), np.float32)


def _blocks(grey: np.ndarray) -> float:
    """How much of the finest waves compression took away, 0..1.

    A JPEG has none of them where its blocks begin; in between the blocks' borders bring them back.
    """
    return float(np.mean([_missing_waves(grey), _missing_waves(grey.T)]))


def _missing_waves(grey: np.ndarray) -> float:
    strengths = []
    for begin in range(BLOCK):
        count = (grey.shape[1] - begin) // BLOCK
        blocks = grey[:, begin : begin + count * BLOCK].reshape(len(grey), count, BLOCK)
        strengths.append(float(np.abs(blocks @ FINEST_WAVES).mean()))
    return 1 - min(strengths) / max(float(np.median(strengths)), 1e-9)
