"""Strips give the same picture, and the estimate of their memory holds."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gpen.model.config import GPENConfig
from gpen.model.layout import from_official
from gpen.model.memory import activation_bytes
from gpen.model.network import GPEN
from gpen.model.strips import Plan, run_in_strips
from tests.support import tolerances
from tests.support.measure import peak_bytes, psnr
from tests.support.networks import random_checkpoint

SMALL = GPENConfig.released(128, channel_multiplier=1, narrow=0.125, style_dim=64, mapping_layers=2)
SMALLER_INPUT = GPENConfig.released(64, 1, 0.125, style_dim=64, mapping_layers=2, input_size=16)
"""A "-D" network: noise above the encoder's resolution."""
UNEVEN = {
    # The last upsampling convolution has many inputs and few outputs: the most is alive inside of it.
    "wide to narrow": GPENConfig(
        512, 8, (8, 56, 104, 104, 152, 144, 184), 216, (72, 56, 224, 136, 208, 48, 144, 96, 48, 64, 56, 8, 8)
    ),
    "uneven 256": GPENConfig(
        512, 8, (12, 18, 66, 83, 65, 133, 239), 215, (208, 97, 161, 108, 87, 73, 95, 121, 110, 54, 54, 11, 14)
    ),
    # Its maps take one strip and a part of a second.
    "uneven 512": GPENConfig(
        *(512, 8, (8, 32, 48, 48, 152, 144, 184, 216), 72),
        (56, 224, 136, 208, 48, 144, 200, 48, 120, 56, 16, 8, 24, 16, 8),
    ),
}
"""Networks that lost nothing to three quarters of each map's channels."""


def network(config: GPENConfig, dtype: torch.dtype = torch.float32) -> GPEN:
    net = GPEN(config).eval()
    net.load_state_dict(from_official(config, random_checkpoint(config)))
    return net.to(dtype)


