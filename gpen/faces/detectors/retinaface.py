"""RetinaFace as facexlib has it: the detector of the official GPEN code.

Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild" (2019).
"""

import warnings
from pathlib import Path

import numpy as np

from ...errors import DetectorError, OutOfMemory, is_out_of_memory
from ..face import Face
from .kind import DetectorKind, Pictures, Place

# As in the official code.
OVERLAP = 0.4
# On a GPU, which a single picture does not keep busy.
MOST_AT_ONCE = 4


class RetinaFaceDetector:
    """A torch network on the device that `place` says."""

    def __init__(self, kind: DetectorKind, weights: Path | None, place: Place, *, network: str) -> None:
        import torch

        from ...model.checkpoint import read_tensors

        self.kind = kind
        self.place = place
        weights = kind.needed(weights)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of its dependencies, about their own old spellings
                from facexlib.detection.retinaface import RetinaFace

                self.network = RetinaFace(network, device=torch.device("cpu"))
        except ImportError as error:
            raise DetectorError(
                f"the detector {kind.name!r} needs the Python package facexlib ({error}); "
                "install it with: pip install facexlib, or choose another detector"
            ) from error
        try:
            self.network.load_state_dict(read_tensors(weights)[0])
        except Exception as error:  # whatever torch and pickle raise for a file that is something else
            raise DetectorError(f"{weights} does not hold {kind.name}: {error}; delete it to fetch it again") from error

    @property
    def at_once(self) -> int:
        return 1 if self.place(self.network).type == "cpu" else MOST_AT_ONCE

    def __call__(self, pictures: Pictures, threshold: float) -> list[list[Face]]:
        found = self._found_or_none(pictures, threshold)
        if found is not None:
            return found
        # The exception and the tensors it held are gone by now, so that the next try finds their memory free.
        half = len(pictures) // 2
        if half == 0:
            height, width = pictures.shape[1:3]
            raise OutOfMemory(
                f"not enough memory to look for faces in a picture of {width}×{height}; "
                "close other programs, choose a smaller size for detection, or the detector mtcnn, which takes the CPU"
            )
        return [*self(pictures[:half], threshold), *self(pictures[half:], threshold)]

    def _found_or_none(self, pictures: Pictures, threshold: float) -> list[list[Face]] | None:
        """The faces of each picture, or None where memory ran out."""
        import torch

        device = self.place(self.network)
        self.network.device = device
        self.network.mean_tensor = self.network.mean_tensor.to(device)
        bgr = torch.from_numpy(pictures[..., ::-1].astype(np.float32))
        try:
            with torch.inference_mode():
                rows = zip(*self.network.batched_detect_faces(bgr, threshold, OVERLAP), strict=True)
        except RuntimeError as error:
            if is_out_of_memory(error):
                return None
            raise
        return [[_read(box, points) for box, points in zip(*of_picture, strict=True)] for of_picture in rows]


def _read(box: np.ndarray, points: np.ndarray) -> Face:
    left, top, right, bottom, score = box.astype(np.float64).tolist()
    return Face(0, (left, top, right, bottom), points.astype(np.float64).reshape(5, 2), score)
