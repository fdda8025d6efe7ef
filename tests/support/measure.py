"""Time and memory of a function call."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True)
class Timing:
    """Seconds a call took."""

    median: float
    spread: float
    """Difference of the upper and the lower quartile, in seconds."""


def interleaved(calls: Mapping[str, Callable[[], object]], runs: int) -> dict[str, Timing]:
    """Time the calls in turns, so that what else the machine does meets all of them alike; a first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for run in range(runs + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if run > 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: _timing(values) for name, values in seconds.items()}


def _timing(values: list[float]) -> Timing:
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return Timing(statistics.median(values), quartiles[2] - quartiles[0])


def peak_bytes(call: Callable[[], object], device: torch.device) -> int:
    """The most bytes of tensors that a call had allocated at one time; what there was before it does not count."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted((event["ts"], event["args"]["Bytes"]) for event in events if event.get("name") == "[memory]")
    live = peak = 0
    for _, change in changes:
        live += change
        peak = max(peak, live)
    return peak


def psnr(a: Tensor, b: Tensor) -> float:
    """dB between two pictures in -1..1."""
    return (10 * torch.log10(4 / (a.double() - b.double()).square().mean())).item()
