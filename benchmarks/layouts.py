"""`python -m benchmarks.layouts`: how fast each convolution of GPEN-512 runs, by how weights and input lie in memory.

The same numbers in another order: pixels of a channel together (NCHW), channels of a pixel together (NHWC), or weights
packed once beforehand as oneDNN likes them for that very input. The network stores its weights as the second.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gpen.model.config import GPENConfig
from gpen.model.network import GPEN
from tests.support.measure import interleaved

from .table import machine

RESULTS = Path(__file__).parent / "layouts.md"

Shape = tuple[str, int, int, int]
"""Kind of the convolution, its inputs and outputs, and the side of its input."""


def shapes(config: GPENConfig) -> Iterator[Shape]:
    """Of the 3×3 convolutions, in the order in which they run."""
    network: Any = GPEN(config, device="meta")
    for level, conv in enumerate(network.encoder):
        if level > 0:
            # Blurred, a map is one pixel wider.
            yield "down", conv.in_channels, conv.out_channels, (config.input_size >> (level - 1)) + 1
    for index, styled in enumerate(network.convs):
        side = config.resolution(index)
        kind, side = ("up", side // 2) if styled.upsamples else ("plain", side)
        yield kind, styled.conv.in_channels, styled.conv.out_channels, side


def calls(kind: str, inputs: int, outputs: int, side: int) -> dict[str, Callable[[], Tensor]]:
    """The same convolution with everything in each layout."""
    x = torch.randn(1, inputs, side, side)
    weight = torch.randn((inputs, outputs, 3, 3) if kind == "up" else (outputs, inputs, 3, 3)) / (3 * inputs**0.5)
    stride, padding = (1, 1) if kind == "plain" else (2, 0)
    convolution = F.conv_transpose2d if kind == "up" else F.conv2d
    run = partial(convolution, stride=stride, padding=padding)
    last = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, weight))
    result: dict[str, Callable[[], Tensor]] = {"NCHW": partial(run, x, weight), "NHWC": partial(run, *last)}
    if kind != "up":
        sizes = [padding] * 2, [stride] * 2, [1, 1], 1
        packed = torch.ops.aten.mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), *sizes, list(x.shape))
        x_last = x.contiguous(memory_format=torch.channels_last)
        pointwise = torch.ops.mkldnn._convolution_pointwise
        result["packed"] = partial(pointwise, x_last, packed, None, *sizes, "none", [], "")
    return result


def main() -> None:
    """Measure, print the table and write it to `layouts.md`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layouts", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="timed runs of each (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the processor (%(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lines = [
        f"GFLOP/s of the 3×3 convolutions of GPEN-512 in float32 with PyTorch {torch.__version__} on",
        f"{machine(torch.device('cpu'))}; medians of interleaved runs.",
        "",
        "| convolution | inputs | outputs | side of the input | NCHW | NHWC | NHWC, packed |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for shape in dict.fromkeys(shapes(GPENConfig.released(512))):
        kind, inputs, outputs, side = shape
        with torch.inference_mode():
            ways = calls(*shape)
            timings = interleaved(ways, options.runs)
        pixels = side**2 if kind != "down" else (side // 2) ** 2
        work = 2 * 9 * inputs * outputs * pixels
        speeds = {way: f"{work / timing.median / 1e9:.0f}" for way, timing in timings.items()}
        cells = [*shape, *(speeds.get(way, "") for way in ("NCHW", "NHWC", "packed"))]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
