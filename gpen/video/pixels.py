"""Frames of a film to pictures and back, without a change where none was made."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .pyav import pyav

UNSPECIFIED = 2
"""What FFmpeg calls colours of which a file says nothing; it takes them for BT.601, and so do we, both ways."""


def deep(frame: Any) -> bool:
    """Whether a frame has more than 8 bits a channel."""
    return any(component.bits > 8 for component in frame.format.components)


def to_picture(frame: Any) -> Tensor:
    """A decoded frame → (H, W, 3) float32 in 0..1, upright."""
    pixels = frame.to_ndarray(format="rgb48le" if deep(frame) else "rgb24", interpolation=_careful())
    scale = np.float32(1 / np.iinfo(pixels.dtype).max)
    return torch.from_numpy(np.rot90(pixels, quarters(frame)).astype(np.float32) * scale)


def to_pixels(frame: Any) -> npt.NDArray[np.uint8]:
    """A decoded frame → (H, W, 3) in 0..255, upright."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24", interpolation=_careful()), quarters(frame)))


def quarters(frame: Any) -> int:
    """By how many quarters, anticlockwise, a frame is to be turned to stand upright."""
    return round(frame.rotation / 90) % 4


def changed(frame: Any, picture: Tensor, shares: Tensor, pixel_format: str) -> Any:
    """The frame in another format of pixels, showing `picture` (H, W, 3) where `shares` (H, W) is above 0.

    Elsewhere its samples are what they were: what is not a face goes through no conversion of colours and back.
    """
    turn = -quarters(frame)
    kind, name = (np.uint16, "rgb48le") if deep(frame) else (np.uint8, "rgb24")
    pixels = np.rot90(picture.clamp(0, 1).numpy(), turn) * np.float32(np.iinfo(kind).max)
    painted = type(frame).from_ndarray(np.ascontiguousarray(pixels.round().astype(kind)), format=name)
    painted = painted.reformat(
        format=pixel_format,
        dst_colorspace=None if frame.colorspace == UNSPECIFIED else frame.colorspace,
        dst_color_range=frame.color_range or None,
        interpolation=_careful(),
    )
    if _has_planes(painted):
        _keep(painted, unchanged(frame, pixel_format), np.rot90(shares.numpy() > 0, turn))
    return _stamped(painted, frame)


def unchanged(frame: Any, pixel_format: str) -> Any:
    """The frame as it was, in the format of pixels that the encoder takes."""
    if frame.format.name == pixel_format:
        return frame
    return _stamped(frame.reformat(format=pixel_format, interpolation=_careful()), frame)


def _keep(painted: Any, before: Any, touched: npt.NDArray[np.bool_]) -> None:
    """Bring the samples of `before` back into `painted` where nothing was touched (H, W)."""
    for ours, theirs in zip(painted.planes, before.planes, strict=True):
        new, old = _samples(ours, painted), _samples(theirs, before)
        size = (new.shape[1], new.shape[0])
        # A sample of colour belongs to several pixels, and is interpolated into their neighbours.
        share = cv2.resize(touched.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        here = cv2.dilate((share > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        np.copyto(new, old, where=~here)


def _samples(plane: Any, frame: Any) -> npt.NDArray[Any]:
    """A plane as (height, width), which writes through."""
    kind = np.uint16 if deep(frame) else np.uint8
    rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
    return rows[:, : plane.width]


def _has_planes(frame: Any) -> bool:
    """Whether each channel has a plane of its own, as nearly all formats of films do."""
    channels = {component.plane for component in frame.format.components}
    return len(channels) == len(frame.format.components) and not frame.format.is_rgb


def _stamped(frame: Any, like: Any) -> Any:
    """The frame with the time and the colours of another."""
    frame.pts, frame.time_base, frame.duration = like.pts, like.time_base, like.duration
    frame.colorspace, frame.color_range = like.colorspace, like.color_range
    for name in ("color_primaries", "color_trc"):
        if hasattr(frame, name):
            setattr(frame, name, getattr(like, name))
    return frame


def _careful() -> Any:
    """How FFmpeg converts colours: bicubic, rounding exactly, colour at full resolution where this PyAV can say so."""
    how = pyav().video.reformatter.Interpolation
    if not hasattr(how, "ACCURATE_RND"):
        return how.BICUBIC
    return how.BICUBIC | how.ACCURATE_RND | how.FULL_CHR_H_INT
