"""Where a face is bare skin."""

from functools import lru_cache

import cv2
import numpy as np

from ..faces.alignment import Points
from ..image.warp import Pixels, Plane, blurred
from .masks import SHAPE_SIDE, oval_shape

# Lightness is left out: a shadow over half the face does not make it another skin. In Lab units.
SKIN_TOLERANCE = 14.0


def skin_mask(restored: Pixels, template: Points) -> Plane:
    """Where a restored crop (S, S, 3) shows skin, (S, S) in 0..1: cheeks and all of their colour, no eyes, no mouth.

    `template` (5, 2) says where its landmarks lie, the crop's side being 1.
    """
    size = len(restored)
    lab = cv2.cvtColor(restored.clip(0, 1), cv2.COLOR_RGB2LAB)[..., 1:]
    lab = blurred(np.asarray(lab, np.float32), size / 100)
    place = cv2.resize(_bare_places(tuple(template.ravel().tolist())), (size, size))
    left_eye, right_eye, nose, left_mouth, right_mouth = template * size
    cheeks = [(left_eye + left_mouth + nose) / 3, (right_eye + right_mouth + nose) / 3]
    reach = max(1, size // 32)
    samples = [lab[int(y) - reach : int(y) + reach, int(x) - reach : int(x) + reach] for x, y in cheeks]
    color = np.median(np.concatenate([sample.reshape(-1, 2) for sample in samples]), axis=0)
    distance = np.square(lab - color).sum(axis=2) / SKIN_TOLERANCE**2
    return (place * np.exp(-distance)).astype(np.float32)


@lru_cache(maxsize=2)
def _bare_places(template: tuple[float, ...]) -> Plane:
    """Where skin can be at all, at 512×512: the oval without ellipses around eyes with their brows, and the mouth."""
    points = np.reshape(template, (-1, 2))
    left_eye, right_eye, _, left_mouth, right_mouth = points * SHAPE_SIDE
    shape, length = oval_shape(points), float(left_mouth[1] - left_eye[1])
    eyes = [(eye - [0, 0.12 * length], (0.46, 0.40)) for eye in (left_eye, right_eye)]
    for (x, y), axes in [*eyes, ((left_mouth + right_mouth) / 2, (0.58, 0.32))]:
        widths = (round(axes[0] * length), round(axes[1] * length))
        cv2.ellipse(shape, (round(x), round(y)), widths, 0, 0, 360, (0,), cv2.FILLED)
    return np.asarray(cv2.GaussianBlur(shape, (0, 0), 8), np.float32)