def pictures(config: GPENConfig, batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(batch, 3, config.input_size, config.input_size, generator=generator) * 2 - 1


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the estimate: each thread of a CPU takes some megabytes, whatever the network's memory and detail."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


@pytest.mark.parametrize("memory", ["normal", "low"])
@pytest.mark.parametrize("config", [SMALL, SMALLER_INPUT], ids=["small", "smaller input"])
class TestSamePicture:
    @pytest.mark.parametrize("rows", [6, 22])
    def test_strips_of_any_height(
        self, config: GPENConfig, memory: str, rows: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Plan, "_step", lambda *_: rows)
        net, x = network(config), pictures(config, 2)
        with torch.inference_mode():
            torch.testing.assert_close(run_in_strips(net, x, memory), net(x), rtol=0, atol=tolerances.PICTURE)

    @pytest.mark.parametrize("dtype", tolerances.HALF_PSNR)
    def test_half_precision(self, config: GPENConfig, memory: str, dtype: torch.dtype) -> None:
        net, x = network(config, dtype), pictures(config, 1)
        with torch.inference_mode():
            assert psnr(run_in_strips(net, x.to(dtype), memory), net(x.to(dtype))) >= tolerances.HALF_PSNR[dtype]


@pytest.mark.parametrize("size", [16, 32])
def test_smallest_networks(size: int) -> None:
    config = GPENConfig.released(size, 1, 0.0625, style_dim=16, mapping_layers=1)
    net, x = network(config), pictures(config, 1)
    with torch.inference_mode():
        torch.testing.assert_close(run_in_strips(net, x, "low"), net(x), rtol=0, atol=tolerances.PICTURE)


@pytest.mark.parametrize("memory", ["normal", "low"])
@pytest.mark.parametrize(("detail", "side"), [("half", 1 / 2), ("quarter", 1 / 4)])
@pytest.mark.parametrize("config", [SMALL, SMALLER_INPUT], ids=["small", "smaller input"])
def test_less_detail_is_the_picture_so_far(
    config: GPENConfig, detail: str, side: float, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the whole network has added up at that octave."""
    monkeypatch.setattr(Plan, "_step", lambda *_: 6)
    net, x = network(config), pictures(config, 2)
    so_far: dict[int, torch.Tensor] = {}
    for to_rgb in net.to_rgbs:
        to_rgb.register_forward_hook(lambda _, __, rgb: so_far.update({rgb.shape[3]: rgb}))
    with torch.inference_mode():
        net(x)
        expected = so_far[int(config.size * side)]
        torch.testing.assert_close(run_in_strips(net, x, memory, detail), expected, rtol=0, atol=tolerances.PICTURE)


@pytest.mark.parametrize(
    ("memory", "detail", "share_of_memory", "share_of_work"),
    [
        ("normal", "half", 0.6, 0.8),
        ("normal", "quarter", 0.4, 0.6),
        ("low", "half", 0.95, 0.8),
        ("low", "quarter", 0.7, 0.6),
    ],
)
@pytest.mark.usefixtures("two_threads")
def test_less_detail_takes_less(memory: str, detail: str, share_of_memory: float, share_of_work: float) -> None:
    """Work is counted in multiplications, which nothing else on the machine disturbs."""
    config = GPENConfig.released(512)
    needed = [activation_bytes(config, 1, torch.float32, memory, detail=chosen) for chosen in ("full", detail)]
    assert needed[1] <= share_of_memory * needed[0]
    net = GPEN(config, device="meta").eval().requires_grad_(False)
    work = []
    for chosen in ("full", detail):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            run_in_strips(net, pictures(config, 1).to("meta"), memory, chosen)
        work.append(counter.get_total_flops())
    assert work[1] <= share_of_work * work[0]


@pytest.mark.parametrize("memory", ["normal", "low"])
@pytest.mark.parametrize("detail", ["half", "quarter"])
def test_estimate_of_less_detail(detail: str, memory: str) -> None:
    config = GPENConfig.released(512, 1, 0.5)
    net = GPEN(config).eval()
    net.load_state_dict(net.state_dict())
    x = pictures(config, 1)
    with torch.inference_mode():
        peak = peak_bytes(lambda: run_in_strips(net, x, memory, detail), x.device)
    assert activation_bytes(config, 1, x.dtype, memory, detail=detail) == pytest.approx(peak, rel=tolerances.MEMORY)


@pytest.mark.parametrize("memory", ["normal", "low"])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    "config",
    [
        GPENConfig.released(256, 1, 0.5),
        GPENConfig.released(512, 1, 0.5),
        GPENConfig.released(1024, 1, 0.25),
        *UNEVEN.values(),
    ],
    ids=["256", "512", "1024", *UNEVEN],
)
def test_estimate(config: GPENConfig, batch: int, memory: str) -> None:
    check_estimate(config, batch, memory)


@pytest.mark.parametrize("memory", ["normal", "low"])
@pytest.mark.parametrize("threads", [1, 8])
def test_estimate_with_other_threads(threads: int, memory: str) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        check_estimate(GPENConfig.released(256, 1, 0.5), 1, memory)
    finally:
        torch.set_num_threads(before)


def check_estimate(config: GPENConfig, batch: int, memory: str) -> None:
    net = GPEN(config).eval()
    net.load_state_dict(net.state_dict())  # weights as they lie after loading; their values do not matter
    x = pictures(config, batch)
    with torch.inference_mode():
        peak = peak_bytes(lambda: run_in_strips(net, x, memory), x.device)
    assert activation_bytes(config, batch, x.dtype, memory) == pytest.approx(peak, rel=tolerances.MEMORY)


@pytest.mark.parametrize(
    ("size", "memory", "megabytes"),
    [(512, "normal", 330), (512, "low", 120), (1024, "low", 250), (2048, "low", 450)],
)
def test_released_networks_stay_small(size: int, memory: str, megabytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)  # each takes some megabytes of its own
    assert activation_bytes(GPENConfig.released(size), 1, torch.float32, memory) <= megabytes * 1e6
