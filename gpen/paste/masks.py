"""What of a restored crop is pasted: soft masks in the space of the crop, 0 along its edge.

A mask is drawn as a shape with hard edges, grown, and softened.
"""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from ..faces.alignment import template
from ..faces.face import Face
from .parsers import Labels, classes_of
from .settings import PasteSettings

Shape = npt.NDArray[np.float32]
"""(SHAPE_SIDE, SHAPE_SIDE) of 0 and 1, or (S, S) in 0..1 once softened"""

# Official code draws and softens masks at this size, whatever the size of the crop.
SHAPE_SIDE = 512
BORDER = 26
SIGMA = 4.0
KERNEL = (101, 101)

# The oval, in distances between the line of the eyes and that of the mouth of the mean face. Chosen by eye on portraits
# and groups: its edge runs through the hair, where nobody sees it. A tighter one leaves a soft forehead over sharp
# eyes, a wider one takes a rim of the background along, and a lower one would be cut off by the edge of the crop.
OVAL_CENTER_BELOW_EYES = 0.29
OVAL_HALF_WIDTH = 1.15
OVAL_HALF_HEIGHT = 1.54
OVAL_SIGMA = 8.5

# The width of the oval: what `grow` and `feather` are percents of.
FACE_WIDTH = 2 * OVAL_HALF_WIDTH * float(np.ptp(template(SHAPE_SIDE)[[0, 3], 1]))

# All but background, hat and cloth.
OFFICIAL_CLASSES = (*range(1, 14), 15, 16, 17)


def mask_of(face: Face, settings: PasteSettings) -> Shape:
    """The mask of a restored face, (S, S) in 0..1.

    "oval" is the face from the front of the hair to the chin, with little of the background; it hides best that a
    square was replaced. "box" is nearly all of the crop. Both are the same for every face, because crops are aligned.
    "parse" is the chosen parts of the face, "official" what official code pastes: its parser's face, hair and neck.
    """
    assert face.restored is not None
    size = len(face.restored)
    if settings.parser is None or settings.mask in ("oval", "box"):
        return _drawn(settings.mask, size, settings.grow, settings.feather)
    labels = settings.parser(face.restored)
    if settings.mask == "official":
        shape = np.isin(labels, OFFICIAL_CLASSES).astype(np.float32)
    else:
        shape = _of_this_face(labels, classes_of(settings.parts))
    return _finished(shape, size, SIGMA, settings.grow, settings.feather)


def softened(shape: Shape, size: int, sigma: float = SIGMA) -> Shape:
    """A shape with hard edges → (size, size), blurred twice by `sigma` pixels of the shape, 0 along its edge."""
    # Twice σ is σ·√2, and three and a half of those are as far as a soft edge reaches.
    border = max(BORDER, round(3.5 * np.sqrt(2) * sigma))
    shape = shape.copy()
    shape[:border] = shape[-border:] = shape[:, :border] = shape[:, -border:] = 0
    # The kernel is much wider than σ, and that counts: where two faces overlap, the tails of the Gaussian decide
    # which of them is deeper inside its mask.
    for _ in range(2):
        shape = np.asarray(cv2.GaussianBlur(shape, KERNEL, sigma), np.float32)
    return np.asarray(cv2.resize(shape, (size, size)), np.float32).clip(0, 1)


def oval_shape() -> Shape:
    """The oval with hard edges, (SHAPE_SIDE, SHAPE_SIDE)."""
    left_eye, right_eye, _, left_mouth, right_mouth = template(SHAPE_SIDE)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    length = mouth[1] - eyes[1]
    y, x = np.mgrid[:SHAPE_SIDE, :SHAPE_SIDE]
    across = (x - eyes[0]) / (OVAL_HALF_WIDTH * length)
    down = (y - eyes[1] - OVAL_CENTER_BELOW_EYES * length) / (OVAL_HALF_HEIGHT * length)
    return (across**2 + down**2 <= 1).astype(np.float32)


@lru_cache(maxsize=4)
def _drawn(name: str, size: int, grow: float, feather: float) -> Shape:
    if name == "oval":
        mask = _finished(oval_shape(), size, OVAL_SIGMA, grow, feather)
    else:
        mask = _finished(np.ones((SHAPE_SIDE, SHAPE_SIDE), np.float32), size, SIGMA, grow, feather)
    mask.setflags(write=False)  # it is handed out again
    return mask


def _finished(shape: Shape, size: int, sigma: float, grow: float, feather: float) -> Shape:
    if grow:
        shape = _grown(shape, grow / 100 * FACE_WIDTH)
    if feather:
        # A Gaussian edge is as good as done within two deviations on both sides, and it is blurred twice.
        sigma = feather / 100 * FACE_WIDTH / (4 * np.sqrt(2))
    return softened(shape, size, sigma)


def _grown(shape: Shape, pixels: float) -> Shape:
    """Move the edge of a shape outwards by so many pixels; negative: inwards."""
    # Beyond the crop there is no face: a shape that fills it shrinks from there, too.
    side = cv2.copyMakeBorder(shape.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,))
    if pixels > 0:
        near = cv2.distanceTransform(1 - side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= pixels
        near &= bool(side.any())  # where there is no shape, OpenCV's distances are undefined
    else:
        near = cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > -pixels
    return near[1:-1, 1:-1].astype(np.float32)


def _of_this_face(labels: Labels, classes: tuple[int, ...]) -> Shape:
    """The pixels of these classes, without patches that do not reach into the oval: those are of a neighbour."""
    chosen = np.isin(labels, classes).astype(np.uint8)
    _, patches = cv2.connectedComponents(chosen)
    inside = np.unique(patches[(oval_shape() > 0) & (chosen > 0)])
    return np.isin(patches, inside[inside > 0]).astype(np.float32)
