"""What a restored face keeps of its picture: the detail that is the face's own.

Two pictures of a face are at hand: the one that came in, which may be noisy, compressed, soft or scratched, and the
network's. Where they differ by no more than noise does, the network took the noise out and is right. Where they differ
by more, it lost something, and the picture is right; unless the network added detail where the picture had none, which
is what it is for, or changed a place a lot: a scratch is to go. That is asked octave by octave, of luminance: in the
crop for all that it shows (`own_detail`), in the picture for what is too fine for the crop (`beyond_crop`).
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np

from ..image.luminance import luminance
from ..image.noise import compression_level, noise_level
from ..image.shrinkage import without_noise
from ..image.warp import Pixels, Plane, smoothed

# Octaves of a crop, down to an eighth of the way from eye to eye; what is coarser is shape and light. In pixels.
SIGMAS = (1.0, 2.0, 4.0, 8.0)
# Times the measured energy of noise and of compression, in what the crop shows.
CAUTION = 1.0
CAUTION_COMPRESSED = 1.0
# Times their deviations, in what is finer: what is weaker in a wave of 8×8 pixels is taken for noise. All four chosen
# on portraits of four people, as the nearest to the undamaged ones over noise, JPEG, blur and none of these.
WEAK = 2.1
WEAK_COMPRESSED = 3.2
# Times the noise's energy, above which a place has something finer to show: more is calmer in clips, less is nearer to
# a noisy still. Half gives both.
SURE = 0.5
# Good photographs have blocks that do not show, and a sharp face without any is measured as high; in luminance 0..1.
UNSEEN_COMPRESSION = 4 / 255
# In luminance 0..1: a sharp face that is restored once more changes by less than half of it nearly everywhere.
MUCH_CHANGED = 0.08
# Rounding to 8 bits, in luminance 0..1: no noise is weaker.
LEAST_NOISE = 0.3 / 255
# What is weaker than this need not be looked for.
LEAST_WEAK = 1 / 255


@dataclass(frozen=True)
class Noise:
    """Deviations, in luminance 0..1, of what a picture has that is not the face."""

    white: float
    compression: float

    @classmethod
    def of(cls, plane: Plane) -> "Noise":
        """That of a picture (H, W)."""
        return cls(max(LEAST_NOISE, noise_level(plane)), compression_level(plane))

    @property
    def energy(self) -> float:
        """What a picture's energy must exceed to be taken for the face's."""
        return CAUTION * self.white**2 + CAUTION_COMPRESSED * self._seen

    @property
    def weak(self) -> float:
        """What a wave of the picture must exceed to be taken for the face's."""
        return float(np.sqrt((WEAK * self.white) ** 2 + WEAK_COMPRESSED**2 * self._seen))

    @property
    def _seen(self) -> float:
        return max(0.0, self.compression**2 - UNSEEN_COMPRESSION**2)


def own_detail(crop: Pixels, restored: Pixels, noise: Noise, scale: float) -> Plane:
    """What (S, S) to add to the luminance of a restored crop to give it back the detail that was the face's own.

    Args:
        crop, restored: (S, S, 3) in 0..1: the face as it was, and as it is to be pasted.
        noise: of the picture.
        scale: how many pixels of the picture a pixel of the crop is long.
    """
    was, now = luminance(crop), luminance(restored)
    lost, gains = was - now, noise_gains(round(float(np.clip(scale, 1 / 8, 8)), 2))
    kept, least = np.zeros_like(lost), np.float32(LEAST_NOISE**2)
    for sigma, gain, before, after, difference in zip(
        SIGMAS, gains, octaves(was), octaves(now), octaves(lost), strict=False
    ):
        energy = noise.energy * gain**2
        wiener = _wiener(difference, sigma, energy)
        # The network's own detail stays where the picture has less.
        own = np.maximum(0, _local(before, sigma) - energy)
        kept += difference * wiener * np.minimum(1, (own + least) / (_local(after, sigma) + least))
    changed = cv2.GaussianBlur(np.abs(lost), (0, 0), 3)
    return kept * np.exp(-np.square(changed / MUCH_CHANGED))


def beyond_crop(picture: Plane, crop: Plane, scale: float) -> Plane:
    """What (H, W) the picture has beyond its own crop, which has been to the crop's resolution and back; luminance.

    What is coarser than the crop's pixels is left out: then crop and picture are not of one moment, or not of one hue.
    """
    beyond = picture - crop
    return beyond - cv2.blur(beyond, (2 * round(3 * max(1.0, scale)) + 1,) * 2)


def kept_detail(picture: Pixels, crop: Plane, restored: Pixels, noise: Noise, scale: float) -> Plane:
    """What `beyond_crop` gives, without what is noise, and less where the network changed much: a scratch is to go.

    Args:
        picture: the picture where the face is, (H, W, 3).
        crop: the luminance of the crop as it was, warped to the same place.
        restored: the crop as the network gave it back, warped to the same place.
        noise: of the picture.
        scale: how many pixels of the picture a pixel of the crop is long.
    """
    plane, radius = luminance(picture), max(2, round(1.5 * scale))
    beyond = beyond_crop(plane, crop, scale)
    # Where there is little but noise, what is left of it would flicker from frame to frame.
    sure = _wiener(beyond, radius / 2, np.float32(SURE * noise.energy))
    if noise.weak > LEAST_WEAK:
        beyond = beyond_crop(without_noise(plane, noise.weak), crop, scale)
    changed = cv2.blur(np.abs(luminance(restored) - crop), (2 * radius + 1,) * 2)
    return beyond * sure * np.exp(-np.square(changed / MUCH_CHANGED))


def octaves(plane: Plane) -> list[Plane]:
    """A plane (H, W) in bands between `SIGMAS`, without what is coarser than all of them."""
    smooth = [plane, *(np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32) for sigma in SIGMAS)]
    return [finer - coarser for finer, coarser in pairwise(smooth)]


@lru_cache(maxsize=64)
def noise_gains(scale: float) -> list[float]:
    """What is left, in each octave of a crop, of white noise in a picture whose pixels are `scale` times smaller."""
    side, margin = 64, 24
    whole = side + 2 * margin
    white = np.random.default_rng(0).standard_normal((round(whole * scale) + 2,) * 2, np.float32)
    matrix = np.array([[scale, 0, 0], [0, scale, 0]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(smoothed(white, scale), matrix, (whole, whole), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return [float(band[margin:-margin, margin:-margin].std()) for band in octaves(np.asarray(crop, np.float32))]


def _wiener(band: Plane, sigma: float, energy: float | np.float32) -> Plane:
    """The share (H, W) of a band that is taken for the face's, where noise has that energy."""
    return np.maximum(0, 1 - energy / (_local(band, sigma) + 1e-9))


def _local(band: Plane, sigma: float) -> Plane:
    """The energy of a band around each place."""
    return np.asarray(cv2.blur(np.square(band), (2 * round(2 * sigma) + 1,) * 2), np.float32)
