"""What a restored face keeps of its picture: detail too fine for the crop, and the texture of skin.

All of it works on luminance or on differences in the space of the picture. Noise is what the flattest parts have too:
a Wiener gain keeps what rises above it, so nothing is put back on a picture that is only noisy or soft.
"""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from ..faces.alignment import template
from ..image.warp import Pixels
from .masks import SHAPE_SIDE, oval_shape

Plane = npt.NDArray[np.float32]
"""(H, W)"""

LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)
BLOCK = 8
# Twice the measured energy of noise: single patches have more than the mean. On portraits with noise, JPEG, blur and
# none of these it was nearest to the original of 1, 1.5, 2 and 3, or next to it.
CAUTION = 2.0
# In luminance 0..1: a sharp face that is restored once more changes by less than half of it nearly everywhere.
MUCH_CHANGED = 0.08
# Of the width of the crop: pores and stubble are finer, shading is coarser.
TEXTURE_SIGMA = 0.012
# Steeper than skin is: an edge, in luminance 0..1.
EDGE = 0.06
# Lightness is left out: a shadow over half the face does not make it another skin. In Lab units.
SKIN_TOLERANCE = 14.0


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


def beyond_crop(picture: Plane, crop: Plane, scale: float) -> Plane:
    """What (H, W) the picture has beyond its own crop, which has been to the crop's resolution and back; luminance.

    What is coarser than the crop's pixels is left out: then crop and picture are not of one moment, or not of one hue.
    """
    beyond = picture - crop
    return beyond - cv2.blur(beyond, (2 * round(3 * max(1.0, scale)) + 1,) * 2)


def kept_detail(picture: Pixels, crop: Plane, restored: Pixels, noise: float, scale: float) -> Plane:
    """What `beyond_crop` gives, without what is noise, and less where the network changed much: a scratch is to go.

    Args:
        picture: the picture where the face is, (H, W, 3).
        crop: the luminance of the crop as it was, warped to the same place.
        restored: the crop as the network gave it back, warped to the same place.
        noise: `flat_level` of `beyond_crop`.
        scale: how many pixels of the picture a pixel of the crop is long.
    """
    beyond, radius = beyond_crop(luminance(picture), crop, scale), max(2, round(1.5 * scale))
    changed = cv2.blur(np.abs(luminance(restored) - crop), (2 * radius + 1,) * 2)
    return beyond * _gain(beyond, noise, radius) * np.exp(-np.square(changed / MUCH_CHANGED))


def texture_change(picture: Pixels, restored: Pixels, noise: float, sigma: float) -> Plane:
    """What (H, W) to add to a restored face so that its fine texture is the picture's; 0 at edges and where noise is.

    Args:
        picture, restored: (H, W, 3) at the same place.
        noise: `noise_level` of the picture.
        sigma: in pixels; what is coarser is no texture.
    """
    own, new = (_fine(luminance(pixels), sigma) for pixels in (picture, restored))
    steep = cv2.GaussianBlur(np.maximum(np.abs(own), np.abs(new)), (0, 0), sigma)
    return (own - new) * _gain(own, noise, max(2, round(sigma))) * np.exp(-np.square(steep / EDGE))


def skin_mask(restored: Pixels) -> Plane:
    """Where a restored crop (S, S, 3) shows skin, (S, S) in 0..1: cheeks and all of their colour, no eyes, no mouth."""
    size = len(restored)
    lab = cv2.cvtColor(restored.clip(0, 1), cv2.COLOR_RGB2LAB)[..., 1:]
    lab = cv2.GaussianBlur(lab, (0, 0), size / 100)
    place = cv2.resize(_bare_places(), (size, size))
    left_eye, right_eye, nose, left_mouth, right_mouth = template(size)
    cheeks = [(left_eye + left_mouth + nose) / 3, (right_eye + right_mouth + nose) / 3]
    reach = max(1, size // 32)
    samples = [lab[int(y) - reach : int(y) + reach, int(x) - reach : int(x) + reach] for x, y in cheeks]
    color = np.median(np.concatenate([sample.reshape(-1, 2) for sample in samples]), axis=0)
    distance = np.square(lab - color).sum(axis=2) / SKIN_TOLERANCE**2
    return (place * np.exp(-distance)).astype(np.float32)


def _fine(plane: Plane, sigma: float) -> Plane:
    return plane - cv2.GaussianBlur(plane, (0, 0), sigma)


def _gain(band: Plane, noise: float, radius: int) -> Plane:
    """Wiener's: the share of a band's local energy that is not noise."""
    energy = cv2.blur(np.square(band), (2 * radius + 1,) * 2) + np.float32(1e-9)
    return np.maximum(0, 1 - np.float32(CAUTION * noise**2) / energy)


@lru_cache(maxsize=1)
def _bare_places() -> Plane:
    """Where skin can be at all, at 512×512: the oval without ellipses around eyes with their brows, and the mouth."""
    left_eye, right_eye, _, left_mouth, right_mouth = template(SHAPE_SIDE)
    shape, length = oval_shape(), float(left_mouth[1] - left_eye[1])
    eyes = [(eye - [0, 0.12 * length], (0.46, 0.40)) for eye in (left_eye, right_eye)]
    for (x, y), axes in [*eyes, ((left_mouth + right_mouth) / 2, (0.58, 0.32))]:
        widths = (round(axes[0] * length), round(axes[1] * length))
        cv2.ellipse(shape, (round(x), round(y)), widths, 0, 0, 360, (0,), cv2.FILLED)
    return np.asarray(cv2.GaussianBlur(shape, (0, 0), 8), np.float32)
