"""What of a restored crop is pasted: soft masks in the space of the crop, 0 along its edge.

A mask is drawn as a shape with hard edges, grown, and softened.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import SettingError
from ..faces.alignment import GPEN_TEMPLATE, Points
from ..faces.face import Crop
from ..image.warp import Plane
from .parts import classes_of

if TYPE_CHECKING:
    from .parsers import Labels, Parser

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
# How much larger the mask is drawn than the face: 18 percent of its width. Ears, crowns and hair tops, which stay
# soft or noisy around a sharp face otherwise, come along. Around four heads at four damages 15 and 20 percent were
# nearer to the undamaged picture in all sixteen: by up to 0.8 dB blurred or compressed, by 1.2 to 2.0 with noise.
OVAL_MARGIN = 0.41

# All but background, hat and cloth.
OFFICIAL_CLASSES = (*range(1, 14), 15, 16, 17)


def check_parser(name: str, parser: "Parser | None") -> None:
    """Raise `SettingError` where a mask needs a parser and there is none, before anything is restored."""
    if MASKS[name].parser and parser is None:
        raise _parser_missing(name)


def _parser_missing(name: str) -> SettingError:
    return SettingError(f"the mask {name!r} needs a parser: give parser=gpen.open_parser({name!r})")


def mask_of(crop: Crop, name: str, parts: str, grow: float, feather: float, parser: "Parser | None") -> Plane:
    """The mask of a restored crop, (S, S) in 0..1.

    Args:
        crop: the face, restored.
        name: one of `MASKS`.
        parts: what of a face the mask "parse" shows; see `classes_of`.
        grow: how far its edge is moved outwards, in percent of the face's width.
        feather: how wide its soft edge is, in percent of the face's width; 0 is what suits the mask.
        parser: what tells the parts of a face apart, for the masks that need one.

    Raises `SettingError` where the mask needs a parser and none is given.
    """
    mask = MASKS[name]
    if mask.parser is None:
        return _drawn(name, crop.size, grow, feather, _hashable(crop.template))
    if parser is None:
        raise _parser_missing(name)
    shape = mask.shape(crop.template, parser(crop.latest), parts)
    return _finished(shape, crop.size, mask.sigma, grow, feather, crop.template)


def softened(shape: Plane, size: int, sigma: float = SIGMA) -> Plane:
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


def oval_shape(template: Points = GPEN_TEMPLATE, margin: float = 0.0) -> Plane:
    """The oval with hard edges around the face of a crop with these landmarks, (SHAPE_SIDE, SHAPE_SIDE).

    `margin` is in distances between the line of the eyes and that of the mouth.
    """
    left_eye, right_eye, _, left_mouth, right_mouth = template * SHAPE_SIDE
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    length = mouth[1] - eyes[1]
    y, x = np.mgrid[:SHAPE_SIDE, :SHAPE_SIDE]
    across = (x - eyes[0]) / ((OVAL_HALF_WIDTH + margin) * length)
    down = (y - eyes[1] - OVAL_CENTER_BELOW_EYES * length) / ((OVAL_HALF_HEIGHT + margin) * length)
    return (across**2 + down**2 <= 1).astype(np.float32)


@lru_cache(maxsize=4)
def _drawn(name: str, size: int, grow: float, feather: float, template: tuple[float, ...]) -> Plane:
    points = np.reshape(template, (-1, 2))
    mask = MASKS[name]
    drawn = _finished(mask.shape(points, _NO_LABELS, ""), size, mask.sigma, grow, feather, points)
    drawn.setflags(write=False)  # it is handed out again
    return drawn


def _hashable(template: Points) -> tuple[float, ...]:
    return tuple(template.ravel().tolist())


def _finished(shape: Plane, size: int, sigma: float, grow: float, feather: float, template: Points) -> Plane:
    # The width of the oval: what `grow` and `feather` are percents of.
    width = 2 * OVAL_HALF_WIDTH * float(np.ptp(template[[0, 3], 1])) * SHAPE_SIDE
    if grow:
        shape = _grown(shape, grow / 100 * width)
    if feather:
        # A Gaussian edge is as good as done within two deviations on both sides, and it is blurred twice.
        sigma = feather / 100 * width / (4 * np.sqrt(2))
    return softened(shape, size, sigma)


def _grown(shape: Plane, pixels: float) -> Plane:
    """Move the edge of a shape outwards by so many pixels; negative: inwards."""
    # Beyond the crop there is no face: a shape that fills it shrinks from there, too.
    side = np.asarray(cv2.copyMakeBorder(shape.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,)), np.uint8)
    if pixels > 0:
        near = distance_inside(1 - side) <= pixels
        near &= bool(side.any())  # where there is no shape, OpenCV's distances are undefined
    else:
        near = distance_inside(side) > -pixels
    return near[1:-1, 1:-1].astype(np.float32)


def distance_inside(shape: npt.NDArray[np.uint8]) -> Plane:
    """How far each pixel of a shape (H, W) is from the nearest one outside of it (0), in pixels."""
    distance = cv2.distanceTransform(shape, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # OpenCV's last digit differs from call to call, and a picture is to be the same each time. The square is a whole
    # number, whatever the root of it is.
    return np.sqrt(np.round(distance * distance))


def _oval(template: Points, labels: "Labels", parts: str) -> Plane:
    return oval_shape(template, OVAL_MARGIN)


def _box(template: Points, labels: "Labels", parts: str) -> Plane:
    return np.ones((SHAPE_SIDE, SHAPE_SIDE), np.float32)


def _official(template: Points, labels: "Labels", parts: str) -> Plane:
    return np.isin(labels, OFFICIAL_CLASSES).astype(np.float32)


def _chosen_parts(template: Points, labels: "Labels", parts: str) -> Plane:
    """The pixels of the chosen parts, without patches that do not reach into the oval: those are of a neighbour."""
    chosen = np.isin(labels, classes_of(parts)).astype(np.uint8)
    _, patches = cv2.connectedComponents(chosen)
    inside = np.unique(patches[(oval_shape(template) > 0) & (chosen > 0)])
    return np.isin(patches, inside[inside > 0]).astype(np.float32)


_NO_LABELS: "Labels" = np.zeros((0, 0), np.uint8)


@dataclass(frozen=True)
class Mask:
    """All that tells one kind of mask from the others."""

    shape: "Callable[[Points, Labels, str], Plane]"
    """(template, labels of the parser, chosen parts) → the shape with hard edges."""
    parser: str | None = None
    """The parser that tells the parts of a face apart for it, by its name in `PARSERS`."""
    sigma: float = SIGMA
    """Of its soft edge where nobody asks for another, in pixels of SHAPE_SIDE."""
    nearer_wins: bool = True
    """Where two faces overlap: whether the nearer one is drawn over the other, as faces are, or the larger mask wins,
    as in official code, whose squares hold parts of each other."""
    as_official: bool = False
    """Whether the result is to be official code's: what shows through is the crop, and nothing is put back."""


MASKS: dict[str, Mask] = {
    # The face from the front of the hair to the chin, with little of the background; it hides best that a square was
    # replaced.
    "oval": Mask(_oval, sigma=OVAL_SIGMA),
    "box": Mask(_box, nearer_wins=False),
    "parse": Mask(_chosen_parts, parser="bisenet"),
    # What official code pastes: its parser's face, hair and neck.
    "official": Mask(_official, parser="parsenet", nearer_wins=False, as_official=True),
}
"""Mask by name, the default first."""
