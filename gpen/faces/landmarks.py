"""Faces that somebody else has found, with all points of MediaPipe's face mesh: ComfyUI's FACE_LANDMARKS."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import SettingError, advice_on_out_of_memory
from ..image.given import GivenPicture
from ..image.picture import as_rgb
from .boxes import MOST_FACES, MOST_PIXELS, is_far, number, shown
from .face import Face, Faces
from .sharpness import sharpness

MESH_POINTS = 478
"""Of a face with its irises."""
FIVE = ((468,), (473,), (1, 4), (61,), (291,))
"""Points whose means are a detector's: the irises, the tip of the nose, the corners of the mouth, as seen in the
picture. Over sixteen portraits none of them is, in the mean, off by more than 6 % of the distance of the eyes from
where YuNet sees its own."""


@advice_on_out_of_memory("to read the faces' places", "give fewer or smaller pictures at a time")
def faces_from_landmarks(picture: GivenPicture, landmarks: object) -> Faces:
    """The faces that a FACE_LANDMARKS holds; nothing is looked for.

    Args:
        picture: the pictures (B, H, W, C) in 0..1 they were found in, or larger or smaller copies of them.
        landmarks: `{"frames": [[face, …], …], "image_size": (height, width)}`, a list of faces for each picture; a
            face has `landmarks_xy` (478, 2) and perhaps `bbox_xyxy`, both in pixels of that size, and `score`.

    Raises `PictureError` for something that is not a picture, and `SettingError` for something that is no such
    landmarks, of another number of pictures, or of faces that lie far outside of the size they are given for.
    """
    picture = as_rgb(picture)
    try:
        height, width = (round(number(side)) for side in landmarks["image_size"])  # type: ignore[index]
        if not (min(height, width) >= 1 and max(height, width) <= MOST_PIXELS):
            raise ValueError(f"a picture of {width}×{height} pixels")
        frames: Sequence[Any] = landmarks["frames"]  # type: ignore[index]
        if any(len(here) > MOST_FACES for here in frames):
            raise ValueError(f"more than {MOST_FACES:,} faces in one picture")
        read = [_read(face, frame, width, height) for frame, here in enumerate(frames) for face in here]
        found = [face for face in read if face.problem is None]
        count = len(frames)
    except (TypeError, KeyError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise SettingError(
            "expected FACE_LANDMARKS as ComfyUI's Detect Face Landmarks (MediaPipe) gives them "
            f"(frames, image_size; {MESH_POINTS} points a face), got something else: {shown(error)}"
        ) from error
    faces = Faces(tuple(found), width, height, count).placed_on(picture)
    # In a much smaller copy of its picture a face may be no more than a point.
    return faces.with_faces(
        replace(face, sharpness=sharpness(picture[face.frame], face.landmarks))
        for face in faces
        if face.problem is None
    )


def _read(face: Mapping[str, Any], frame: int, width: int, height: int) -> Face:
    points = np.asarray(face["landmarks_xy"], np.float64)
    if points.shape != (MESH_POINTS, 2):
        raise ValueError(f"points of shape {points.shape}")
    corners = face.get("bbox_xyxy")
    left, top, right, bottom = map(number, (*points.min(0), *points.max(0)) if corners is None else corners)
    if is_far((*points.ravel().tolist(), left, top, right, bottom), width, height):  # as NaN is
        raise ValueError(f"a face far outside of its picture of {width}×{height} pixels")
    landmarks = np.array([points[list(some)].mean(0) for some in FIVE])
    score = min(max(number(face.get("score", 1.0)), 0.0), 1.0)
    return Face(frame, (left, top, right, bottom), landmarks, score)
