"""A folder restored by many machines at once, through Ray Data.

The rows are the jobs of a plan: where a picture or a film lies and where its result goes, not its pixels. A film is one
row: the films of a folder are shared out, and a single one is not. Each worker holds a model, reads and writes for
itself, and writes down what it has done in the record beside the results, so that a killed worker, a killed driver or a
second run loses nothing and does nothing twice.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from .errors import SettingError
from .folder.films import Films, restored_film
from .folder.plan import Job, Plan
from .folder.record import Record
from .folder.result import Result, skipped
from .folder.run import FolderSettings, Restore, known, restored
from .folder.store import LocalStore, Store

LOCAL, AUTO = "local", "auto"
Load = Callable[[], tuple[Restore, Films | None]]
"""Loads what restores a picture, and what restores films; None where there are none."""
JOBS_AT_ONCE = 4
"""Pictures that a worker is given together: enough that handing them out costs little, few enough that all workers end
at about the same time."""
OVERHEAD = 2**30
"""Bytes that CUDA and PyTorch take of a card for each process, before any model."""


@dataclass(frozen=True)
class ClusterSettings:
    """Which machines, and how many workers on them."""

    address: str = LOCAL
    """"local" starts Ray on this machine, "auto" joins the one that is here, else the address of a head node"""
    workers: int = 0
    """0: as many as the machines have room for"""
    cpus: float = 1
    """of each worker"""
    gpus: float = 0
    """of each worker, a share of one card; see `gpu_share`"""


def run_on_cluster(
    plan: Plan,
    load: Load,
    settings: Mapping[str, Any],
    how: FolderSettings | None = None,
    cluster: ClusterSettings | None = None,
    *,
    overwrite: bool = False,
    of_films: Mapping[str, Any] | None = None,
) -> Iterator[Result]:
    """Restore the pictures and films of a plan on many machines, and tell of each what became of it; see `folder.run`.

    Args:
        load: called once by each worker.
        of_films: `Films.settings` of what is loaded.

    Raises `SettingError` where Ray is not installed or cannot be reached.
    """
    how, cluster = how or FolderSettings(), cluster or ClusterSettings()
    record = Record(plan.root, plan.targets)
    todo: dict[Job, str] = {}
    for job, made_with, earlier in known(plan, record, settings, how, of_films):
        if earlier and not overwrite:
            yield skipped(job, earlier)
        else:
            todo[job] = made_with
    if not todo:
        return
    data = _connected(cluster)
    # Workers have working folders of their own.
    there = (
        [_elsewhere(plan.sources, job.source) for job in todo],
        [_elsewhere(plan.targets, job.target) for job in todo],
    )
    of_name = dict(zip(there[1], todo, strict=True))
    rows = [
        {"source": source, "target": target, "place": str(job.place), "film": job.film, "made_with": made_with}
        for source, target, (job, made_with) in zip(*there, todo.items(), strict=True)
    ]
    workers = min(cluster.workers or _room(cluster), len(todo))
    # Films take long, and may differ as long.
    at_once = 1 if any(job.film for job in todo) else JOBS_AT_ONCE
    blocks = max(workers, -(-len(todo) // at_once))
    root = None if plan.root is None else PurePath(_elsewhere(plan.targets, plan.root))
    task = _Task(root, plan.sources, plan.targets, load, how, os.urandom(4).hex())
    done = data.from_items(rows, override_num_blocks=blocks).map_batches(
        _Worker,
        fn_constructor_args=(task,),
        batch_size=at_once,
        compute=data.ActorPoolStrategy(size=workers),
        num_cpus=cluster.cpus,
        num_gpus=cluster.gpus or None,
    )
    for row in done.iter_rows():
        yield Result(job=of_name[row["target"]], **_from_row(row))
    record.read()
    record.tidy()


def gpu_share(needed: int, card: int) -> float:
    """The share of a card that one worker takes, in hundredths: bytes needed by model and work, and those of the card.

    >>> gpu_share(3 * 2**30, 24 * 2**30)
    0.17
    """
    return min(1.0, -(-(needed + OVERHEAD) * 100 // card) / 100)


@dataclass(frozen=True)
class _Task:
    """What every worker is told."""

    root: PurePath | None
    sources: Store
    targets: Store
    load: Load
    how: FolderSettings
    run: str


class _Worker:
    """A process that holds a model."""

    def __init__(self, task: _Task):
        self.task = task
        self.restore, self.films = task.load()
        self.record = Record(task.root, task.targets)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        rows = list(zip(*(batch[name] for name in COLUMNS), strict=True))
        jobs = [Job(PurePath(a), PurePath(b), PurePath(c), bool(film)) for a, b, c, film, _ in rows]
        self._catch_up(jobs)
        return _as_rows([self._done(job, str(row[-1])) for job, row in zip(jobs, rows, strict=True)])

    def _catch_up(self, jobs: list[Job]) -> None:
        """Where some of these jobs have results already, another worker that was killed may have written them down."""
        for job in jobs:
            try:
                self.task.targets.told(job.target)
            except OSError:
                continue
            self.record.read()
            return

    def _done(self, job: Job, made_with: str) -> Result:
        task = self.task
        entry = self.record.whole(job, task.sources, made_with, task.how.extras_of(job))
        if entry and entry.run == task.run:
            told = {**entry.told, "faces": tuple(entry.told["faces"]), "lost": tuple(entry.told["lost"])}
            return Result(job=job, report="done by a worker that was killed after it", **told)
        if job.film and self.films:
            return restored_film(job, self.films, self.record, made_with, task.run)
        return restored(job, self.restore, task.sources, self.record, task.how, made_with, task.run)


COLUMNS = ("source", "target", "place", "film", "made_with")
_FIELDS = ("kind", "why", "faces", "report", "lost", "seconds")


def _elsewhere(store: Store, path: PurePath) -> str:
    """A path as other processes know it."""
    return str(Path(path).absolute()) if isinstance(store, LocalStore) else str(path)


def _as_rows(results: list[Result]) -> dict[str, list[Any]]:
    """Results as columns of text and numbers: Arrow would make something else of lists of faces without a face."""
    columns: dict[str, list[Any]] = {"target": [str(result.job.target) for result in results]}
    return columns | {name: [json.dumps(getattr(result, name)) for result in results] for name in _FIELDS}


def _from_row(row: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: json.loads(row[name]) for name in _FIELDS}
    return {**values, "faces": tuple(values["faces"]), "lost": tuple(values["lost"])}


def _connected(cluster: ClusterSettings) -> Any:
    """`ray.data`, once Ray runs."""
    try:
        import ray  # pyright: ignore[reportMissingImports]
        import ray.data  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SettingError(
            "a cluster needs Ray Data, which is not installed here: pip install 'gpen-face-restore[cluster]' on every "
            "machine of it"
        ) from error
    if not ray.is_initialized():
        here = cluster.address == LOCAL
        if here:
            # Ray's own choice is 15: on a machine that does anything else the workers hardly come to load their model.
            os.environ.setdefault("RAY_worker_niceness", "0")
        try:
            ray.init(
                address=None if here else cluster.address,
                include_dashboard=False if here else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # what it raises depends on how it fails
            raise SettingError(f"Ray cannot be reached at {cluster.address}: {error}") from error
    # The command line has a bar and words of its own.
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray.data


def _room(cluster: ClusterSettings) -> int:
    """How many workers the machines have room for."""
    import ray  # pyright: ignore[reportMissingImports]

    there = ray.cluster_resources()
    fit = [int(there.get("CPU", 1) // cluster.cpus)] if cluster.cpus else []
    if cluster.gpus:
        cards = there.get("GPU", 0)
        if not cards:
            raise SettingError("the workers need a GPU, and the machines of the cluster have none")
        fit.append(int(1 // cluster.gpus * cards))
    return max(1, min(fit))
