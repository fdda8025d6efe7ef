"""RetinaFace as facexlib has it: the detector of the official GPEN code.

Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild" (2019).
"""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ...errors import DetectorError
from ..face import Face
from . import Place

NETWORKS = {"retinaface_resnet50": "resnet50", "retinaface_mobilenet0.25": "mobile0.25"}
# As in the official code.
OVERLAP = 0.4


class RetinaFaceDetector:
    """A torch network on the device that `place` says."""

    # As in the official code.
    threshold = 0.9

    def __init__(self, name: str, weights: Path, place: Place) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of its dependencies, about their own old spellings
                from facexlib.detection.retinaface import RetinaFace

                network = RetinaFace(NETWORKS[name], device=torch.device("cpu"))
        except ImportError as error:
            raise DetectorError(
                f"the detector {name!r} needs the Python package facexlib ({error}); "
                "install it with: pip install facexlib, or choose another detector"
            ) from error
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
        except Exception as error:  # whatever torch and pickle raise for a file that is something else
            raise DetectorError(f"{weights} does not hold {name}: {error}; delete it to fetch it again") from error
        self.network = network
        self.place = place

    def __call__(self, picture: npt.NDArray[np.uint8], threshold: float) -> list[Face]:
        device = self.place(self.network)
        self.network.device = device
        self.network.mean_tensor = self.network.mean_tensor.to(device)
        with torch.inference_mode():
            rows = self.network.detect_faces(np.ascontiguousarray(picture[..., ::-1]), threshold, OVERLAP)
        return [
            Face(0, tuple(row[:4].tolist()), row[5:15].reshape(5, 2), float(row[4])) for row in rows.astype(np.float64)
        ]
