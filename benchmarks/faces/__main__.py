"""`python -m benchmarks.faces`: every promise about faces with its bar, its figure and whether it is kept."""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from . import detection
from .row import Row

MODULES = (detection,)
RESULTS = Path(__file__).parent.parent / "faces.md"


def main() -> None:
    """Measure the rows, print them as a table and write it to `faces.md`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faces", description=__doc__)
    parser.add_argument("--only", help="a module of rows alone, such as detection; its table is only printed")
    parser.add_argument("--processes", type=int, default=2, help="how many rows are measured at once (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the table's file (%(default)s)")
    options = parser.parse_args()
    modules = [module for module in MODULES if options.only in (None, module.__name__.rpartition(".")[2])]
    if not modules:
        parser.error(f"there is no module of rows {options.only!r}")
    table = ["| what | bar | figure | kept | seconds |", "|---|--:|--:|---|--:|"]
    print(*table, sep="\n", flush=True)
    with ProcessPoolExecutor(options.processes, initializer=one_thread) as pool:
        for row, seconds in pool.map(timed, [measure for module in modules for measure in module.ROWS]):
            table.append(f"| {row.name} | {row.bar} | {row.figure} | {row.verdict} | {seconds:.0f} |")
            print(table[-1], flush=True)
    if options.only is None:
        options.output.write_text("\n".join(table) + "\n", encoding="utf-8")


def one_thread() -> None:
    """Each process computes on one thread, as several measure side by side."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def timed(measure: Callable[[], Row]) -> tuple[Row, float]:
    """A row, and how long it took."""
    start = time.perf_counter()
    return measure(), time.perf_counter() - start


if __name__ == "__main__":
    main()
