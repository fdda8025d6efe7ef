"""What people complain about in pasted faces, each with the setting that answers it, on real photographs."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import io
from torch import Tensor

import gpen
from gpen.faces.alignment import template
from gpen.image.grain import grain_levels
from gpen.image.luminance import luminance
from gpen.paste.compose import Pasted
from gpen.paste.masks import OFFICIAL_CLASSES, distance_inside, softened
from gpen.paste.skin import skin_mask
from tests.support.faces import crop_of, cut_face, paste_mask, with_after
from tests.support.photograph import ASTRONAUT_LANDMARKS

PORTRAIT = "us-senate/amy-klobuchar.jpg"


@pytest.fixture(scope="module")
def portrait(shared: Path) -> tuple[Tensor, np.ndarray]:
    """A portrait whose face is 2.5 times larger than a crop of 256 pixels, with its landmarks."""
    picture = torch.from_numpy(io.imread(shared / "faces" / PORTRAIT))[None].float() / 255
    return picture, gpen.detect_faces(picture, "mtcnn")[0].landmarks


def faces_of(picture: Tensor, *faces: gpen.Face) -> gpen.Faces:
    return gpen.Faces(faces, picture.shape[2], picture.shape[1], 1)


def blurred(crop: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(cv2.GaussianBlur(crop.numpy(), (0, 0), sigma))


def noisy(picture: Tensor, sigma: float) -> Tensor:
    return picture + torch.randn(picture.shape, generator=torch.Generator().manual_seed(0)) * sigma


def psnr(pasted: Pasted, original: Tensor) -> float:
    inside = pasted.mask > 0.99
    return float(-10 * torch.log10((pasted.image - original)[inside].square().mean()))


def fine(picture: Tensor, where: Tensor) -> float:
    """How strong the fine texture of a picture (1, H, W, 3) is there."""
    plane = luminance(picture[0].numpy())
    # The median: a lock of hair across the forehead is no texture of skin.
    return float(np.median(np.abs(plane - cv2.GaussianBlur(plane, (0, 0), 3))[where[0].numpy()]))


def cheeks(picture: Tensor, face: gpen.Face) -> Tensor:
    """Where skin certainly is, (1, H, W)."""
    mask = skin_mask(crop_of(face).before.numpy(), crop_of(face).template)
    return torch.from_numpy(cv2.warpAffine(mask, crop_of(face).crop_to_picture, picture.shape[2:0:-1]) > 0.9)[None]


def test_skin_looks_like_plastic(portrait: tuple[Tensor, np.ndarray]) -> None:
    picture, landmarks = portrait
    face = cut_face(picture, landmarks, 512)
    faces, skin = faces_of(picture, with_after(face, blurred(crop_of(face).before, 5))), cheeks(picture, face)
    plastic, natural, own = (
        fine(gpen.paste_faces(picture, faces, skin=skin_setting, large_faces="off").image, skin)
        for skin_setting in (1.0, 0.3, 0.0)
    )
    assert plastic < natural < own
    # Not all of it: what does not rise above the picture's noise stays out.
    assert own - plastic > 0.4 * (fine(picture, skin) - plastic)


def test_noise_is_not_taken_for_skin(portrait: tuple[Tensor, np.ndarray]) -> None:
    clean, landmarks = portrait
    picture = noisy(clean, 0.06)
    restored = with_after(cut_face(picture, landmarks, 512), crop_of(cut_face(clean, landmarks, 512)).before)
    faces, skin = faces_of(picture, restored), cheeks(clean, cut_face(clean, landmarks, 512))
    without, with_texture = (
        gpen.paste_faces(picture, faces, skin=skin_setting, large_faces="off").image for skin_setting in (1.0, 0.0)
    )
    added, noise = ((a - b)[skin].std() for a, b in ((with_texture, without), (picture, clean)))
    assert added < 0.25 * noise


def test_stubble_and_freckles_are_gone(portrait: tuple[Tensor, np.ndarray]) -> None:
    picture, landmarks = portrait
    face = cut_face(picture, landmarks, 512)
    faces, skin = faces_of(picture, with_after(face, blurred(crop_of(face).before, 5))), cheeks(picture, face)
    marked = torch.zeros(1, *picture.shape[1:3])
    marked[:, :, : int(landmarks[2, 0])] = 1
    before = gpen.paste_faces(picture, faces, large_faces="off", skin=1.0).image
    after = gpen.paste_faces(picture, faces, large_faces="off", skin=1.0, keep_texture=marked).image
    assert fine(after, skin & (marked > 0)) > 1.2 * fine(before, skin & (marked > 0))
    # The mask is seen in the pixels of the crop, so its edge is a little softer than it was drawn.
    away = torch.ones_like(marked)
    away[:, :, : int(landmarks[2, 0]) + 4] = 0
    torch.testing.assert_close(after[away > 0], before[away > 0], atol=2e-3, rtol=0)


@pytest.mark.parametrize("color", ["mild", "full"])
def test_the_colour_is_off(astronaut: Tensor, color: str) -> None:
    face = cut_face(astronaut, ASTRONAUT_LANDMARKS)
    tinted = (crop_of(face).before * torch.tensor([0.85, 0.95, 1.1]) * 0.9 + 0.05).clamp(0, 1)
    faces = faces_of(astronaut, with_after(face, tinted))
    off, matched = (
        psnr(gpen.paste_faces(astronaut, faces, color=setting, large_faces="off"), astronaut)
        for setting in ("off", color)
    )
    assert matched > off + 5


def test_the_face_is_cleaner_than_its_picture(astronaut: Tensor) -> None:
    picture = noisy(astronaut, 0.05)
    face = cut_face(astronaut, ASTRONAUT_LANDMARKS)
    before = crop_of(face).before
    crop = replace(crop_of(face), before=before + 0.01, after=blurred(before, 1))
    faces = faces_of(picture, replace(face, crop=crop))
    clean, grained, again = (
        gpen.paste_faces(picture, faces, grain=grain, large_faces="off") for grain in (0.0, 1.0, 1.0)
    )
    assert torch.equal(grained.image, again.image), "a clip would look different at every run"
    place = np.s_[95:150, 195:250]
    wanted, without, with_grain = (
        grain_levels(luminance(image[0].numpy()[place]))[0] for image in (picture, clean.image, grained.image)
    )
    assert without < 0.3 * wanted and 0.7 * wanted < with_grain < 1.3 * wanted


def test_a_large_face_loses_its_detail(portrait: tuple[Tensor, np.ndarray]) -> None:
    picture, landmarks = portrait
    face = cut_face(picture, landmarks)
    faces = faces_of(picture, with_after(face, blurred(crop_of(face).before, 0.7)))
    kept, lost = (
        psnr(gpen.paste_faces(picture, faces, large_faces=setting), picture) for setting in ("keep detail", "off")
    )
    assert kept > lost + 3


def test_noise_comes_back_with_the_detail(portrait: tuple[Tensor, np.ndarray]) -> None:
    clean, landmarks = portrait
    picture = noisy(clean, 0.08)
    faces = faces_of(picture, with_after(cut_face(picture, landmarks), crop_of(cut_face(clean, landmarks)).before))
    kept, plain = (
        psnr(gpen.paste_faces(picture, faces, large_faces=setting), clean) for setting in ("keep detail", "off")
    )
    assert kept > plain - 0.1


def test_a_hand_in_front_of_the_face_is_painted_over(astronaut: Tensor) -> None:
    labels = np.ones((512, 512), np.uint8)
    labels[300:, 200:320] = 0  # a hand before the mouth, which the parser knows is no face
    face = cut_face(astronaut, ASTRONAUT_LANDMARKS)
    faces = faces_of(astronaut, with_after(face, 1 - crop_of(face).before))
    pasted = gpen.paste_faces(astronaut, faces, mask="parse", parser=lambda crop: labels)
    mouth, eye = ASTRONAUT_LANDMARKS[3:].mean(0), ASTRONAUT_LANDMARKS[0]
    assert pasted.mask[0, int(mouth[1]), int(mouth[0])] < 0.01
    assert pasted.mask[0, int(eye[1]), int(eye[0])] > 0.99


def test_hair_is_cut(astronaut: Tensor) -> None:
    labels = np.full((512, 512), 13, np.uint8)  # hair
    cv2.ellipse(labels, (256, 280), (120, 160), 0, 0, 360, (1,), cv2.FILLED)
    face = cut_face(astronaut, ASTRONAUT_LANDMARKS)

    def share(parts: str) -> np.ndarray:
        return paste_mask(face, lambda crop: labels, mask="parse", parts=parts)

    assert share("face")[20, 128] < 0.01 < 0.99 < share("face, hair")[20, 128]
    assert share("hair")[140, 128] < 0.01
    np.testing.assert_array_equal(share("face"), share("skin"))


def test_a_neighbour_in_the_crop_is_left_alone(astronaut: Tensor) -> None:
    labels = np.zeros((512, 512), np.uint8)
    cv2.ellipse(labels, (256, 280), (120, 160), 0, 0, 360, (1,), cv2.FILLED)
    labels[60:200, 440:480] = 1
    face = cut_face(astronaut, ASTRONAUT_LANDMARKS, 512)
    assert paste_mask(face, lambda crop: labels, mask="parse")[130, 460] < 1e-3


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_official_mask_bit_for_bit(astronaut: Tensor, size: int) -> None:
    labels = np.random.default_rng(0).integers(0, 19, (16, 16)).repeat(32, 0).repeat(32, 1).astype(np.uint8)
    # As the official code writes it.
    chosen = [0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 255, 255, 255, 0]
    expected = np.array(chosen, np.uint8)[labels] / 255.0
    expected[:26, :] = expected[-26:, :] = 0
    expected[:, :26] = expected[:, -26:] = 0
    expected = cv2.GaussianBlur(expected, (101, 101), 4)
    expected = cv2.GaussianBlur(expected, (101, 101), 4).astype(np.float32)
    expected = cv2.resize(expected, (size, size))
    face = cut_face(astronaut, ASTRONAUT_LANDMARKS, size)
    mask = paste_mask(face, lambda crop: labels, mask="official")
    np.testing.assert_allclose(mask, expected, atol=1e-6)
    assert set(OFFICIAL_CLASSES) == {index for index, value in enumerate(chosen) if value}


def test_there_is_a_square_around_the_head(astronaut: Tensor) -> None:
    face = cut_face(astronaut, ASTRONAUT_LANDMARKS)
    for grow, feather in ((50, 50), (50, 0), (0, 50), (30, 20)):
        mask = paste_mask(face, grow=grow, feather=feather)
        assert np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).max() < 1e-3
        assert mask[128, 128] > 0.95


def test_mask_grows_and_softens(astronaut: Tensor) -> None:
    face = cut_face(astronaut, ASTRONAUT_LANDMARKS, 512)

    def row(grow: float = 0, feather: float = 0) -> np.ndarray:
        return paste_mask(face, grow=grow, feather=feather)[280]

    # 5 and 10 percent of a face 286 pixels wide, on both sides; more would reach the edge of the crop.
    assert (row(grow=5) > 0.5).sum() - (row() > 0.5).sum() == pytest.approx(29, abs=3)
    assert (row() > 0.5).sum() - (row(grow=-10) > 0.5).sum() == pytest.approx(57, abs=3)
    assert (row(grow=-50) > 0.5).sum() < 0.4 * (row() > 0.5).sum()

    def soft(values: np.ndarray) -> int:
        return int(((values > 0.02) & (values < 0.98)).sum())

    assert soft(row(feather=2)) < soft(row()) < soft(row(feather=30))


def test_dont_touch_that_part(astronaut: Tensor) -> None:
    face = cut_face(astronaut, ASTRONAUT_LANDMARKS)
    faces = faces_of(astronaut, with_after(face, 1 - crop_of(face).before))
    free = gpen.paste_faces(astronaut, faces)
    allowed = torch.zeros(1, 512, 512)
    allowed[:, :, :220] = 1
    half = gpen.paste_faces(astronaut, faces, custom_mask=allowed)
    assert torch.equal(half.image[allowed == 0], astronaut[allowed == 0])
    assert torch.equal(half.image[allowed == 1], free.image[allowed == 1])
    for side in (63, 64, 65, 512):
        nowhere = torch.zeros(1, side, side)
        assert torch.equal(gpen.paste_faces(astronaut, faces, custom_mask=nowhere).image, astronaut)
    with pytest.raises(gpen.SettingError, match="there are 2"):
        gpen.paste_faces(astronaut, faces, custom_mask=torch.ones(2, 512, 512))


def test_nearer_face_is_in_front() -> None:
    grey = torch.full((1, 160, 224, 3), 0.5)
    near = with_after(cut_face(grey, template(120) + np.array([60, 10]), 64), torch.ones(64, 64, 3))
    far = with_after(cut_face(grey, template(80) + np.array([30, 30]), 64), torch.zeros(64, 64, 3))
    one, other = (gpen.paste_faces(grey, faces_of(grey, *faces)) for faces in ((near, far), (far, near)))
    assert torch.equal(one.image, other.image)
    alone = gpen.paste_faces(grey, faces_of(grey, near))
    inside = alone.mask > 0.999
    torch.testing.assert_close(one.image[inside], alone.image[inside], atol=1e-3, rtol=0)
    assert one.image.min() < 0.1, "the far one is gone"


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_strength_governs_everything_laid_over(astronaut: Tensor, strength: float) -> None:
    face = cut_face(astronaut, ASTRONAUT_LANDMARKS)
    faces = faces_of(astronaut, with_after(face, blurred(crop_of(face).before, 2)))
    settings = gpen.PasteSettings(skin=0.2, color="full", grain=1, grow=5, feather=10)
    full = gpen.paste_faces(astronaut, faces, settings).image
    part = gpen.paste_faces(astronaut, faces, settings, strength=strength).image
    torch.testing.assert_close(part, astronaut + strength * (full - astronaut), atol=1e-6, rtol=0)
    assert strength > 0 or torch.equal(part, astronaut)


def test_face_larger_than_a_band_has_no_seams(portrait: tuple[Tensor, np.ndarray]) -> None:
    picture, landmarks = portrait
    face = cut_face(picture, landmarks)
    faces = faces_of(picture, with_after(face, blurred(crop_of(face).before, 2)))
    settings = gpen.PasteSettings(skin=0.2, color="full")
    whole = gpen.paste_faces(picture, faces, settings).image
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpen.paste.compose.BAND_ROWS", 100)
        torch.testing.assert_close(gpen.paste_faces(picture, faces, settings).image, whole, atol=1e-3, rtol=0)


def test_a_face_over_the_edge_is_not_darkened(astronaut: Tensor) -> None:
    picture = astronaut[:, 90:, 210:]
    face = cut_face(picture, ASTRONAUT_LANDMARKS - [210, 90])
    faces = faces_of(picture, with_after(face, crop_of(face).before * 0.9))
    off, on = (psnr(gpen.paste_faces(picture, faces, color=color), picture) for color in ("off", "mild"))
    assert on > off


def test_softening_leaves_the_shape_alone() -> None:
    shape = np.ones((512, 512), np.float32)
    softened(shape, 64)
    assert shape.min() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"skin": 2}, "skin must be a number between 0 and 1"),
        ({"grow": 51}, "grow must be a number between -50 and 50"),
        ({"feather": float("nan")}, "feather must be a number between 0 and 50"),
        ({"color": "vivid"}, "unknown color 'vivid'; choose one of: off, mild, full"),
        ({"large_faces": "tiles"}, "choose one of: keep detail, off"),
        ({"parts": "face, tail"}, "'tail'; choose one of: face, skin"),
        ({"parts": " , "}, "no part of the face is chosen"),
    ],
)
def test_mistakes_are_named(changes: dict, words: str) -> None:
    with pytest.raises(gpen.GPENError, match=words):
        gpen.PasteSettings(**changes)


def test_a_parser_is_asked_for_before_anything_is_pasted(astronaut: Tensor) -> None:
    with pytest.raises(gpen.SettingError, match="needs a parser"):
        gpen.paste_faces(astronaut, faces_of(astronaut), mask="parse")


def test_distances_are_the_same_each_time() -> None:
    shape = (np.random.default_rng(0).random((146, 89)) < 0.98).astype(np.uint8)
    exact = np.asarray(ndimage.distance_transform_edt(shape), np.float32)
    for _ in range(30):
        assert np.array_equal(distance_inside(shape), exact)
