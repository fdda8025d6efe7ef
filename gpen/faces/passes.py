"""How pictures are looked through: at which size, and which further passes are made."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain

import cv2
import numpy as np
import numpy.typing as npt

from ..image.tiles import faded_tiles
from .boxes import GivenBox, distinct, overlap
from .detectors.kind import Detector, Picture, Pictures
from .face import Box, Face, Faces, Outcome
from .second_look import UPRIGHT_BONUS, log_odds, look_again
from .settings import DetectSettings

Found = list[list[Face]]
"""The faces of each picture."""


# As in the official code: a picture whose long side is over the first is scaled so that it is the second.
LONG_SIDE_LIMIT = 1500
LONG_SIDE_SCALED = 1000
SHORT_SIDE = 480
# A ribbon whose short side is brought to 480 would become very long.
LONGEST = 4000
# The second pass, for tiny faces: so many times larger, in tiles of so many pixels there. A face that is larger than
# what neighbouring tiles share is large enough for the first pass.
TINY_ZOOM = 2.0
TILE = 1024
TILE_OVERLAP = 192
# For faces that the picture's edge cuts: its last pixels are continued for this part of its shorter side.
EDGE_PADDING = 0.2
# Faces that are too large for the detector are looked for in a copy whose long side is this, a margin around it
# included: without one, a face that fills the picture to its edges is missed. So its face is 240 pixels wide at most,
# which every detector sees, and sees best.
SMALL_COPY = 360
SMALL_COPY_PADDING = 0.25
# Inside a given box there is a face: it is looked at this large, and with less doubt.
FACE_IN_BOX = 160
THRESHOLD_IN_BOX = 0.3
# Eyes, nose and corners of the mouth in the box of a face, as parts of it: the mean of portraits as YuNet and MTCNN
# find them, made even.
MEAN_FACE = np.array([[0.27, 0.38], [0.73, 0.38], [0.5, 0.573], [0.295, 0.722], [0.705, 0.722]])


def detect_in(pictures: Pictures, detector: Detector, threshold: float, settings: DetectSettings) -> Found:
    """The faces of each picture, in its pixels; in each pass the detector is given all of them at once."""

    def upright(pictures: Pictures) -> Found:
        return _passes(pictures, detector, threshold, settings)

    found = _all_ways_up(pictures, upright, threshold) if settings.rotated else upright(pictures)
    return look_again(pictures, found, detector)


def detect_in_box(
    pixels: Picture, given: GivenBox, detector: Detector, threshold: float, settings: DetectSettings
) -> Face:
    """The face in a box of one picture: the box as it was given, the landmarks as the detector sees them there.

    Where it sees none, they are the mean face's.
    """
    left, top, right, bottom = given.box
    height, width = pixels.shape[:2]
    # What is looked at goes no further beyond the picture than the picture is large, whatever the box.
    limits = (width, height)
    left, top, right, bottom = (
        min(max(v, -limits[i % 2]), 2 * limits[i % 2]) for i, v in enumerate((left, top, right, bottom))
    )
    side = max(right - left, bottom - top)
    x, y, x_end, y_end = (round(v) for v in (left - side / 2, top - side / 2, right + side / 2, bottom + side / 2))
    inside = (max(x, 0), max(y, 0), min(x_end, width), min(y_end, height))
    candidates: list[Face] = []
    if side > 0 and inside[0] < inside[2] and inside[1] < inside[3]:
        crop = pixels[inside[1] : inside[3], inside[0] : inside[2]]
        beyond = (inside[1] - y, y_end - inside[3], inside[0] - x, x_end - inside[2])
        crop = np.asarray(cv2.copyMakeBorder(crop, *beyond, cv2.BORDER_REPLICATE), np.uint8)

        def upright(crops: Pictures) -> Found:
            return _at_scale(crops, FACE_IN_BOX / side, detector, min(threshold, THRESHOLD_IN_BOX))

        (candidates,) = _all_ways_up(crop[None], upright, THRESHOLD_IN_BOX) if settings.rotated else upright(crop[None])
    faces = [_moved(face, x, y) for face in candidates]
    best = max(faces, key=lambda face: overlap(face.box, given.box), default=None)
    if best is None or overlap(best.box, given.box) < THRESHOLD_IN_BOX:
        left, top, right, bottom = given.box
        landmarks = MEAN_FACE * [right - left, bottom - top] + [left, top]
        outcome = Outcome("found", "landmarks guessed from its box")
        return Face(0, given.box, landmarks, given.score, outcome=outcome)
    (again,) = look_again(pixels[None], [[best]], detector)
    # Somebody says that there is a face, whatever the detector thinks of it.
    return replace(again[0] if again else best, box=given.box)


def _passes(pictures: Pictures, detector: Detector, threshold: float, settings: DetectSettings) -> Found:
    scale = _scale(pictures.shape[1:3], settings.size)
    looks = [_at_scale(pictures, scale, detector, threshold)]
    if settings.edges:
        looks.append(_beyond_edges(pictures, scale, detector, threshold))
    if settings.tiny_faces:
        looks.append(_in_tiles(pictures, max(1.0, TINY_ZOOM * scale), detector, threshold))
    if math.isfinite(detector.kind.largest_face):
        looks.append(_in_small_copy(pictures, detector, threshold))
    return [_surest(chain(*of_picture)) for of_picture in zip(*looks, strict=True)]


def _surest(faces: Iterable[Face]) -> list[Face]:
    return distinct(sorted(faces, key=lambda face: -face.score))


def _scale(height_width: tuple[int, ...], size: str) -> float:
    short, long = sorted(height_width)
    match size:
        case "long side 1000":
            return LONG_SIDE_SCALED / long if long > LONG_SIDE_LIMIT else 1.0
        case "short side 480":
            return min(SHORT_SIDE / short, max(1.0, LONGEST / long))
        case _:
            return 1.0


def _at_scale(pictures: Pictures, scale: float, detector: Detector, threshold: float) -> Found:
    """What the detector finds in the pictures made `scale` times larger, in pixels of the pictures as they came."""
    height, width = pictures.shape[1:3]
    if scale != 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pictures = np.stack([_resized(pixels, size) for pixels in pictures])
    looked_at = pictures.shape[2], pictures.shape[1]
    largest = detector.kind.largest_face
    return [
        _rescaled([face for face in faces if face.problem is None and face.size <= largest], looked_at, (width, height))
        for faces in detector(pictures, threshold)
    ]


def _resized(pixels: Picture, width_height: tuple[int, int]) -> Picture:
    how = cv2.INTER_AREA if width_height[0] < pixels.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, width_height, interpolation=how), np.uint8)


def _in_small_copy(pictures: Pictures, detector: Detector, threshold: float) -> Found:
    """The large faces, and those that fill their picture."""
    height, width = pictures.shape[1:3]
    scale = min(1.0, SMALL_COPY / ((1 + 2 * SMALL_COPY_PADDING) * max(height, width)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.stack([_resized(pixels, size) for pixels in pictures])
    pad = round(SMALL_COPY_PADDING * max(size))
    padded = np.pad(small, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="edge")
    found = [[_moved(face, -pad, -pad) for face in faces] for faces in _at_scale(padded, 1.0, detector, threshold)]
    return [_rescaled(faces, size, (width, height)) for faces in found]


def _rescaled(faces: list[Face], size: tuple[int, int], picture_size: tuple[int, int]) -> list[Face]:
    """Faces found in a copy of the picture, in pixels of the picture; sizes are width and height."""
    return list(Faces(tuple(faces), *size, 1).scaled_to(*picture_size))


def _beyond_edges(pictures: Pictures, scale: float, detector: Detector, threshold: float) -> Found:
    pad = round(EDGE_PADDING * min(pictures.shape[1:3]))
    padded = np.pad(pictures, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="edge")
    found = _at_scale(padded, scale, detector, threshold)
    return [[_moved(face, -pad, -pad) for face in faces] for faces in found]


def _in_tiles(pictures: Pictures, scale: float, detector: Detector, threshold: float) -> Found:
    """Tile by tile, so that what is enlarged is never more than a tile of each picture."""
    sides = pictures.shape[1:3]
    tiles = [min(side, round(TILE / scale)) for side in sides]
    rows, columns = (
        [start for start, _ in faded_tiles(side, tile, min(tile // 2, round(TILE_OVERLAP / scale)))]
        for side, tile in zip(sides, tiles, strict=True)
    )
    found: Found = [[] for _ in pictures]
    for top, left in ((top, left) for top in rows for left in columns):
        tile = left, top, left + tiles[1], top + tiles[0]
        cut = np.ascontiguousarray(pictures[:, top : tile[3], left : tile[2]])
        here = [[_moved(face, left, top) for face in faces] for faces in _at_scale(cut, scale, detector, threshold)]
        whole = [[face for face in faces if not _is_cut(face.box, tile, sides)] for faces in here]
        for faces, more in zip(found, whole, strict=True):
            faces += more
    return found


def _is_cut(box: Box, tile: tuple[int, int, int, int], height_width: tuple[int, ...]) -> bool:
    """Whether the tile's border runs through the face where the picture goes on: the next tile has it whole."""
    height, width = height_width
    left, top, right, bottom = tile
    return (
        (left > 0 and box[0] <= left + 1)
        or (top > 0 and box[1] <= top + 1)
        or (right < width and box[2] >= right - 2)
        or (bottom < height and box[3] >= bottom - 2)
    )


