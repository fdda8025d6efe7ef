"""Pictures that show what was found."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..image.given import GivenPicture
from ..image.picture import as_rgb, resized, to_uint8
from .boxes import common_area
from .face import Box, Face, Faces

FRAME = (40, 255, 90)
# Letters stand on the picture made so much darker.
DARKER = 4
# A node shows a picture some 400 pixels wide: letters and lines are made for that, and a picture with a smaller long
# side is enlarged by a whole number, because there letters would have too few pixels.
SHOWN = 400
FONT = cv2.FONT_HERSHEY_SIMPLEX
LETTERS = 0.36
LINE_HEIGHT = 12
# Of a preview in a notebook, whose pictures stay in its file.
LONGEST_SIDE = 1024
MOST_PICTURES = 8


@dataclass(frozen=True, eq=False)
class Preview:
    """Pictures with their faces framed and numbered, which a notebook shows."""

    image: Tensor
    """(B, H, W, 3) float32 in 0..1"""

    def __repr__(self) -> str:
        pictures, height, width, _ = self.image.shape
        return f"<Preview: {pictures} picture{'s' * (pictures != 1)} of {width}×{height}>"

    def _repr_png_(self) -> bytes | None:
        """The first eight pictures one below the other, at most 1024 pixels wide and high each; None without one."""
        if not len(self.image):
            return None
        shown = self.image[:MOST_PICTURES]
        scale = min(1.0, LONGEST_SIDE / max(shown.shape[1:3]))
        height, width = (max(1, round(side * scale)) for side in shown.shape[1:3])
        column = to_uint8(resized(shown, height, width)).reshape(-1, width, 3)
        return cv2.imencode(".png", np.ascontiguousarray(column[..., ::-1]))[1].tobytes()


def preview(picture: GivenPicture, faces: Faces) -> Preview:
    """What a notebook shows of faces: each framed in its picture, with its number, size, score and sharpness.

    Args:
        picture: (B, H, W, C) in 0..1, the pictures that they were found in, or larger or smaller copies.
        faces: what `detect_faces`, or any later step, returned.

    Raises `SettingError` where there is another number of pictures.
    """
    return Preview(draw_faces(picture, faces.placed_on(as_rgb(picture))))


def draw_faces(picture: GivenPicture, faces: Faces) -> Tensor:
    """The pictures (B, H, W, 3) with each face framed, its landmarks dotted, and its number, size, score and sharpness
    written beside it. A small picture is shown enlarged, by a whole number.

    They are float32 in 0..1 as everywhere, but of 8 bits: OpenCV writes into nothing else.
    """
    pixels = to_uint8(as_rgb(picture))
    zoom = max(1, -(-SHOWN // max(pixels.shape[1:3])))
    pixels = np.ascontiguousarray(pixels.repeat(zoom, 1).repeat(zoom, 2))
    frames, height, width, _ = pixels.shape
    placed = faces.scaled_to(width, height)
    # What a label should not hide: the faces, and the labels that are there already.
    taken = [[face.box for face in placed.of_frame(frame)] for frame in range(frames)]
    for original, face in zip(faces, placed, strict=True):
        lines = [f"{face.number}: {original.size:.0f} px", f"score {face.score:.2f}"]
        if face.sharpness is not None:
            lines.append(f"sharp {face.sharpness:.0f}")
        _draw(pixels[face.frame], face, lines, taken[face.frame])
    return torch.from_numpy(pixels).float() / 255


def _draw(pixels: np.ndarray, face: Face, lines: list[str], taken: list[Box]) -> None:
    height, width = pixels.shape[:2]
    unit = max(height, width) / SHOWN
    thickness = max(1, round(unit))
    left, top, right, bottom = (round(v) for v in face.box)
    cv2.rectangle(pixels, (left, top), (right, bottom), FRAME, thickness)
    for x, y in face.landmarks.round().astype(int).tolist():
        cv2.circle(pixels, (x, y), thickness, FRAME, cv2.FILLED)
    if right < 0 or bottom < 0 or left >= width or top >= height:
        return
    scale, step, gap = LETTERS * unit, round(LINE_HEIGHT * unit), 2 * thickness
    label_width = max(cv2.getTextSize(line, FONT, scale, thickness)[0][0] for line in lines) + 2 * gap
    label_height = step * len(lines) + gap

    def label_at(x: int, y: int) -> Box:
        """A label there, pushed into the picture."""
        x, y = min(max(x, 1), max(1, width - label_width - 1)), min(max(y, 1), max(1, height - label_height - 1))
        return x, y, x + label_width, y + label_height

    places = [(left, top - label_height), (left, bottom), (right, top), (left - label_width, top)]
    label = min((label_at(*place) for place in places), key=lambda label: sum(common_area(label, o) for o in taken))
    taken.append(label)
    x, y, x_end, y_end = map(int, label)
    pixels[y:y_end, x:x_end] //= DARKER
    for row, line in enumerate(lines, 1):
        place = x + gap, y + row * step - round(0.2 * step)
        cv2.putText(pixels, line, place, FONT, scale, FRAME, thickness, cv2.LINE_AA)


def box_mask(faces: Faces) -> Tensor:
    """(B, H, W): 1 inside the box of a face, 0 elsewhere."""
    mask = torch.zeros(faces.frames, faces.height, faces.width)
    for face in faces:
        left, top, right, bottom = (max(0, round(v)) for v in face.box)
        mask[face.frame, top:bottom, left:right] = 1
    return mask
