"""Faces that somebody else has found, with all points of MediaPipe's face mesh: ComfyUI's FACE_LANDMARKS."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import SettingError
from ..image.picture import as_rgb
from .boxes import FURTHEST
from .face import Face, Faces
from .sharpness import sharpness

MESH_POINTS = 478
"""Of a face with its irises."""
FIVE = ((468,), (473,), (1, 4), (61,), (291,))
"""Points whose means are a detector's: the irises, the tip of the nose, the corners of the mouth, as seen in the
picture. Over sixteen portraits none of them is, in the mean, off by more than 6 % of the distance of the eyes from
where YuNet sees its own."""


def faces_from_landmarks(picture: Tensor, landmarks: object) -> Faces:
    """The faces that a FACE_LANDMARKS holds; nothing is looked for.

    Args:
        picture: the pictures (B, H, W, C) in 0..1 they were found in, or larger or smaller copies of them.
        landmarks: `{"frames": [[face, …], …], "image_size": (height, width)}`, a list of faces for each picture; a
            face has `landmarks_xy` (478, 2) and perhaps `bbox_xyxy`, both in pixels of that size, and `score`.

    Raises `PictureError` for something that is not a picture, and `SettingError` for something that is no such
    landmarks, or of another number of pictures.
    """
    picture = as_rgb(picture)
    try:
        height, width = (int(side) for side in landmarks["image_size"])  # type: ignore[index]
        frames: Sequence[Any] = landmarks["frames"]  # type: ignore[index]
        read = [_read(face, frame) for frame, here in enumerate(frames) for face in here]
        found = [face for face in read if face.problem is None]
        if min(height, width) < 1:
            raise ValueError("a picture without pixels")
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise SettingError(
            "expected FACE_LANDMARKS as ComfyUI's MediaPipe Face Landmarker gives them "
            f"(frames, image_size; {MESH_POINTS} points a face), got something else: {error!r}"
        ) from error
    faces = Faces(tuple(found), width, height, len(frames)).placed_on(picture)
    return faces.with_faces(replace(face, sharpness=sharpness(picture[face.frame], face.landmarks)) for face in faces)


def _read(face: Mapping[str, Any], frame: int) -> Face:
    points = np.asarray(face["landmarks_xy"], np.float64)
    if points.shape != (MESH_POINTS, 2) or not (np.abs(points) < FURTHEST).all():  # nor NaN
        raise ValueError(f"points of shape {points.shape}, or far outside of any picture")
    corners = face.get("bbox_xyxy")
    corners = (*points.min(0), *points.max(0)) if corners is None else corners
    left, top, right, bottom = (float(value) for value in corners)
    landmarks = np.array([points[list(some)].mean(0) for some in FIVE])
    return Face(frame, (left, top, right, bottom), landmarks, float(face.get("score", 1.0)))
