"""YuNet, the face detector that OpenCV runs itself: 232 kB, fast, with landmarks finer than a pixel.

Wu et al., "YuNet: A Tiny Millisecond-level Face Detector" (2023).
"""

from pathlib import Path

import cv2
import numpy as np

from ...errors import DetectorError
from ..face import Face
from .kind import DetectorKind, Picture, Pictures, Place

MOST_CANDIDATES = 1000
# Two faces whose boxes overlap by more than this are one, as in OpenCV's own example.
OVERLAP = 0.3


class YuNetDetector:
    """`cv2.FaceDetectorYN` on the CPU."""

    at_once = 1

    def __init__(self, kind: DetectorKind, weights: Path | None, place: Place) -> None:
        self.kind = kind
        weights = kind.needed(weights)
        if not hasattr(cv2, "FaceDetectorYN"):
            raise DetectorError(
                f"the detector 'yunet' needs OpenCV 4.8 or newer, and this is {cv2.__version__}; "
                "choose another detector, or update opencv-python"
            )
        try:
            # Read by us: OpenCV on Windows cannot open a path with letters outside its code page.
            model = np.frombuffer(weights.read_bytes(), np.uint8)
            self.network = cv2.FaceDetectorYN.create("onnx", model, np.empty(0, np.uint8), (32, 32))
        except (cv2.error, OSError) as error:
            raise DetectorError(f"{weights} cannot be read as YuNet: {error}; delete it to fetch it again") from error
        self.network.setNMSThreshold(OVERLAP)
        self.network.setTopK(MOST_CANDIDATES)

    def __call__(self, pictures: Pictures, threshold: float) -> list[list[Face]]:
        return [self._faces(picture, threshold) for picture in pictures]

    def _faces(self, picture: Picture, threshold: float) -> list[Face]:
        height, width = picture.shape[:2]
        self.network.setInputSize((width, height))
        self.network.setScoreThreshold(threshold)
        rows = self.network.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        faces = []
        for row in np.empty((0, 15)) if rows is None else rows.astype(np.float64):
            left, top, width, height = row[:4].tolist()
            faces.append(Face(0, (left, top, left + width, top + height), row[4:14].reshape(5, 2), float(row[14])))
        return faces
