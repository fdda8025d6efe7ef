"""`python -m benchmarks.recipes`: the known recipes for GPEN on a small card, and ours, row by row.

The recipes are those of people who ran official code on cards of 4 and 6 GB: full precision as it comes, half
precision without gradients, 512 tiles with 64 pixels of overlap in full precision, and a network with fewer channels in
half precision. Each stands beside what this library does for the same case, with the same weights and the same picture,
in turns.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gpen.image.tiles import faded_tiles
from gpen.model.checkpoint import Checkpoint
from gpen.model.config import GPENConfig
from gpen.prune.prune import prune
from gpen.restore.tiles import restore_tiled
from gpen.restorers.gpen import load_network
from tests.support.measure import interleaved, peak_bytes, psnr
from tests.support.networks import random_checkpoint
from tests.support.reference import PlainGPEN

from .table import bytes_of, machine

SIZE, OVERLAP, SHARE = 512, 64, 0.25
PORTRAIT = (1920, 1080)
"""Height and width of the portrait that is done in tiles, for networks of `SIZE`."""
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
RESULTS = Path(__file__).parent / "recipes.md"


@dataclass(frozen=True)
class Row:
    """One recipe, done plainly or by this library."""

    recipe: str
    how: str
    relative: float
    """Its time in times of the first row."""
    activations: int
    """Bytes alive at one time besides the weights."""
    weights: int
    psnr: float
    """Against full precision of the same picture by the plain execution, in dB; infinite where nothing differs."""


def measure(half: str, runs: int, device: torch.device, config: GPENConfig) -> list[Row]:
    """All rows, for a network of random weights; `half` is one of `HALVES`.

    For another size than `SIZE` everything, tiles and portrait, is as much smaller or larger.
    """
    size = config.size
    whole = Checkpoint(random_checkpoint(config), config, {}, Path("random"))
    fewer = prune(whole, SHARE)
    generator = torch.Generator().manual_seed(1)
    face = torch.rand(1, 3, size, size, generator=generator).to(device) * 2 - 1
    portrait = torch.rand(1, *(side * size // SIZE for side in PORTRAIT), 3, generator=generator)
    overlap = OVERLAP * size // SIZE
    plain, plain_fewer = (_plain(checkpoint, device) for checkpoint in (whole, fewer))
    normal, strips, low, low_fewer = (
        load_network(checkpoint, "random", "restoration", precision, memory, device)
        for checkpoint, precision, memory in (
            (whole, "fp32", "normal"),
            (whole, "fp32", "low"),
            (whole, half, "low"),
            (fewer, half, "low"),
        )
    )
    in_half = partial(torch.autocast, device.type, HALVES[half])
    calls: dict[tuple[str, str], Callable[[], Tensor]] = {
        ("full precision", "plain"): partial(with_gradients, plain, face),
        ("full precision", "ours"): partial(normal, face),
        ("half precision, no gradients", "plain"): partial(without_gradients, plain, face, in_half),
        ("half precision, no gradients", "ours, low"): partial(low, face),
        ("1920×1080 in 512 tiles", "plain"): partial(in_tiles, plain, portrait, overlap),
        ("1920×1080 in 512 tiles", "ours, low"): partial(restore_tiled, strips, portrait, overlap=overlap),
        (f"{SHARE:.0%} pruned, half precision", "plain"): partial(without_gradients, plain_fewer, face, in_half),
        (f"{SHARE:.0%} pruned, half precision", "ours, low"): partial(low_fewer, face),
    }
    weights = {name: bytes_of(plain.tensors) for name in calls}
    for name in calls:
        if "pruned" in name[0]:
            weights[name] = bytes_of(plain_fewer.tensors)
        if name[1].startswith("ours"):
            model = low_fewer if "pruned" in name[0] else low if "half" in name[0] else normal
            weights[name] = bytes_of(model.network.state_dict())
    full = partial(torch.autocast, device.type, enabled=False)
    one, tiled = without_gradients(plain, face, full), in_tiles(plain, portrait, overlap)
    quality: dict[tuple[str, str], float] = {}
    for name, call in calls.items():
        result, span = call().detach().float(), 2 if "tiles" in name[0] else 1  # a portrait is in 0..1
        quality[name] = psnr(span * result, span * (tiled if "tiles" in name[0] else one))
    peaks = {name: peak_bytes(call, device) for name, call in calls.items()}
    timings = interleaved({str(name): call for name, call in calls.items()}, runs)
    first = timings[str(next(iter(calls)))].median
    return [Row(*name, timings[str(name)].median / first, peaks[name], weights[name], quality[name]) for name in calls]


def with_gradients(plain: PlainGPEN, face: Tensor) -> Tensor:
    """As a network runs where nobody switched its gradients off: every intermediate map is kept for them."""
    return PlainGPEN(plain.config, {n: t.detach().requires_grad_() for n, t in plain.tensors.items()})(face)


@torch.no_grad()
def without_gradients(plain: PlainGPEN, face: Tensor, precision: Callable[[], torch.autocast]) -> Tensor:
    with precision():
        return plain(face)


@torch.no_grad()
def in_tiles(plain: PlainGPEN, portrait: Tensor, overlap: int) -> Tensor:
    """(1, H, W, 3) in 0..1 → the same, by the plain execution: all tiles are kept, then put together."""
    device = plain.tensors["generator.input.input"].device
    size = plain.config.size
    rows, columns = (faded_tiles(side, size, overlap) for side in portrait.shape[1:3])
    places = [(row, column) for row in rows for column in columns]
    tiles: list[Tensor] = []
    for (top, _), (left, _) in places:
        tile = portrait[:, top : top + size, left : left + size].movedim(3, 1).to(device)
        tiles.append(plain(tile * 2 - 1))
    result = torch.zeros_like(portrait)
    for tile, ((top, down), (left, across)) in zip(tiles, places, strict=True):
        restored = ((tile.cpu() + 1) / 2).clamp(0, 1).movedim(1, 3)
        result[:, top : top + size, left : left + size] += restored * down[:, None, None] * across[None, :, None]
    return result


def markdown(rows: list[Row], half: str, device: torch.device) -> str:
    """The table, and what it was measured on."""
    lines = [
        f"GPEN-512 of random weights, batch 1, on {machine(device)}; half precision is {half}. Times are medians of",
        "interleaved runs. Random weights have no channel to spare: what pruning costs a real network,",
        "`python -m gpen prune` says.",
        "",
        "| recipe | how | time | activations, MB | weights, MB | PSNR, dB |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        quality = "" if row.psnr == float("inf") else f"{row.psnr:.0f}"
        sizes = f"{row.activations / 1e6:.0f} | {row.weights / 1e6:.0f}"
        lines.append(f"| {row.recipe} | {row.how} | {row.relative:.2f} | {sizes} | {quality} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure all rows, print them as a table and write it to `recipes.md`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=__doc__)
    parser.add_argument("--half", choices=HALVES, default="bf16", help="(default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each row (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the processor (%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    rows = measure(options.half, options.runs, device, GPENConfig.released(SIZE))
    table = markdown(rows, options.half, device)
    print(table)
    RESULTS.write_text(table, encoding="utf-8")


def _plain(checkpoint: Checkpoint, device: torch.device) -> PlainGPEN:
    tensors = {name: tensor.to(device) for name, tensor in checkpoint.tensors.items()}
    return PlainGPEN(checkpoint.config, tensors)


if __name__ == "__main__":
    main()