def _all_ways_up(pictures: Pictures, upright: Callable[[Pictures], Found], threshold: float) -> Found:
    """What is found in pictures as they are and turned by 90°, 180° and 270°; of a face seen twice, the surer one.

    What is seen turned alone must be surer than the threshold by what it is taken to be worth less: three more looks
    are three more chances to see a face in a coffee cup or a cat.

    A detector takes a face that lies on its side for an upright one, with landmarks that are wrong, and is less sure of
    it (YuNet 0.84, MTCNN at most 0.997) than of the face turned upright (0.93; 19 of 20 portraits over 0.998).
    """
    height, width = pictures.shape[1:3]
    seen = [[(log_odds(face.score) + UPRIGHT_BONUS, face) for face in faces] for faces in upright(pictures)]
    for quarters in (1, 2, 3):
        turned = upright(np.ascontiguousarray(np.rot90(pictures, quarters, axes=(1, 2))))
        for scored, faces in zip(seen, turned, strict=True):
            sure = [face for face in faces if log_odds(face.score) >= log_odds(threshold) + UPRIGHT_BONUS]
            scored += [(log_odds(face.score), _turned_back(face, quarters, height, width)) for face in sure]
    surest_first = [sorted(scored, key=lambda one: -one[0]) for scored in seen]
    return [distinct(face for _, face in scored) for scored in surest_first]


def _turned_back(face: Face, quarters: int, height: int, width: int) -> Face:
    """A face of `np.rot90(picture, quarters)` in pixels of the picture (height, width).

    Its left eye stays the one that is left when the face is upright: so its crop comes out upright.
    """

    def back(points: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        x, y = points[:, 0], points[:, 1]
        match quarters:
            case 1:
                return np.column_stack([width - 1 - y, x])
            case 2:
                return np.column_stack([width - 1 - x, height - 1 - y])
            case _:
                return np.column_stack([y, height - 1 - x])

    corners = back(np.reshape(face.box, (2, 2)))
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    return replace(face, box=(left, top, right, bottom), landmarks=back(face.landmarks))


def _moved(face: Face, x: float, y: float) -> Face:
    left, top, right, bottom = face.box
    return replace(face, box=(left + x, top + y, right + x, bottom + y), landmarks=face.landmarks + np.array([x, y]))
