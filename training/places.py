"""Where things are in an aligned crop: alignment puts every face's eyes and mouth at the same places.

Places are shares of the crop's side, x first.
"""

from functools import cache

import torch
from torch import Tensor

from gpen.faces.alignment import template

_LEFT_EYE, _RIGHT_EYE, _, _LEFT_MOUTH, _RIGHT_MOUTH = template(1).tolist()
_BROW = 0.02
"""The middle between an eye and its brow is so much above the pupil."""

LEFT_EYE = (_LEFT_EYE[0], _LEFT_EYE[1] - _BROW)
RIGHT_EYE = (_RIGHT_EYE[0], _RIGHT_EYE[1] - _BROW)
MOUTH = ((_LEFT_MOUTH[0] + _RIGHT_MOUTH[0]) / 2, (_LEFT_MOUTH[1] + _RIGHT_MOUTH[1]) / 2)
PARTS = (LEFT_EYE, RIGHT_EYE, MOUTH)
CHEEKS = ((0.38, 0.6), (0.62, 0.6))
BOX = (0.28, 0.26, 0.72, 0.86)
"""Left, top, right, bottom of the mean face, brow to chin: where the published figures are measured."""

_PART_SIZE = (0.1, 0.07)
_FACE, _FACE_SIZE = (0.5, 0.57), (0.3, 0.38)
_BACKGROUND_WEIGHT, _FACE_WEIGHT, _PART_WEIGHT = 0.5, 0.5, 2.0


@cache
def attention(side: int) -> Tensor:
    """(side, side): how much an error counts there, 1 on average; eyes with their brows and the mouth about 4 times
    as much as the background."""
    y, x = torch.meshgrid(*[(torch.arange(side) + 0.5) / side] * 2, indexing="ij")

    def hill(place: tuple[float, float], size: tuple[float, float], steepness: int) -> Tensor:
        distance = ((x - place[0]) / size[0]) ** 2 + ((y - place[1]) / size[1]) ** 2
        return torch.exp(-(distance ** (steepness / 2)))

    parts = torch.stack([hill(part, _PART_SIZE, 2) for part in PARTS]).sum(0)
    weight = _BACKGROUND_WEIGHT + _FACE_WEIGHT * hill(_FACE, _FACE_SIZE, 6) + _PART_WEIGHT * parts
    return weight / weight.mean()


def patches(pictures: Tensor) -> Tensor:
    """(B, C, S, S) → the eyes with their brows, and the mouth: (3·B, C, S/4, S/4)."""
    side = pictures.shape[3]
    size = side // 4
    corners = [(round(x * side) - size // 2, round(y * side) - size // 2) for x, y in PARTS]
    return torch.cat([pictures[:, :, top : top + size, left : left + size] for left, top in corners])
