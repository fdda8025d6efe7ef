"""The colours of a restored face, matched to those the face had."""

import cv2
import numpy as np
import numpy.typing as npt

from ..image.warp import Pixels

# Statistics are taken of crops this small: neither noise nor sharpness is colour.
STATISTICS_SIDE = 48
# Colours are made stronger or paler by no more than this: a faded face is what was to be repaired.
LARGEST_GAIN = 1.4


def matched_color(restored: Pixels, crop: Pixels, weights: npt.NDArray[np.float32], amount: str) -> Pixels:
    """A restored crop (S, S, 3) with the colours that the crop had, compared in Lab where `weights` (S, S) say.

    "mild" moves the mean; "full" brings the covariance of what is colour, a and b, too, within limits. That of
    lightness would be the blur's or the haze's. Where nothing is weighed, nothing changes.
    """
    side = (STATISTICS_SIDE, STATISTICS_SIDE)
    weight = np.asarray(cv2.resize(weights, side, interpolation=cv2.INTER_AREA), np.float64).ravel()
    if weight.sum() < 1:
        return restored
    now, wanted = (
        cv2.cvtColor(cv2.resize(pixels, side, interpolation=cv2.INTER_AREA).clip(0, 1), cv2.COLOR_RGB2LAB)
        for pixels in (restored, crop)
    )
    now, wanted = now.reshape(-1, 3).astype(np.float64), wanted.reshape(-1, 3).astype(np.float64)
    mean_now, mean_wanted = np.average(now, axis=0, weights=weight), np.average(wanted, axis=0, weights=weight)
    linear = np.eye(3)
    if amount == "full":
        linear[1:, 1:] = _gain(*(np.cov(values[:, 1:], rowvar=False, aweights=weight) for values in (now, wanted)))
    lab = cv2.cvtColor(restored.clip(0, 1), cv2.COLOR_RGB2LAB).astype(np.float64)
    moved = (lab - mean_now) @ linear.T + mean_wanted
    return np.asarray(cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB), np.float32)


def _gain(now: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The symmetric matrix that turns one covariance into the other and moves colours least, within limits.

    That of the Monge–Kantorovich transport: Pitié and Kokaram (2007).
    """
    floor = 0.25 * np.eye(len(now))  # half a Lab unit: a grey face has no direction of colour to be stretched
    root = _power(now + floor, 0.5)
    back = _power(now + floor, -0.5)
    gain = back @ _power(root @ (wanted + floor) @ root, 0.5) @ back
    values, vectors = np.linalg.eigh((gain + gain.T) / 2)
    return vectors @ np.diag(values.clip(1 / LARGEST_GAIN, LARGEST_GAIN)) @ vectors.T


def _power(matrix: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(values.clip(1e-9) ** exponent) @ vectors.T
