"""Where a face lies in the square crop that GPEN restores: five landmarks ↔ a similarity transform.

A face that is turned away may be stretched as well, so that it fills its crop as one that looks at us does.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from ..image.warp import Matrix, footprint, inverse, scale_of, smoothed

if TYPE_CHECKING:
    from torch import Tensor

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

# The eyes and the corners of the mouth lie nearly in one plane, which a turn foreshortens; the nose stands out of it.
IN_PLANE = [0, 1, 3, 4]
NOSE = 2
# How far the nose is from its place once the plane is stretched to the mean face, in distances of the eyes: it tells
# a turned face from a wide one. Of 535 official portraits one in twenty is further to the side than 0.27, and those
# beyond 0.4 gain from the stretch: 0.07 dB on the face and 0.15 dB on the eye that is further away, measured with the
# preview model on 18 of them. Down, none is further than 0.23, and a head bowed by 40° comes to 0.25; five points do
# not tell a head that looks up.
TURNED_ASIDE = 0.4
BOWED = 0.24
# A stretch by more is a profile, of which one half is hidden: nothing brings that back. The mean face is narrower than
# most, so that a frontal portrait comes to 1.2 already.
MOST_STRETCHED = 1.75


GPEN_TEMPLATE: Points = (TEMPLATE_96x112 + TEMPLATE_OFFSET) / TEMPLATE_SIDE
"""(5, 2): the landmarks of the mean face in GPEN's crop, the crop's side being 1. Networks may have another one."""


# The mean face of FFHQ's crops, 512 pixels wide, as facexlib's FaceRestoreHelper has it: most other restorers were
# trained with it.
FFHQ_TEMPLATE_512 = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)

Colour = tuple[float, float, float]
"""RGB in 0..1"""


@dataclass(frozen=True, eq=False)
class Alignment:
    """How the faces lie in the crops that a network was trained with."""

    name: str
    template: Points
    """(5, 2): the landmarks of its mean face, the crop's side being 1."""
    outside: Colour = (0.0, 0.0, 0.0)
    """What is seen of a face that lies partly outside its picture."""
    robust: bool = False
    """Whether the landmark that fits least is left out (least median of squares), or each counts (least squares)."""

    def steady(self) -> "Alignment":
        """The same for a face that is followed through a clip: there which landmark is left out would change from
        frame to frame, and the crop would jump."""
        return replace(self, robust=False)


GPEN_ALIGNMENT = Alignment("gpen", GPEN_TEMPLATE)
# Its grey is (135, 133, 132) in facexlib, which counts blue first.
FFHQ_ALIGNMENT = Alignment("ffhq", FFHQ_TEMPLATE_512 / 512, (132 / 255, 133 / 255, 135 / 255), robust=True)

ALIGNMENTS = {alignment.name: alignment for alignment in (GPEN_ALIGNMENT, FFHQ_ALIGNMENT)}
"""Alignment by name."""


def template(size: int) -> Points:
    """The five landmarks of the mean face in GPEN's crop of `size`×`size` pixels."""
    return GPEN_TEMPLATE * size


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


def align(
    landmarks: Points, size: int, stretch: bool = False, alignment: Alignment = GPEN_ALIGNMENT
) -> tuple[Matrix, Matrix]:
    """Landmarks (5, 2) in a picture → (picture_to_crop, crop_to_picture) for a crop of `size`×`size` pixels.

    Official code fits the second the other way round with the inverse scale, which comes to the inverse of the first.
    With `stretch`, the plane of eyes and mouth is stretched to the mean face's, which undoes what a turn foreshortens;
    a profile is left alone. `alignment` says where the landmarks belong.
    """
    target = alignment.template * size
    picture_to_crop = _stretched(landmarks, target) if stretch else None
    if picture_to_crop is None and alignment.robust:
        picture_to_crop = cv2.estimateAffinePartial2D(np.asarray(landmarks, np.float64), target, method=cv2.LMEDS)[0]
    if picture_to_crop is None:
        picture_to_crop = similarity(landmarks, target)
    picture_to_crop = np.asarray(picture_to_crop, np.float64)
    return picture_to_crop, inverse(picture_to_crop)


def is_turned(landmarks: Points) -> bool:
    """Whether a face looks so far to the side or down that its crop should be stretched."""
    target = GPEN_TEMPLATE
    picture_to_face = _stretched(landmarks, target)
    if picture_to_face is None:
        return False
    nose = picture_to_face @ [*landmarks[NOSE], 1]
    aside, below = (nose - target[NOSE]) / (target[1] - target[0])[0]
    return bool(abs(aside) > TURNED_ASIDE or below > BOWED)


def _stretched(landmarks: Points, target: Points) -> Matrix | None:
    """The affine transform that takes eyes and mouth nearest to those of `target`; None for a profile."""
    points = np.column_stack([landmarks, np.ones(len(landmarks))])[IN_PLANE]
    solution, _, rank, _ = np.linalg.lstsq(points, target[IN_PLANE], rcond=None)
    linear = solution[:2]
    longest, shortest = np.linalg.svd(linear)[1]
    usable = rank == 3 and np.linalg.det(linear) > 0 and longest <= MOST_STRETCHED * shortest
    return solution.T.copy() if usable else None


def crop_face(picture: "Tensor", picture_to_crop: Matrix, size: int, outside: Colour = (0.0, 0.0, 0.0)) -> "Tensor":
    """Cut a face out of a picture (H, W, C) → (size, size, C) float32, of the colour `outside` beyond the picture.

    Where the face is larger than the crop, the picture is smoothed first so that nothing aliases;
    where it is smaller, this is official code's bilinear `warpAffine` and nothing else.
    """
    import torch  # the rest of this is plain numbers

    pixels = picture.detach().to("cpu", torch.float32).contiguous().numpy()
    crop_to_picture = inverse(picture_to_crop)
    shrink = scale_of(crop_to_picture)
    left, top, right, bottom = footprint(crop_to_picture, size, pixels.shape[:2], margin=int(np.ceil(2 * shrink)) + 2)
    if right <= left or bottom <= top:
        return torch.tensor(outside)[: picture.shape[2]].expand(size, size, -1).clone()
    pixels = smoothed(pixels[top:bottom, left:right], shrink)
    matrix = picture_to_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ [left, top]
    crop = cv2.warpAffine(
        pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=outside
    )
    return torch.from_numpy(crop).reshape(size, size, -1)  # OpenCV drops a single channel
