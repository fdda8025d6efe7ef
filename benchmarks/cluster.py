"""`python -m benchmarks.cluster`: pictures a second with 1, 2, 4 workers on this machine, and what the engine costs.

The work of a picture is the preview model on one face, in one thread a worker; a second table has a network that does
nothing, so that what remains is reading, writing, the record and Ray.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
from skimage import data
from torch import Tensor

from benchmarks.table import processor
from gpen.cluster import JOBS_AT_ONCE, ClusterSettings, run_on_cluster
from gpen.faces.face import Faces
from gpen.folder.plan import plan_for
from gpen.folder.run import Restore, run

SIDE = 256


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--workers", default="1,2,4", help="(default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=60, help="restored in each row (default: %(default)s)")
    parser.add_argument(
        "--empty", type=int, default=400, help="with a network that does nothing (default: %(default)s)"
    )
    said = parser.parse_args()
    workers = [int(number) for number in said.workers.split(",")]
    print(f"{processor()}, pictures of {SIDE}×{SIDE}\n")
    for title, load, count in (("the preview model", preview, said.pictures), ("nothing", nothing, said.empty)):
        print(f"\n{title}, {count} pictures\n\n| workers | seconds to start | pictures a second |\n|---|---|---|")
        _table(load, count, workers)


def preview() -> tuple[Restore, None]:
    """What restores one face with the preview model."""
    import torch

    import gpen

    torch.set_num_threads(1)
    model, detector = gpen.load_model("preview", device="cpu"), gpen.open_detector("mtcnn")

    def restore(picture: Tensor) -> tuple[Tensor, Faces]:
        done = gpen.restore(model, picture, detector)
        return done.image, done.faces

    return restore, None


def nothing() -> tuple[Restore, None]:
    """What changes a picture without a network."""

    def restore(picture: Tensor) -> tuple[Tensor, Faces]:
        return 1 - picture, Faces((), SIDE, SIDE, 1)

    return restore, None


def _table(load: Callable[[], tuple[Restore, None]], count: int, workers: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "in"
        inputs.mkdir()
        face = cv2.cvtColor(data.astronaut()[0:220, 115:335], cv2.COLOR_RGB2BGR)
        for index in range(count):
            cv2.imwrite(str(inputs / f"{index:05}.jpg"), cv2.resize(face, (SIDE, SIDE)))
        plan = plan_for([inputs], Path(folder) / "alone")
        print(_row("without Ray", lambda: run(plan, load()[0], {}), 1), flush=True)
        for number in workers:
            plan = plan_for([inputs], Path(folder) / str(number))
            cluster = ClusterSettings(workers=number, cpus=0.5)
            print(_row(str(number), partial(run_on_cluster, plan, load, {}, cluster=cluster), JOBS_AT_ONCE), flush=True)


def _row(name: str, results: Callable, together: int) -> str:
    """A row of the table: what comes before the first results, which come `together`, and the speed from there on."""
    started = time.perf_counter()
    times = [time.perf_counter() for _ in results()]
    speed = (len(times) - together) / (times[-1] - times[0])
    return f"| {name} | {times[0] - started:.1f} | {speed:.2f} |"


if __name__ == "__main__":
    main()
