"""What a restored face keeps of its picture: detail too fine for the crop, and the texture of skin.

All of it works on luminance or on differences in the space of the picture. Noise is what the flattest parts have too:
a Wiener gain keeps what rises above it, so nothing is put back on a picture that is only noisy or soft.
"""

import cv2
import numpy as np

from ..image.noise import Plane, luminance
from ..image.warp import Pixels

# Twice the measured energy of noise: single patches have more than the mean. On portraits with noise, JPEG, blur and
# none of these it was nearest to the original of 1, 1.5, 2 and 3, or next to it.
CAUTION = 2.0
# In luminance 0..1: a sharp face that is restored once more changes by less than half of it nearly everywhere.
MUCH_CHANGED = 0.08
# Of the width of the crop: pores and stubble are finer, shading is coarser.
TEXTURE_SIGMA = 0.012
# Steeper than skin is: an edge, in luminance 0..1.
EDGE = 0.06


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


def _fine(plane: Plane, sigma: float) -> Plane:
    return plane - cv2.GaussianBlur(plane, (0, 0), sigma)


def _gain(band: Plane, noise: float, radius: int) -> Plane:
    """Wiener's: the share of a band's local energy that is not noise."""
    energy = cv2.blur(np.square(band), (2 * radius + 1,) * 2) + np.float32(1e-9)
    return np.maximum(0, 1 - np.float32(CAUTION * noise**2) / energy)
