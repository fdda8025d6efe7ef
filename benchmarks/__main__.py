"""`python -m benchmarks`: time, memory and exactness of the network, against the plain execution of it."""

import argparse
from pathlib import Path

import torch

from .table import Row, markdown, measure

RESULTS = Path(__file__).parent / "results.md"


def main() -> None:
    """Measure what the options ask for, print it as a table and write it to `results.md`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sizes", default="256,512", help="sides of the pictures (default: %(default)s)")
    parser.add_argument(
        "--precisions",
        default="fp32,bf16",
        help="of weights and activations; also: fp8, and fp16, slow on most processors (%(default)s)",
    )
    parser.add_argument(
        "--prunings", default="25%,50%", help="shares of channels to do without; may be empty (%(default)s)"
    )
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each row (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the processor (%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the table's file (%(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    rows: list[Row] = []
    prunings = [share for share in options.prunings.split(",") if share]
    for size in options.sizes.split(","):
        rows += measure(int(size), options.precisions.split(","), prunings, options.runs, device)
    table = markdown(rows, device)
    print(table)
    options.output.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
