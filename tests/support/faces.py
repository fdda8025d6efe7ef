"""Faces as an earlier step would have made them."""

from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

import gpen
from gpen.faces.alignment import GPEN_TEMPLATE, align, crop_face
from gpen.paste.masks import mask_of
from gpen.paste.parsers import Parser


def cut_face(picture: Tensor, landmarks: np.ndarray, size: int = 256, frame: int = 0) -> gpen.Face:
    """A face of a picture (B, H, W, 3), cut out and given back unchanged; its box is around its landmarks."""
    picture_to_crop, crop_to_picture = align(landmarks, size)
    pixels = crop_face(picture[frame], picture_to_crop, size)
    left, top, right, bottom = (*landmarks.min(0).tolist(), *landmarks.max(0).tolist())
    crop = gpen.Crop(pixels, crop_to_picture, GPEN_TEMPLATE, after=pixels)
    return gpen.Face(frame, (left, top, right, bottom), landmarks, 0.9, crop=crop, outcome=gpen.Outcome("restored"))


def crop_of(face: gpen.Face) -> gpen.Crop:
    """The crop that a face surely has."""
    assert face.crop is not None
    return face.crop


def after_of(face: gpen.Face) -> Tensor:
    """What a restored face became: (S, S, 3)."""
    after = crop_of(face).after
    assert after is not None
    return after


def with_after(face: gpen.Face, after: Tensor) -> gpen.Face:
    """The same face, restored to (S, S, 3)."""
    return replace(face, crop=replace(crop_of(face), after=after))


def paste_mask(face: gpen.Face, parser: Parser | None = None, **changes: Any) -> np.ndarray:
    """How much of its crop is pasted where: (S, S)."""
    settings = gpen.PasteSettings(**changes)
    return mask_of(crop_of(face), settings.mask, settings.parts, settings.grow, settings.feather, parser)
