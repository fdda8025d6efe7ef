"""Whether a restored face is still the same person: the distance of dlib's face embeddings.

For development only: it needs the packages `dlib-bin` and `face-recognition-models`.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .degrade import Picture
from .places import BOX


class Identity:
    """dlib's residual network (King 2017): two pictures of one person are nearer than about 0.6 to each other.

    Raises `ImportError` where it is not installed.
    """

    def __init__(self) -> None:
        import dlib  # pyright: ignore[reportMissingImports]

        spec = find_spec("face_recognition_models")  # not imported: it asks for a package that newer Pythons dropped
        if spec is None or spec.origin is None:
            raise ImportError("face_recognition_models is not installed")
        folder = Path(spec.origin).parent / "models"
        tool: Any = dlib
        self.rectangle = tool.rectangle
        self.landmarks = tool.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
        self.network = tool.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))

    def distances(self, original: Picture, *others: Picture) -> list[float]:
        """From an aligned crop (S, S, 3) in 0..1 to other versions of it. All are cut out at the original's landmarks,
        so that it is the face that differs and not its place."""
        side = len(original)
        pixels = [np.ascontiguousarray((picture * 255).round().astype(np.uint8)) for picture in (original, *others)]
        face = self.landmarks(pixels[0], self.rectangle(*(round(edge * side) for edge in BOX)))
        first, *rest = (np.array(self.network.compute_face_descriptor(picture, face)) for picture in pixels)
        return [float(np.linalg.norm(first - other)) for other in rest]
