"""Face detectors behind one small interface.

Each file here opens one kind of detector; nothing heavy is imported before a detector is opened.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...errors import SettingError
from ..face import Face

Pictures = npt.NDArray[np.uint8]
"""(B, H, W, 3) RGB in 0..255"""

DETECTORS = ("retinaface_resnet50", "yunet", "retinaface_mobilenet0.25", "mtcnn")
"""Names of the detectors, the best first. Only "mtcnn" comes with its weights."""


class Detector(Protocol):
    """Finds the faces of pictures."""

    threshold: float
    """How sure it should be of a face where nobody says otherwise, 0..1."""

    @property
    def at_once(self) -> int:
        """How many pictures of a batch are best looked at together."""
        ...

    def __call__(self, pictures: Pictures, threshold: float) -> list[list[Face]]:
        """The faces of each picture with a score of at least `threshold`, in its pixels."""
        ...


Place = Callable[[nn.Module], torch.device]
"""Puts a network where it is to run and says which device that is."""


def on_cpu(network: nn.Module) -> torch.device:
    """The `Place` of someone who has said nothing about devices."""
    network.to("cpu")
    return torch.device("cpu")


def needs_weights(name: str) -> bool:
    """Whether a detector has a file of weights that must be on disk before it can be opened."""
    return name != "mtcnn"


def open_detector(name: str, weights: Path | None, place: Place = on_cpu) -> Detector:
    """Make a detector ready to run.

    Args:
        name: one of `DETECTORS`.
        weights: its file, where `needs_weights(name)`.
        place: where a detector that is a torch network runs.

    Raises `SettingError` for an unknown name and `DetectorError` where a part it needs is missing or its file is not
    what it should be.
    """
    match name, weights:
        case "mtcnn", _:
            from .mtcnn import MTCNNDetector

            return MTCNNDetector()
        case "yunet", Path():
            from .yunet import YuNetDetector

            return YuNetDetector(weights)
        case "retinaface_resnet50" | "retinaface_mobilenet0.25", Path():
            from .retinaface import RetinaFaceDetector

            return RetinaFaceDetector(name, weights, place)
    raise SettingError.unknown("detector", name, ("auto", *DETECTORS))
