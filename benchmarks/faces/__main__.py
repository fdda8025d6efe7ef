"""`python -m benchmarks.faces`: every promise about faces with its bar, its figure and whether it is kept."""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.table import processor

from . import clips, detection, quality
from .row import Row

MODULES = (detection, quality, clips)
RESULTS = Path(__file__).parent.parent / "faces.md"
HEAD = """What is promised of faces, by `python -m benchmarks.faces`, on official portraits of senators; whatever
was tuned was tuned on members of the House. The network is the one in the box. Each row names its samples.

The best mix blends the picture as it came and the network's own pixels by the best weight for each 17×17 pixels, which
only who knows the undamaged picture can choose: where that is below the bar, keeping more of the picture or less cannot
reach it; taking damage out of what is kept could, as it does with noise.
"""


def main() -> None:
    """Measure the rows, print them as a table and write it to `faces.md`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faces", description=__doc__)
    parser.add_argument("--only", help="a module of rows alone, such as detection; its table is only printed")
    parser.add_argument("--processes", type=int, default=2, help="how many rows are measured at once (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the table's file (%(default)s)")
    parser.add_argument(
        "--every-size", action="store_true", help="only: 60 portraits at 10 sizes, found once (an hour)"
    )
    options = parser.parse_args()
    modules = [module for module in MODULES if options.only in (None, module.__name__.rpartition(".")[2])]
    if not modules:
        parser.error(f"there is no module of rows {options.only!r}")
    table = ["| what | bar | figure | kept | seconds |", "|---|--:|--:|---|--:|"]
    print(*table, sep="\n", flush=True)
    total = 0.0
    with ProcessPoolExecutor(options.processes, initializer=one_thread) as pool:
        rows = detection.EVERY_SIZE if options.every_size else [row for module in modules for row in module.ROWS]
        futures = [pool.submit(timed, measure) for measure in rows]
        for future in as_completed(futures):
            print(*lines_of(*future.result()), sep="\n", flush=True)
    for rows, seconds in (future.result() for future in futures):
        total += seconds
        table += lines_of(rows, seconds)
    words = f"Measured on {processor()}; {total / 60:.1f} minutes of one core in all, `seconds` are of one core."
    print(f"\n{words}")
    if options.only is None and not options.every_size:
        options.output.write_text(f"{HEAD}\n{words}\n\n" + "\n".join(table) + "\n", encoding="utf-8")


def one_thread() -> None:
    """Each process computes on one thread, as several measure side by side."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def lines_of(rows: tuple[Row, ...], seconds: float) -> list[str]:
    """Rows that were measured together as lines of the table."""
    return [f"| {row.name} | {row.bar} | {row.figure} | {row.verdict} | {seconds / len(rows):.0f} |" for row in rows]


def timed(measure: Callable[[], Row | tuple[Row, ...]]) -> tuple[tuple[Row, ...], float]:
    """What was measured together, and how many seconds of a processor's core it took."""
    start = time.process_time()
    rows = measure()
    return rows if isinstance(rows, tuple) else (rows,), time.process_time() - start


if __name__ == "__main__":
    main()
