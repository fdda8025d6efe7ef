"""What `gpen restore` does once its arguments are read."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from ..by_name import load_model, open_detector, open_parser
from ..cluster import ClusterSettings, Load, gpu_share, run_on_cluster
from ..errors import SettingError
from ..faces.detectors import Detector
from ..faces.face import Faces
from ..faces.report import describe
from ..faces.settings import DetectSettings, SelectSettings, TrackSettings
from ..folder import run as folder
from ..folder.films import Films
from ..folder.plan import Job, Plan, listed, plan_at, plan_for
from ..folder.record import Record
from ..folder.report import check_report, write_report
from ..folder.result import FAILED, SKIPPED, Result
from ..folder.run import FolderSettings, Restore
from ..image.files import read_picture, write_picture
from ..options import Settings
from ..paste.parsers import Parser
from ..paste.settings import PasteSettings
from ..pipeline import Masks, restore
from ..restore.settings import RestoreSettings
from ..restore.whole import restore_aligned
from ..restorers.protocol import Restorer
from ..restorers.settings import RestorerSettings
from ..upscaler.network import Upscaler
from ..upscaler.settings import UpscaleSettings
from ..upscaler.upscale import TILE
from ..weights.locate import find
from .arguments import flag_of, said_of, settings_from
from .background import background_of, background_told, check_background
from .film import films, films_of, made_with
from .report import OK, SOME_FAILED, bar
from .restore import SETTINGS

MOST_NAMED = 10
"""Files that are named on one line."""


def run(said: argparse.Namespace) -> int:
    """Run the command."""
    started = time.time()
    _check_whole(said)
    check_background(said)
    kinds_of_films = films_of(said)
    settings = {kind: settings_from(said, kind) for kind in SETTINGS}
    if said.report:
        check_report(said.report)
    plan = _plan(said, kinds_of_films)
    _check_tracked(said, plan)
    told = _made_with(said, settings)
    if said.dry_run:
        return _dry_run(said, plan, told)
    # Here as well where workers will load it: it is fetched once, and what is wrong with it is said at once.
    loaded = _loaded(said, settings, quiet=False)
    if said.clip:
        return _clip(plan.jobs, loaded.restore, said)
    model = loaded.model
    how = _how(said, grey=False if model.task.name == "colorization" else None)
    if said.cluster:
        cluster = _cluster(said, loaded.bytes_needed)
        run_all = partial(run_on_cluster, plan, _loader(said, settings), cluster=cluster, of_films=made_with(said))
    else:
        run_all = partial(folder.run, plan, loaded.restore, films=loaded.films)
    results = _run(run_all(settings=told, how=how, overwrite=said.overwrite), plan, said.verbose)
    if said.report:
        write_report(said.report, results, plan.left_out, told, started)
    return _summary(results, plan)


class Loaded(NamedTuple):
    """What a run restores with."""

    model: Restorer
    restore: Restore
    """a picture"""
    films: Films | None
    """None where pictures are taken whole"""
    background: Upscaler | None = None

    @property
    def bytes_needed(self) -> int:
        """The bytes of a card that all of it takes."""
        return self.model.bytes_needed() + (self.background.bytes_needed(TILE) if self.background else 0)


def _loaded(said: argparse.Namespace, settings: dict[type[Settings], Any], quiet: bool) -> Loaded:
    """The model, and what restores a picture or a film with it."""
    fetching = {"download": not said.offline, "on_progress": None if quiet else bar("model", unit="B")}
    model = load_model(
        said.model,
        precision=said.precision,
        memory=said.memory,
        pruning=said.pruning,
        device=said.device,
        **fetching,
        **settings_from(said, RestorerSettings).changed(),
    )
    # (1, H, W); resized to each picture
    mask = None if said.inpaint_mask is None else read_picture(said.inpaint_mask).rgb.mean(dim=3)
    if said.aligned:
        return Loaded(model, _whole(said, model, mask), None)
    detector = open_detector(getattr(said, "detector", "auto"), **fetching)
    parser = open_parser(settings[PasteSettings].mask, **fetching)
    background = background_of(said)
    found = _found(said, model, mask, settings, detector, parser, background)
    return Loaded(model, found, films(said, model, settings, detector, parser, quiet), background)


def _loader(said: argparse.Namespace, settings: dict[type[Settings], Any]) -> Load:
    """What a worker of a cluster loads, which works in another folder."""
    paths = {name: getattr(said, name) for name in ("model", "inpaint_mask", "background")}
    there = {name: str(Path(path).absolute()) for name, path in paths.items() if path and Path(path).exists()}
    return partial(_load, argparse.Namespace(**{**vars(said), **there}), settings)


def _load(said: argparse.Namespace, settings: dict[type[Settings], Any]) -> tuple[Restore, Films | None]:
    loaded = _loaded(said, settings, quiet=True)
    return loaded.restore, loaded.films


def _cluster(said: argparse.Namespace, needed: int) -> ClusterSettings:
    """How the work is shared out; `needed` are the bytes of a card that a model and its work take."""
    card = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 0
    gpus = said.worker_gpus if said.worker_gpus is not None else gpu_share(needed, card) if card else 0
    return ClusterSettings(said.cluster, said.workers, said.worker_cpus, gpus)


def _plan(said: argparse.Namespace, kinds_of_films: dict[str, str]) -> Plan:
    if any("://" in place for place in (said.output, *said.inputs)):
        return plan_at(said.inputs, said.output, format=said.format, suffix=said.suffix)
    inputs, output = listed(said.inputs, sys.stdin), Path(said.output)
    earlier = Record(output).results() if output.is_dir() else []
    return plan_for(inputs, output, format=said.format, suffix=said.suffix, results=earlier, films=kinds_of_films)


def _how(said: argparse.Namespace, grey: bool | None) -> FolderSettings:
    return FolderSettings(said.quality, grey, said.compare, said.save_crops)


def _made_with(said: argparse.Namespace, settings: dict[type[Settings], Any]) -> dict[str, Any]:
    """All that a result depends on, in values that JSON knows."""
    told: dict[str, Any] = {
        name: getattr(said, name, "auto") for name in ("model", "precision", "pruning", "detector", "aligned", "clip")
    }
    for name, path in (("model", find(said.model)), ("inpaint_mask", said.inpaint_mask)):
        if path is not None and Path(path).is_file():
            told[f"{name} file"] = [Path(path).name, Path(path).stat().st_size]
    # Only what was said, so that what was done before there were such settings is not done again.
    told |= settings_from(said, RestorerSettings).changed() | background_told(said)
    return told | {kind.__name__: asdict(values) for kind, values in settings.items()}


def _dry_run(said: argparse.Namespace, plan: Plan, told: dict[str, Any]) -> int:
    how, of_films = _how(said, None), made_with(said)
    todo = set(folder.remaining(plan, told, how, overwrite=said.overwrite, of_films=of_films))
    for job in plan.jobs:
        print(f"{'restore' if job in todo else 'skip'}: {job.source} → {job.target}")
    for one in plan.left_out:
        print(f"leave out: {one.path} ({one.why})")
    print(f"{len(todo)} to restore, {len(plan.jobs) - len(todo)} done before, {len(plan.left_out)} left out")
    return OK


def _run(results: Iterable[Result], plan: Plan, verbose: bool) -> list[Result]:
    """Let a run go on, with a bar of what remains, and a line for each picture."""
    done: list[Result] = []
    for result in tqdm(results, total=len(plan.jobs), unit="file", disable=None):
        done.append(result)
        if result.kind == FAILED:
            tqdm.write(f"gpen: {result.job.source}: {result.why}", file=sys.stderr)
        elif result.kind != SKIPPED:
            said = result.report if verbose else result.report.splitlines()[0]
            # Of a film in sentences, of a picture in words.
            lost = "; ".join(result.lost) if result.job.film else f"without {', '.join(result.lost)}"
            tqdm.write(f"{result.job.target}: {said}{f' ({lost})' if result.lost else ''}")
    return done


def _summary(results: Sequence[Result], plan: Plan) -> int:
    """Say what was not done, and why → the exit code."""
    kinds = Counter(result.kind for result in results)
    if kinds[SKIPPED]:
        print(f"{kinds[SKIPPED]} of {len(results)} were done before; --overwrite does all again")
    strange = [one for one in plan.left_out if not one.clashes]
    if strange:
        named = ", ".join(str(one.path) for one in strange[:MOST_NAMED])
        more = f" and {len(strange) - MOST_NAMED} more" if len(strange) > MOST_NAMED else ""
        print(f"left out, as they are no pictures that are known: {named}{more}", file=sys.stderr)
    clashes = [one for one in plan.left_out if one.clashes]
    for one in clashes:
        print(f"gpen: left out: {one.why}", file=sys.stderr)
    if kinds[FAILED]:
        print(f"gpen: {kinds[FAILED]} of {len(results)} pictures failed", file=sys.stderr)
    return SOME_FAILED if kinds[FAILED] or clashes else OK


def _clip(jobs: Sequence[Job], restored: Restore, said: argparse.Namespace) -> int:
    """Restore pictures as the frames of one clip; without one of them it is another clip, so none may fail."""
    frames = [read_picture(Path(job.source)) for job in tqdm(jobs, desc="read", unit="picture", disable=None)]
    sizes = {frame.frames[0].shape[:2] for frame in frames}
    if len(sizes) > 1:
        found = ", ".join(f"{width}×{height}" for height, width in sorted(sizes))
        raise SettingError(
            f"the frames of a clip must be of one size, and these are of {found}; restore them without --clip"
        )
    images, faces = restored(torch.cat([frame.frame(0) for frame in frames]))
    for job, frame, image in zip(jobs, frames, images, strict=True):
        write_picture(Path(job.target), image[None], like=frame, quality=said.quality)
    report = describe(faces) if faces else "taken as one face"
    print(f"{jobs[0].target.parent}: {report if said.verbose else report.splitlines()[0]}")
    return OK


def _check_whole(said: argparse.Namespace) -> None:
    """Raise `SettingError` for arguments that say nothing where a picture is taken whole."""
    if not said.aligned:
        return
    useless = [flag_of(option) for kind in SETTINGS for option in said_of(said, kind) if flag_of(option) not in WHOLE]
    useless += [f"--{name}" for name in ("detector", "clip", "background") if getattr(said, name, False)]
    if useless:
        raise SettingError(
            f"with --aligned no face is looked for, so {', '.join(useless)} would change nothing; leave them out"
        )


def _check_tracked(said: argparse.Namespace, plan: Plan) -> None:
    """Raise `SettingError` for arguments that say nothing where there is neither a clip nor a film."""
    useless = [flag_of(option) for option in said_of(said, TrackSettings)]
    if useless and not said.clip and not any(job.film for job in plan.jobs):
        raise SettingError(
            f"{', '.join(useless)} say how a clip's faces are followed; give --clip too, or leave them out"
        )


WHOLE = ("--strength", "--detail")
"""What counts for whole pictures as well."""


def _found(
    said: argparse.Namespace,
    model: Restorer,
    mask: Tensor | None,
    settings: dict[type[Settings], Any],
    detector: Detector,
    parser: Parser | None,
    background: Upscaler | None,
) -> Restore:
    """What restores the faces that are found in a picture."""
    restored = partial(
        restore,
        model,
        detector=detector,
        detect=settings[DetectSettings],
        select=settings[SelectSettings],
        track=settings[TrackSettings] if said.clip else None,
        restore=settings[RestoreSettings],
        paste=settings[PasteSettings],
        masks=Masks(inpaint=mask),
        parser=parser,
        background=background,
        upscale=settings_from(said, UpscaleSettings),
        # It takes long to enlarge a picture; its faces alone are done soon.
        on_progress=bar("picture", leave=False) if background else None,
    )

    def run(picture: Tensor) -> tuple[Tensor, Faces]:
        done = restored(picture)
        return done.image, done.faces

    return run


def _whole(said: argparse.Namespace, model: Restorer, mask: Tensor | None) -> Restore:
    """What takes a picture as one upright face."""
    strength = settings_from(said, PasteSettings).strength
    model = model.at_detail(settings_from(said, RestoreSettings).detail)

    def run(picture: Tensor) -> tuple[Tensor, None]:
        return restore_aligned(model, picture, strength=strength, inpaint_mask=mask), None

    return run
