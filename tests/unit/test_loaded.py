"""A model that is ready: its precision, its memory, how much it takes on at once."""

from pathlib import Path
from typing import Any

import pytest
import torch

import gpen
from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from gpen.restorers.gpen import GPENModel
from gpen.restorers.torch_model import MOST_AT_ONCE
from tests.support import tolerances


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    config = GPENConfig.released(128, 2, 1 / 16, 64, 4)
    write_checkpoint(path, {name: torch.randn(shape) for name, shape in config.official_shapes().items()})
    return path


def loaded(file: Path, **settings: Any) -> GPENModel:
    model = gpen.load_model(file, **settings)
    assert isinstance(model, GPENModel)
    return model


class SmallCard(GPENModel):
    """Says that its device is a card with so much free memory, which nobody needs to have."""

    free = 0.0

    @property
    def device(self) -> torch.device:
        return torch.device("cuda")

    def free_bytes(self) -> float:
        return self.free


def on_card(file: Path, free: float) -> SmallCard:
    model = loaded(file, device="cpu")
    card = SmallCard(model.network, model.name, model.task.name, model.dtype)
    card.free = free
    return card


def test_auto_memory_follows_what_is_free(file: Path) -> None:
    normal = on_card(file, 0).activation_bytes(1, "normal")
    assert on_card(file, 2 * normal)._make_ready_for(1) == "normal"
    assert on_card(file, 0.9 * normal)._make_ready_for(1) == "low"
    assert on_card(file, 1.5 * normal)._make_ready_for(2) == "low"
    low = on_card(file, 2 * normal).in_low_memory()
    assert low is not None and low._make_ready_for(1) == "low" and low.in_low_memory() is None


def test_batch_follows_what_is_free(file: Path) -> None:
    normal = on_card(file, 0).activation_bytes(1, "normal")
    assert on_card(file, 0).pictures_at_once() == 1
    assert on_card(file, 7 * normal).pictures_at_once() == 3
    assert on_card(file, 1e15).pictures_at_once() == MOST_AT_ONCE
    assert loaded(file, device="cpu").pictures_at_once() == 1


def test_is_one_readable_line(file: Path) -> None:
    model = loaded(file, device="cpu", precision="fp32")
    assert repr(model) == "<small: restoration of faces of 128 px, float32 on cpu>"


def test_low_memory_gives_the_same_picture(file: Path) -> None:
    x = torch.rand(2, 3, 128, 128) * 2 - 1
    normal, low = (loaded(file, device="cpu", memory=memory)(x) for memory in ("normal", "low"))
    torch.testing.assert_close(low, normal, atol=tolerances.PICTURE, rtol=0)


@pytest.mark.parametrize(("detail", "side"), [("half", 64), ("quarter", 32)])
def test_less_detail_is_smaller_and_comes_back_in_the_size_of_the_crop(file: Path, detail: str, side: int) -> None:
    model = loaded(file, device="cpu")
    quick = model.at_detail(detail)
    x = torch.rand(1, 3, 128, 128) * 2 - 1
    assert quick(x).shape == (1, 3, side, side) and model(x).shape == x.shape
    assert quick.restore(x.movedim(1, 3) / 2 + 0.5).shape == (1, 128, 128, 3)
    assert quick.activation_bytes(1, "normal") < model.activation_bytes(1, "normal")


def test_a_quick_look_at_nothing_is_refused(file: Path) -> None:
    """As with a network that makes all of its picture in its last octave."""
    quick = loaded(file, device="cpu").at_detail("quarter")
    for to_rgb in quick.network.to_rgbs:
        to_rgb.conv.weight.zero_()
        to_rgb.conv.bias.zero_()
    with pytest.raises(gpen.SettingError, match=r"last step\. Choose detail full"):
        quick.restore(torch.rand(1, 128, 128, 3))


def test_8_bits_from_file_to_picture(file: Path) -> None:
    model = loaded(file, device="cpu", precision="fp8")
    assert model.network.convs[1].conv.weight.dtype == torch.int8
    assert model(torch.rand(1, 3, 128, 128) * 2 - 1).isfinite().all()


def test_unknown_detail_names_the_choices(file: Path) -> None:
    with pytest.raises(gpen.SettingError, match="unknown detail 'eighth'; choose one of: full, half, quarter"):
        loaded(file, device="cpu").at_detail("eighth")


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_precision_is_that_of_the_weights(file: Path, precision: str) -> None:
    model = loaded(file, device="cpu", precision=precision)
    assert model.network.encoder[0].weight.dtype == model.network.convs[1].conv.weight.dtype == model.dtype
    y = model(torch.rand(1, 3, 128, 128) * 2 - 1)
    assert y.dtype == torch.float32 and y.isfinite().all()


@pytest.mark.parametrize(("setting", "value"), [("precision", "int4"), ("memory", "tiny")])
def test_wrong_setting_names_the_choices(file: Path, setting: str, value: str) -> None:
    wrong: dict[str, Any] = {setting: value}
    with pytest.raises(gpen.SettingError, match=rf"unknown {setting} '{value}'; choose one of: auto, "):
        loaded(file, device="cpu", **wrong)
