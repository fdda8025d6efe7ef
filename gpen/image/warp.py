"""Similarity transforms between a crop and its picture, and what keeps pixels honest on the way.

Matrices are 2×3 and act on column vectors (x, y, 1) in pixels, pixel centres at whole numbers, as in `cv2.warpAffine`.
"""

import cv2
import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
"""(2, 3)"""
Pixels = npt.NDArray[np.float32]
"""(H, W, C)"""
Plane = npt.NDArray[np.float32]
"""(H, W): luminance, a mask"""
Rectangle = tuple[int, int, int, int]
"""left, top, right, bottom of a part of the picture, in whole pixels"""

MOST_SIGMA = 4.0
"""Of a blur that is done at full size, in pixels."""
MOST_TIMES = 32
"""The width of a blur in sides of the picture, from which on one colour is left: an edge from black to white, 1/100."""


def inverse(matrix: Matrix) -> Matrix:
    """The transform that leads back."""
    return np.asarray(cv2.invertAffineTransform(matrix), np.float64)


def scale_of(matrix: Matrix) -> float:
    """How many pixels long a pixel becomes."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def for_resized_crop(crop_to_picture: Matrix, size: int, resized: int) -> Matrix:
    """The transform of a crop of `size`×`size` pixels that was resized to `resized`×`resized`."""
    scale = size / resized
    # Pixel centres are at whole numbers, so the edge of the crop, which stays where it is, is at -0.5.
    matrix = crop_to_picture * [scale, scale, 1]
    matrix[:, 2] += crop_to_picture[:, :2].sum(axis=1) * (scale - 1) / 2
    return matrix


def smoothed(pixels: Pixels, shrink: float) -> Pixels:
    """Pixels (H, W, C) as they must be before a bilinear warp makes them `shrink` times smaller, so that none alias.

    A pixel of the result should be the mean of its own square, which is `shrink` pixels wide here and has a variance
    of shrink²/12. Bilinear interpolation is a tent with a variance of 2/12 on average; a Gaussian brings the rest.
    So nothing is smoothed up to √2, which is also what agrees with official code's own way (see `paste.py`).
    """
    variance = (shrink**2 - 2) / 12
    return pixels if variance <= 0 else blurred(pixels, float(np.sqrt(variance)))


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    """Pixels (H, W) or (H, W, C) after a Gaussian blur, their edges continued.

    The work depends on the pixels alone: a wide blur, which OpenCV would take minutes for or end the process, is done
    on a smaller copy. Up to `MOST_SIGMA` it is OpenCV's own. Beyond, against a Gaussian in double precision over widths
    of 4.1 to 12,800 pixels, the furthest pixel of a soft pattern was 0.0074 of the range off, of an edge from black to
    white 0.0098, of white noise 0.0124 (just above `MOST_SIGMA`); the mean was 0.004 at most.
    """
    height, width = pixels.shape[:2]
    sigma = min(sigma, float(MOST_TIMES * max(height, width)))
    factor = min(int(2 * sigma / MOST_SIGMA), max(height, width) // 4)
    if sigma <= MOST_SIGMA or factor < 2:
        blur = cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(blur, np.float32)
    # Edges are continued by whole squares of pixels, so that the smaller copy ends in the edge's own colour.
    bottom, right = factor + -height % factor, factor + -width % factor
    padded = cv2.copyMakeBorder(pixels, factor, bottom, factor, right, cv2.BORDER_REPLICATE)
    small_size = padded.shape[1] // factor, padded.shape[0] // factor
    small = cv2.resize(padded, small_size, interpolation=cv2.INTER_AREA)
    # Squares, and the tents that enlarge them again, have a variance of their own: 1/12 and 2/12 on average.
    left_over = max(0.25, (sigma / factor) ** 2 - 3 / 12)
    small = cv2.GaussianBlur(small, (0, 0), float(np.sqrt(left_over)), borderType=cv2.BORDER_REPLICATE)
    large = cv2.resize(small, padded.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(large[factor : factor + height, factor : factor + width], np.float32)


def footprint(
    crop_to_picture: Matrix, size: int | tuple[int, int], picture_hw: tuple[int, ...], margin: int = 1
) -> Rectangle:
    """The rectangle (left, top, right, bottom) of the picture that the crop covers, widened by `margin` and clipped.

    `size` is the side of the crop, or its width and height. Where it lies outside the picture, right ≤ left or
    bottom ≤ top.
    """
    x, y = (size, size) if isinstance(size, int) else size
    corners = np.array([[0, 0], [x, 0], [0, y], [x, y]], np.float64)
    corners = corners @ crop_to_picture[:, :2].T + crop_to_picture[:, 2]
    (left, top), (right, bottom) = (np.floor(corners.min(0)) - margin).tolist(), np.ceil(corners.max(0)).tolist()
    height, width = picture_hw[:2]
    return (
        max(int(left), 0),
        max(int(top), 0),
        min(int(right) + margin, width),
        min(int(bottom) + margin, height),
    )
