"""Skin tone, measured in the picture: the individual typology angle of the cheeks (Chardon et al. 1991).

It is the angle of lightness against yellowness in CIE Lab, in degrees; large is light. Exposure is taken out first, by
the brightest hundredth of the crop: a collar, teeth, or the background. Light and shadow still move it by some ten
degrees, so it orders people roughly, and says nothing about anybody.
"""

import cv2
import numpy as np
import numpy.typing as npt

from .degrade import LUMINANCE
from .places import CHEEKS

GROUPS = {"dark": (-180.0, 28.0), "medium": (28.0, 48.0), "light": (48.0, 181.0)}
"""Bounds in degrees, the second one excluded. The first is where Chardon's "tan" begins."""
_SIDE = 0.06
"""Of the square that is measured on each cheek, as a share of the crop."""


def skin_tone(crop: npt.NDArray[np.floating]) -> float:
    """The angle in degrees for an aligned crop (S, S, 3) in 0..1: the median of both cheeks."""
    crop = np.asarray(crop, np.float32)
    lab = cv2.cvtColor(np.clip(crop / np.percentile(crop @ LUMINANCE, 99), 0, 1), cv2.COLOR_RGB2Lab)
    side, half = len(crop), _SIDE / 2
    cheeks = [
        lab[round((y - half) * side) : round((y + half) * side), round((x - half) * side) : round((x + half) * side)]
        for x, y in CHEEKS
    ]
    lightness, _, yellowness = np.median(np.concatenate([cheek.reshape(-1, 3) for cheek in cheeks]), axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, yellowness)))


def group_of(tone: float) -> str:
    """Which of `GROUPS` an angle belongs to."""
    return next(name for name, (low, high) in GROUPS.items() if low <= tone < high)
