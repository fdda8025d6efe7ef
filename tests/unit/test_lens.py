"""Lens distortion: what is taken out can be put back."""

import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

import gpen


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    # Not square, and as a camera gives it: no detail at the limit of its pixels.
    pixels = torch.from_numpy(data.astronaut()[40:400]).float()[None] / 255
    return torch.nn.functional.avg_pool2d(pixels.movedim(3, 1), 2, 1).movedim(1, 3).contiguous()


@pytest.mark.parametrize("direction", ["take out", "put back"])
def test_no_strength_gives_the_very_pixels(picture: torch.Tensor, direction: str) -> None:
    assert torch.equal(gpen.correct_lens(picture, 0.0, direction), picture)


@pytest.mark.parametrize("strength", [-1.0, -0.3, 0.3, 1.0])
def test_put_back_undoes_take_out(picture: torch.Tensor, strength: float) -> None:
    straight = gpen.correct_lens(picture, strength)
    assert straight.shape == picture.shape
    assert (straight - picture).abs().mean() > 0.01, "nothing was corrected"
    back = gpen.correct_lens(straight, strength, "put back")
    inside = np.s_[0, 8:-8, 8:-8]
    assert peak_signal_noise_ratio(picture[inside].numpy(), back[inside].numpy(), data_range=1) > 32


def test_barrel_becomes_straight() -> None:
    grid = torch.zeros(1, 201, 301, 3)
    grid[:, 30] = 1
    seen = gpen.correct_lens(grid, 0.6, "put back")
    bent, straight = (picture[0, :, :, 0].argmax(0)[60:240] for picture in (seen, gpen.correct_lens(seen, 0.6)))
    assert bent[90] < bent[0] - 1, "a barrel bends the middle of a line outwards"
    assert straight.max() - straight.min() <= 1


def test_mistakes_are_named(picture: torch.Tensor) -> None:
    with pytest.raises(gpen.SettingError, match=r"between -1 and 1, and it is 1\.5"):
        gpen.correct_lens(picture, 1.5)
    with pytest.raises(gpen.SettingError, match="unknown direction 'in'; choose one of: take out, put back"):
        gpen.correct_lens(picture, 0.5, "in")
