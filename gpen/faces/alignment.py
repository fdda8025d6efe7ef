"""Where a face lies in the square crop that GPEN restores: five landmarks ↔ a similarity transform."""

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..image.warp import Matrix, footprint, inverse, scale_of, smoothed

Points = npt.NDArray[np.floating]
"""(N, 2), x first, in pixels"""

# Left eye, right eye, nose, left and right corner of the mouth, as seen in the picture, of the mean face
# in a crop 96 wide and 112 high (ArcFace's template, the one GPEN was trained with).
TEMPLATE_96x112 = np.array(
    [
        [30.29459953, 51.69630051],
        [65.53179932, 51.50139999],
        [48.02519989, 71.73660278],
        [33.54930115, 92.36550140],
        [62.72990036, 92.20410156],
    ]
)
# Made square (+8 in x), then a quarter of 112 added on each side.
TEMPLATE_SIDE = 112 * 1.5
TEMPLATE_OFFSET = np.array([8 + 28, 28])


def template(size: int) -> Points:
    """The five landmarks of the mean face in a crop of `size`×`size` pixels."""
    return (TEMPLATE_96x112 + TEMPLATE_OFFSET) * (size / TEMPLATE_SIDE)


def similarity(source: Points, target: Points) -> Matrix:
    """The rotation, translation and scale that take `source` nearest to `target` in the least-squares sense.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991), eq. 39–43,
    without reflection.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    source_mean, target_mean = source.mean(0), target.mean(0)
    source, target = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(target.T @ source / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    linear = (singular * signs).sum() / source.var(0).sum() * (u @ np.diag(signs) @ vt)
    return np.column_stack([linear, target_mean - linear @ source_mean])


def align(landmarks: Points, size: int) -> tuple[Matrix, Matrix]:
    """Landmarks (5, 2) in a picture → (picture_to_crop, crop_to_picture) for a crop of `size`×`size` pixels.

    Official code fits the second the other way round with the inverse scale, which comes to the inverse of the first.
    """
    picture_to_crop = similarity(landmarks, template(size))
    return picture_to_crop, inverse(picture_to_crop)


def crop_face(picture: Tensor, picture_to_crop: Matrix, size: int) -> Tensor:
    """Cut a face out of a picture (H, W, 3) → (size, size, 3) float32, black outside the picture.

    Where the face is larger than the crop, the picture is smoothed first so that nothing aliases;
    where it is smaller, this is official code's bilinear `warpAffine` and nothing else.
    """
    pixels = picture.detach().to("cpu", torch.float32).contiguous().numpy()
    crop_to_picture = inverse(picture_to_crop)
    shrink = scale_of(crop_to_picture)
    left, top, right, bottom = footprint(crop_to_picture, size, pixels.shape[:2], margin=int(np.ceil(2 * shrink)) + 2)
    if right <= left or bottom <= top:
        return torch.zeros(size, size, 3)
    pixels = smoothed(pixels[top:bottom, left:right], shrink)
    matrix = picture_to_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ [left, top]
    crop = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return torch.from_numpy(crop)
