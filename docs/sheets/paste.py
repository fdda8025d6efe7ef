"""What the settings of pasting do, with the preview model and with networks that only smooth or tint."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from skimage import data
from torch import Tensor

import gpen
from gpen.image.files import read_picture
from gpen.image.picture import to_uint8
from tests.support.faces import crop_of, with_after
from tests.support.photograph import shared_faces

from ..pictures import Row, captioned

SIDE = 320


def make() -> list[Row]:
    """Large faces, sharp and noisy; skin; colour; grain."""
    portrait = read_picture(shared_faces() / "us-senate" / "amy-klobuchar.jpg").rgb
    noisy = _noisy(portrait, 0.05)
    model, detector = gpen.load_model("preview", device="cpu"), gpen.open_detector("mtcnn")
    rows = []
    for name, picture in (("a face larger than the model", portrait), ("the same with noise", noisy)):
        faces = gpen.restore_faces(model, picture, gpen.detect_faces(picture, detector))
        pasted = {
            f"large_faces = {choice}": gpen.paste_faces(picture, faces, large_faces=choice).image
            for choice in ("off", "keep detail")
        }
        rows.append(_row(faces[0], 0.3, {name: picture} | pasted))

    # A restorer that only smooths shows the skin alone.
    face = gpen.restore_faces(model, portrait, gpen.detect_faces(portrait, detector))[0]
    faces = gpen.Faces((_changed(face, lambda crop: cv2.GaussianBlur(crop, (0, 0), 0.8)),), *_size(portrait), 1)
    smooth = {
        f"skin = {skin:g}": gpen.paste_faces(portrait, faces, skin=skin, large_faces="off").image
        for skin in (1.0, 0.3, 0.0)
    }
    rows.append(_row(face, 0.3, {"skin as it was": portrait} | smooth))

    astronaut = torch.from_numpy(data.astronaut())[None].float() / 255
    face = gpen.restore_faces(model, astronaut, gpen.detect_faces(astronaut, detector))[0]
    tint = np.array([0.85, 0.97, 1.12], np.float32)
    faces = gpen.Faces((_changed(face, lambda crop: crop * tint),), *_size(astronaut), 1)
    tinted = {
        f"color = {color}{said}": gpen.paste_faces(astronaut, faces, color=color).image
        for color, said in (("off", ": it came back blue"), ("mild", ""), ("full", ""))
    }
    rows.append(_row(face, 0.8, {"colours as they were": astronaut} | tinted))

    grainy = _noisy(astronaut, 0.06)
    faces = gpen.restore_faces(model, grainy, gpen.detect_faces(astronaut, detector))
    grains = {f"grain = {grain:g}": gpen.paste_faces(grainy, faces, grain=grain).image for grain in (0.0, 1.0)}
    rows.append(_row(face, 0.8, {"a noisy picture": grainy} | grains))
    return rows


def _noisy(picture: Tensor, sigma: float) -> Tensor:
    return (picture + torch.randn(picture.shape, generator=torch.Generator().manual_seed(0)) * sigma).clamp(0, 1)


def _size(picture: Tensor) -> tuple[int, int]:
    return picture.shape[2], picture.shape[1]


def _changed(face: gpen.Face, change: Callable[[np.ndarray], np.ndarray]) -> gpen.Face:
    return with_after(face, torch.from_numpy(change(crop_of(face).before.numpy()).astype(np.float32)))


def _row(face: gpen.Face, share: float, pictures: dict[str, Tensor]) -> Row:
    """The middle of a face, `share` of its crop high and wide, in each picture."""
    crop = crop_of(face)
    x, y = face.landmarks.mean(0)
    half = share * crop.size * np.linalg.norm(crop.crop_to_picture[:, 0]) / 2
    top, bottom, left, right = (round(max(0.0, v)) for v in (y - half, y + half, x - half, x + half))
    return captioned(
        {
            name: np.asarray(
                cv2.resize(to_uint8(picture[0])[top:bottom, left:right], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC),
                np.uint8,
            )
            for name, picture in pictures.items()
        }
    )
