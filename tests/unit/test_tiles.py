"""A picture in tiles: no seam, no edge, any size."""

from itertools import pairwise

import pytest
import torch
from skimage import data

import gpen
from gpen.image.tiles import faded_tiles
from tests.support.networks import Negative


@pytest.mark.parametrize("length", [64, 65, 100, 127, 128, 500])
@pytest.mark.parametrize("overlap", [0, 1, 16, 32])
def test_weights_sum_to_one_everywhere(length: int, overlap: int) -> None:
    total = torch.zeros(length)
    tiles = faded_tiles(length, 64, overlap)
    for start, weights in tiles:
        total[start : start + 64] += weights
        assert weights.min() > 0
    torch.testing.assert_close(total, torch.ones(length))
    starts = [start for start, _ in tiles]
    assert starts[0] == 0
    assert starts[-1] == length - 64
    assert all(b - a <= 64 - overlap for a, b in pairwise(starts))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (10, 200), (200, 10), (1, 1), (150, 97)])
def test_constant_stays_constant(height: int, width: int) -> None:
    restored = gpen.restore_tiled(Negative(), torch.full((2, height, width, 3), 0.3), overlap=16)
    torch.testing.assert_close(restored, torch.full((2, height, width, 3), 0.7))


def test_tiles_are_put_where_they_were_cut_out() -> None:
    photograph = torch.from_numpy(data.astronaut()[:150, 100:300])[None].float() / 255
    torch.testing.assert_close(gpen.restore_tiled(Negative(), photograph, overlap=16), 1 - photograph)


def test_out_of_memory_makes_batches_smaller_and_progress_can_stop() -> None:
    model = Negative(room=2)
    steps: list[tuple[int, int | None]] = []
    picture = torch.rand(1, 64, 200, 3)
    gpen.restore_tiled(model, picture, overlap=0, batch=4, on_progress=lambda done, total: steps.append((done, total)))
    assert [batch for batch, _ in model.runs] == [4, 2, 2]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("overlap", [-1, 33])
def test_overlap_out_of_range(overlap: int) -> None:
    with pytest.raises(gpen.SettingError, match="between 0 and 32"):
        gpen.restore_tiled(Negative(), torch.rand(1, 64, 64, 3), overlap=overlap)
