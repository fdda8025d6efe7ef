"""Pictures that show what was found."""

import cv2
import numpy as np
import torch
from torch import Tensor

from ..faces.face import Face, Faces
from .picture import as_rgb, to_uint8

FRAME = (40, 255, 90)
SHADOW = (0, 0, 0)


def draw_faces(picture: Tensor, faces: Faces) -> Tensor:
    """The pictures (B, H, W, 3) with each face framed, its landmarks dotted and its number and size written at it.

    They are float32 in 0..1 as everywhere, but of 8 bits: OpenCV writes into nothing else.
    """
    pixels = to_uint8(as_rgb(picture))
    _, height, width, _ = pixels.shape
    for number, face in enumerate(faces.scaled_to(width, height), 1):
        _draw(pixels[face.frame], face, f"{number}: {face.size:.0f} px")
    return torch.from_numpy(pixels).float() / 255


def _draw(pixels: np.ndarray, face: Face, label: str) -> None:
    # Readable when the whole picture is shown some 400 pixels wide on a node.
    thickness = max(1, round(max(pixels.shape[:2]) / 400))
    left, top, right, bottom = (round(v) for v in face.box)
    cv2.rectangle(pixels, (left, top), (right, bottom), FRAME, thickness)
    for x, y in face.landmarks.round().astype(int).tolist():
        cv2.circle(pixels, (x, y), thickness, FRAME, cv2.FILLED)
    scale = thickness * 0.6
    baseline = top - 2 * thickness if top > 20 * thickness else bottom + 16 * thickness
    for color, weight in ((SHADOW, 3 * thickness), (FRAME, thickness)):
        cv2.putText(pixels, label, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, color, weight, cv2.LINE_AA)


def box_mask(faces: Faces) -> Tensor:
    """(B, H, W): 1 inside the box of a face, 0 elsewhere."""
    mask = torch.zeros(faces.frames, faces.height, faces.width)
    for face in faces:
        left, top, right, bottom = (max(0, round(v)) for v in face.box)
        mask[face.frame, top:bottom, left:right] = 1
    return mask
