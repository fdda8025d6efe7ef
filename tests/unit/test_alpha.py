"""A fourth channel is alpha, and comes out as it went in."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import gpen
from gpen.image.lens import correct_lens
from gpen.restore.tiles import restore_tiled
from gpen.restore.whole import restore_aligned
from tests.support.networks import Negative
from tests.support.photograph import photograph


@pytest.fixture(scope="module")
def picture() -> Tensor:
    """(2, H, W, 4), its alpha another one in each pixel."""
    rgb = torch.from_numpy(photograph()).float().div(255).expand(2, -1, -1, -1)
    alpha = torch.rand(*rgb.shape[:3], 1, generator=torch.Generator().manual_seed(0))
    return torch.cat([rgb, alpha], dim=3)


def pasted(picture: Tensor) -> Tensor:
    faces = gpen.restore_faces(Negative(), picture, gpen.detect_faces(picture, "mtcnn"))
    return gpen.paste_faces(picture, faces).image


@pytest.mark.parametrize(
    "work",
    [
        lambda picture: gpen.restore(Negative(), picture, "mtcnn").image,
        pasted,
        lambda picture: restore_tiled(Negative(), picture, overlap=8),
        lambda picture: restore_aligned(Negative(), picture),
        lambda picture: restore_aligned(Negative(), picture, strength=0),
        lambda picture: correct_lens(picture, 0),
    ],
    ids=["all in one", "paste", "tiles", "whole", "nothing of it", "no lens"],
)
def test_alpha_comes_out_as_it_went_in(work: Callable[[Tensor], Tensor], picture: Tensor) -> None:
    given = picture.clone()
    done, without = work(picture), work(picture[..., :3])
    assert torch.equal(done[..., 3], given[..., 3])
    assert torch.equal(done[..., :3], without), "alpha should change nothing of what is done"
    assert torch.equal(picture, given)


def test_alpha_moves_with_the_lens(picture: Tensor) -> None:
    # Each colour is its own alpha here.
    grey = picture[..., 3:].expand(-1, -1, -1, 4)
    moved = correct_lens(grey, 0.5)
    torch.testing.assert_close(moved[..., 3], moved[..., 0])
    assert not torch.equal(moved, grey)


def test_alpha_is_clipped_as_colours_are() -> None:
    """A sharp filter before this leaves both a little outside."""
    picture = torch.linspace(-0.2, 1.2, 64 * 64 * 4).view(1, 64, 64, 4)
    done = restore_tiled(Negative(), picture, overlap=8)
    assert torch.equal(done[..., 3], picture[..., 3].clamp(0, 1)) and done.min() >= 0 and done.max() <= 1
