"""Where faces are, in the forms that ComfyUI and other node packs use."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..image.given import GivenPicture
from ..image.picture import as_rgb
from ..image.warp import footprint
from .face import Face, Faces

LABEL = "face"


class SEG(NamedTuple):
    """One segment of the type SEGS, with the fields and the order of the pack that defined it (Impact Pack)."""

    cropped_image: npt.NDArray[np.float32]
    """(1, h, w, 3) in 0..1: the region, cut out of the picture"""
    cropped_mask: npt.NDArray[np.float32]
    """(h, w): 1 inside the face's box"""
    confidence: float
    crop_region: list[int]
    """left, top, right, bottom in pixels"""
    bbox: list[int]
    label: str
    control_net_wrapper: Any = None


Segments = tuple[tuple[int, int], list[SEG]]
"""(height, width) of one picture and what lies in it"""


def bounding_boxes(faces: Faces) -> list[list[dict[str, Any]]]:
    """For each picture a list with a box a face, in pixels: what ComfyUI calls BOUNDING_BOX."""
    boxes: list[list[dict[str, Any]]] = [[] for _ in range(faces.frames)]
    for face in faces:
        left, top, right, bottom = _whole_pixels(face, faces)
        box = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        boxes[face.frame].append({**box, "label": LABEL, "score": face.score})
    return boxes


def segments(picture: GivenPicture, faces: Faces) -> Segments:
    """The faces of the first picture (B, H, W, C) as SEGS; each region is what the face's crop covers of the picture.

    Faces without a crop are left out: nothing says how much of the picture belongs to them.
    """
    picture = as_rgb(picture)[:1]
    placed, found = faces.scaled_to(picture.shape[2], picture.shape[1]), []
    for face in placed.of_frame(0):
        if face.crop is None:
            continue
        left, top, right, bottom = footprint(face.crop.crop_to_picture, face.crop.size, (placed.height, placed.width))
        if right <= left or bottom <= top:
            continue
        box = _whole_pixels(face, placed)
        mask = np.zeros((bottom - top, right - left), np.float32)
        mask[max(0, box[1] - top) : max(0, box[3] - top), max(0, box[0] - left) : max(0, box[2] - left)] = 1
        image = picture[:, top:bottom, left:right].numpy().copy()  # other nodes may change it in place
        found.append(SEG(image, mask, face.score, [left, top, right, bottom], box, LABEL))
    return (placed.height, placed.width), found


def _whole_pixels(face: Face, faces: Faces) -> list[int]:
    """Its box (left, top, right, bottom) as whole pixels inside the picture."""
    sides = (faces.width, faces.height) * 2
    return [min(max(0, round(value)), side) for value, side in zip(face.box, sides, strict=True)]
