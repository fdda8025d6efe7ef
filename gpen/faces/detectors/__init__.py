"""The face detectors, a row each: all that tells one from its like stands here, and no other file knows their names.

A detector is one file here, which imports nothing heavy before it is opened, and one row.
"""

from functools import partial
from pathlib import Path

from ...errors import SettingError
from .kind import Detector, DetectorKind, Pictures, Place, on_cpu
from .mtcnn import MTCNNDetector
from .retinaface import RetinaFaceDetector
from .yunet import YuNetDetector

__all__ = ["DETECTORS", "Detector", "DetectorKind", "Pictures", "Place", "on_cpu", "open_detector"]

_ROWS = (
    # 0.9 as in the official code. The network with MobileNet sees one face of 450 pixels as up to four; what is said
    # of it is taken to hold for its larger sister, which has the same anchors.
    DetectorKind(
        "retinaface_resnet50",
        threshold=0.9,
        open=partial(RetinaFaceDetector, network="resnet50"),
        file="detection_Resnet50_Final",
        largest_face=400,
        second_looks=1,
    ),
    # It gives the melted faces of a diffusion model 0.8 to 0.9, and most of what is no face less than 0.75. It was
    # trained on faces up to 300 pixels.
    DetectorKind(
        "yunet",
        threshold=0.8,
        open=YuNetDetector,
        file="face_detection_yunet_2023mar",
        largest_face=300,
        second_looks=3,
    ),
    DetectorKind(
        "retinaface_mobilenet0.25",
        threshold=0.9,
        open=partial(RetinaFaceDetector, network="mobile0.25"),
        file="detection_mobilenet0.25_Final",
        largest_face=400,
        second_looks=1,
    ),
    # At 0.8 it takes the hand in NASA's portrait of Eileen Collins for a face. It looks at every size by itself, but
    # misses a face that fills the picture. Of 8 false faces of less than 0.9 in 48 series of portraits, whole and badly
    # damaged, its second look saw 1 again, and of 63 true ones 58. With the others this would cost more: in the dark
    # YuNet does not see 27 of 171 true ones again, and RetinaFace 29 of 153.
    DetectorKind("mtcnn", threshold=0.9, open=MTCNNDetector, largest_face=1000, second_looks=1, confirmed_below=0.9),
)

DETECTORS = {row.name: row for row in _ROWS}
"""Name → row, the best first: "auto" takes the first whose file, if it needs one, is on disk."""


def open_detector(name: str, weights: Path | None, place: Place = on_cpu) -> Detector:
    """Make a detector ready to run.

    Args:
        name: one of `DETECTORS`.
        weights: its file, where its row names one.
        place: where a detector that is a torch network runs.

    Raises `SettingError` for an unknown name and `DetectorError` where a part it needs is missing or its file is not
    what it should be.
    """
    kind = DETECTORS.get(name)
    if kind is None or kind.open is None:
        raise SettingError.unknown("detector", name, ("auto", *DETECTORS))
    return kind.open(kind, weights, place)
