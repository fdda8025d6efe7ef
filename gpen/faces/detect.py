"""Finding the faces of a batch of pictures."""

from collections.abc import Callable
from dataclasses import replace

import cv2
from torch import Tensor

from ..errors import SettingError
from ..image.picture import as_rgb, to_uint8
from .detectors import Detector
from .face import Face, Faces

# As in the official code: a picture whose long side is over the first is scaled so that it is the second.
LONG_SIDE_LIMIT = 1500
LONG_SIDE_SCALED = 1000


def find_faces(
    picture: Tensor,
    detector: Detector,
    threshold: float | None = None,
    on_frame: Callable[[int, int], None] | None = None,
) -> Faces:
    """Find the faces in each picture of a batch.

    Args:
        picture: (B, H, W, C) in 0..1.
        detector: what finds the faces of one picture.
        threshold: how sure the detector must be, 0..1; None is what suits the detector.
        on_frame: called with (frames done, frames in all); what it raises stops the search.

    Raises `PictureError` for something that is not a picture and `SettingError` for a threshold outside 0..1.
    """
    if threshold is None:
        threshold = detector.threshold
    if not 0 <= threshold <= 1:
        raise SettingError(f"the detection threshold must be between 0 and 1, and it is {threshold}")
    picture = as_rgb(picture)
    frames, height, width, _ = picture.shape
    scale = LONG_SIDE_SCALED / max(height, width) if max(height, width) > LONG_SIDE_LIMIT else 1.0
    faces: list[Face] = []
    for frame in range(frames):
        pixels = to_uint8(picture[frame])
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        small = (pixels.shape[1], pixels.shape[0])
        found = [face for face in detector(pixels, threshold) if face.flaw is None]
        faces += Faces(tuple(replace(face, frame=frame) for face in found), *small, frames).scaled_to(width, height)
        if on_frame:
            on_frame(frame + 1, frames)
    return Faces(tuple(faces), width, height, frames)
