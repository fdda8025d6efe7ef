"""`gpen restore`: the faces of pictures and of folders of them."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..by_name import load_model, open_detector, open_parser
from ..errors import GPENError, SettingError
from ..faces.detectors import DETECTORS
from ..faces.passes import DetectSettings
from ..faces.report import describe
from ..faces.select import SelectSettings
from ..faces.track import TrackSettings
from ..image.files import read_picture, write_picture
from ..model.precision import PRECISIONS
from ..options import Settings
from ..paste.settings import PasteSettings
from ..pipeline import Masks, restore
from ..restore.plan import RestoreSettings
from ..restore.whole import restore_aligned
from ..restorers.gpen import MEMORY, GPENModel
from .arguments import add_settings, flag_of, said_of, settings_from
from .jobs import Job, jobs_for
from .report import OK, SOME_FAILED, bar, one_line

SETTINGS: dict[type[Settings], str] = {
    DetectSettings: "finding faces",
    SelectSettings: "choosing among them",
    RestoreSettings: "restoring them",
    PasteSettings: "putting them back",
    TrackSettings: "with --clip",
}
"""The settings of each step, and what their arguments are headed by."""

Run = Callable[[Tensor], tuple[Tensor, str]]
"""Pictures (B, H, W, 3) → the restored ones, and what became of their faces."""


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("restore", help="restore the faces in pictures")
    command.set_defaults(run=run)
    command.add_argument("inputs", metavar="IN", nargs="+", type=Path, help="picture files and folders of them")
    command.add_argument(
        "--output", "-o", metavar="OUT", required=True, type=Path, help="a folder; or a file for one IN"
    )
    command.add_argument(
        "--aligned", action="store_true", help="each picture is one upright face: take it whole, look for no faces"
    )
    command.add_argument(
        "--inpaint-mask", metavar="FILE", type=Path, help="for an inpainting model: a picture, white where it fills in"
    )
    command.add_argument("--offline", action="store_true", help="never download")
    command.add_argument("--verbose", "-v", action="store_true", help="say what became of each face")
    model = command.add_argument_group("the model")
    model.add_argument("--model", default="preview", help="name, file or path (default: the small preview model)")
    model.add_argument("--precision", choices=PRECISIONS, default="auto")
    model.add_argument("--memory", choices=MEMORY, default="auto", help="low: less memory, a bit slower")
    model.add_argument("--pruning", default="none", help="none, exact, or the share of channels to drop: 25%% or 0.25")
    model.add_argument("--device", help="cpu, cuda, cuda:1, mps … (default: the first GPU, else the CPU)")
    command.add_argument("--detector", choices=["auto", *DETECTORS], default=argparse.SUPPRESS)
    command.add_argument(
        "--clip", action="store_true", help="the pictures, in the order of their names, are the frames of one clip"
    )
    for kind, title in SETTINGS.items():
        add_settings(command, title, kind)


def run(said: argparse.Namespace) -> int:
    """Run the command."""
    jobs = jobs_for(said.inputs, said.output)
    _check_whole(said)
    settings = {kind: settings_from(said, kind) for kind in SETTINGS}
    fetching = {"download": not said.offline, "on_progress": bar("model", unit="B")}
    model = load_model(
        said.model,
        precision=said.precision,
        memory=said.memory,
        pruning=said.pruning,
        device=said.device,
        **fetching,
    )
    # (1, H, W); resized to each picture
    mask = None if said.inpaint_mask is None else read_picture(said.inpaint_mask).rgb.mean(dim=3)
    restored = _whole(said, model, mask) if said.aligned else _found(said, model, mask, settings, fetching)
    if said.clip:
        return _clip(jobs, restored, said.verbose)
    failed = 0
    # Pictures are of different sizes, so each is a batch of its own.
    for job in tqdm(jobs, unit="picture", disable=None):
        try:
            picture = read_picture(job.source)
            image, report = restored(picture.rgb)
            write_picture(job.target, image, picture.alpha, picture.bits)
        except SettingError:
            raise  # it would fail for every picture alike
        except GPENError as error:
            failed += 1
            tqdm.write(f"gpen: {job.source}: {one_line(error)}", file=sys.stderr)
        else:
            tqdm.write(f"{job.target}: {report if said.verbose else report.splitlines()[0]}")
    if failed:
        print(f"gpen: {failed} of {len(jobs)} pictures failed", file=sys.stderr)
    return SOME_FAILED if failed else OK


def _clip(jobs: Sequence[Job], restored: Run, verbose: bool) -> int:
    """Restore pictures as the frames of one clip; without one of them it is another clip, so none may fail."""
    frames = [read_picture(job.source) for job in tqdm(jobs, desc="read", unit="picture", disable=None)]
    sizes = {tuple(frame.rgb.shape[1:3]) for frame in frames}
    if len(sizes) > 1:
        found = ", ".join(f"{width}×{height}" for height, width in sorted(sizes))
        raise SettingError(
            f"the frames of a clip must be of one size, and these are of {found}; restore them without --clip"
        )
    images, report = restored(torch.cat([frame.rgb for frame in frames]))
    for job, frame, image in zip(jobs, frames, images, strict=True):
        write_picture(job.target, image[None], frame.alpha, frame.bits)
    print(f"{jobs[0].target.parent}: {report if verbose else report.splitlines()[0]}")
    return OK


def _check_whole(said: argparse.Namespace) -> None:
    """Raise `SettingError` for arguments that say nothing where a picture is taken whole, or is no frame of a clip."""
    useless = [] if said.clip else [flag_of(option) for option in said_of(said, TrackSettings)]
    if useless:
        raise SettingError(
            f"{', '.join(useless)} say how a clip's faces are followed; give --clip too, or leave them out"
        )
    if not said.aligned:
        return
    useless = [flag_of(option) for kind in SETTINGS for option in said_of(said, kind) if flag_of(option) not in WHOLE]
    useless += [f"--{name}" for name in ("detector", "clip") if getattr(said, name, False)]
    if useless:
        raise SettingError(
            f"with --aligned no face is looked for, so {', '.join(useless)} would change nothing; leave them out"
        )


WHOLE = ("--strength", "--detail")
"""What counts for whole pictures as well."""


def _found(
    said: argparse.Namespace,
    model: GPENModel,
    mask: Tensor | None,
    settings: dict[type[Settings], Any],
    fetching: dict[str, Any],
) -> Run:
    """What restores the faces that are found in a picture."""
    paste = settings[PasteSettings]
    restored = partial(
        restore,
        model,
        detector=open_detector(getattr(said, "detector", "auto"), **fetching),
        detect=settings[DetectSettings],
        select=settings[SelectSettings],
        track=settings[TrackSettings] if said.clip else None,
        restore=settings[RestoreSettings],
        paste=paste,
        masks=Masks(inpaint=mask),
        parser=open_parser(paste.mask, **fetching),
    )

    def run(picture: Tensor) -> tuple[Tensor, str]:
        done = restored(picture)
        return done.image, describe(done.faces)

    return run


def _whole(said: argparse.Namespace, model: GPENModel, mask: Tensor | None) -> Run:
    """What takes a picture as one upright face."""
    strength = settings_from(said, PasteSettings).strength
    model = model.at_detail(settings_from(said, RestoreSettings).detail)

    def run(picture: Tensor) -> tuple[Tensor, str]:
        return restore_aligned(model, picture, strength=strength, inpaint_mask=mask), "taken as one face"

    return run
