"""The rows of the benchmark's table: one network of random weights, run in every way there is."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gpen.model.checkpoint import Checkpoint
from gpen.model.config import GPENConfig
from gpen.model.precision import choose_precision
from gpen.model.strips import run_in_strips
from gpen.prune.prune import prune
from gpen.restorers.gpen import build_network
from tests.support.measure import Timing, interleaved, peak_bytes, psnr
from tests.support.networks import random_checkpoint
from tests.support.reference import PlainGPEN

from . import onnx

MEMORIES = ("normal", "low")


@dataclass(frozen=True)
class Row:
    """One way to run one network; bytes and dB are None where they cannot be measured."""

    size: int
    name: str
    timing: Timing
    speedup: float
    """How many times faster than the plain execution."""
    activations: int | None
    weights: int
    psnr: float | None
    """Against the plain execution in float32, in dB; infinite where nothing differs."""


@torch.no_grad()
def measure(size: int, precisions: list[str], prunings: list[str], runs: int, device: torch.device) -> list[Row]:
    """Run a released configuration (channel multiplier 2) of that size in every way, batch 1."""
    config = GPENConfig.released(size)
    whole = Checkpoint(random_checkpoint(config), config, {}, Path("random"))
    tensors = {name: tensor.to(device) for name, tensor in whole.tensors.items()}
    picture = (torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1).to(device)
    plain = PlainGPEN(config, tensors)
    calls: dict[str, Callable[[], Tensor]] = {"plain, fp32": lambda: plain(picture)}
    weights = {"plain, fp32": bytes_of(tensors)}
    checkpoints = {"": whole} | {f", pruned {share}": prune(whole, share) for share in prunings}
    for precision in precisions:
        chosen = choose_precision(precision, device)
        for pruned, checkpoint in checkpoints.items():
            network = build_network(checkpoint, chosen).to(device)
            for memory in MEMORIES:
                name = f"{precision}, {memory}{pruned}"
                calls[name] = partial(run_in_strips, network, picture.to(chosen.dtype), memory)
                weights[name] = bytes_of(network.state_dict())
    if device.type == "cpu" and (session := onnx.session(config, tensors)):
        calls["onnxruntime, fp32"] = lambda: session(picture)
        weights["onnxruntime, fp32"] = weights["plain, fp32"]
    reference = calls["plain, fp32"]()
    quality = {name: psnr(call().float(), reference) for name, call in calls.items()}
    # onnxruntime has an allocator of its own.
    peaks = {name: None if name.startswith("onnx") else peak_bytes(call, device) for name, call in calls.items()}
    timings = interleaved(calls, runs)
    slowest = timings["plain, fp32"].median
    return [
        Row(size, name, timings[name], slowest / timings[name].median, peaks[name], weights[name], quality[name])
        for name in calls
    ]


def markdown(rows: list[Row], device: torch.device) -> str:
    """The table, and what it was measured on."""
    lines = [
        f"Measured with PyTorch {torch.__version__} on {machine(device)}, batch 1, random weights, channel",
        "multiplier 2. Times are medians of interleaved runs ± half the distance between their quartiles.",
        "Random weights have no channel to spare: what pruning costs a real network, `python -m gpen prune` says.",
        "",
        "| size | how | time | faster than plain | activations, MB | weights, MB | PSNR, dB |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        time = f"{row.timing.median:.2f} s ± {row.timing.spread / 2:.2f}"
        activations = "" if row.activations is None else f"{row.activations / 1e6:.0f}"
        quality = "" if row.psnr is None or row.psnr == float("inf") else f"{row.psnr:.0f}"
        cells = (row.size, row.name, time, f"{row.speedup:.1f}×", activations, f"{row.weights / 1e6:.0f}", quality)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def bytes_of(tensors: Mapping[str, Tensor]) -> int:
    """What tensors take, together."""
    return sum(tensor.nbytes for tensor in tensors.values())


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")  # elsewhere the platform knows the name
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.processor() or platform.machine())


def machine(device: torch.device) -> str:
    """What the figures were measured on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()} ({torch.backends.cpu.get_cpu_capability()}), {torch.get_num_threads()} threads"
