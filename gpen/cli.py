"""The command line: `python -m gpen restore|models|convert|prune`."""

import argparse
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from .by_name import find_detector, find_parser, load_model
from .errors import GPENError, SettingError
from .faces.detectors import DETECTORS, Detector
from .faces.passes import SIZES, Search
from .faces.report import describe
from .faces.select import ORDERS, select_faces
from .image.files import SUFFIXES, read_picture, write_picture
from .model.precision import PRECISIONS
from .model.strips import DETAIL
from .paste.settings import COLORS, DEFAULT_PARTS, LARGE_FACES, MASKS, PasteSettings
from .pipeline import restore
from .prune.file import shrink
from .restore.whole import restore_aligned
from .restorers.gpen import MEMORY, GPENModel
from .weights.catalogue import RELEASES, TASKS
from .weights.convert import convert
from .weights.download import Progress
from .weights.locate import default_folders, find

OK, SOME_FAILED, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command → 0 where all went well, 1 where some pictures failed, 2 where nothing could be done."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Windows writes into files and pipes in a code page that lacks the letters of many file names.
            stream.reconfigure(errors="backslashreplace")
    try:
        return options.run(options)
    except GPENError as error:
        print(f"gpen: {_one_line(error)}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("gpen: stopped", file=sys.stderr)
        return 130  # what a shell expects of a program that Ctrl-C ended


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gpen", description="Repair damaged faces in pictures with GPEN.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    command = commands.add_parser("restore", help="restore the faces in pictures")
    command.set_defaults(run=_restore)
    command.add_argument("inputs", metavar="IN", nargs="+", type=Path, help="picture files and folders of them")
    command.add_argument(
        "--output", "-o", metavar="OUT", required=True, type=Path, help="a folder; or a file for one IN"
    )
    command.add_argument("--model", default="preview", help="name, file or path (default: the small preview model)")
    command.add_argument("--precision", choices=PRECISIONS, default="auto")
    command.add_argument("--memory", choices=MEMORY, default="auto", help="low: less memory, a bit slower")
    command.add_argument(
        "--pruning", default="none", help="none, exact, or the share of channels to drop: 25%% or 0.25 (default: none)"
    )
    command.add_argument("--detail", choices=DETAIL, default="full", help="half, quarter: a quick, blurred look")
    command.add_argument("--device", help="cpu, cuda, cuda:1, mps … (default: the first GPU, else the CPU)")
    command.add_argument("--detector", choices=["auto", *DETECTORS], default="auto")
    command.add_argument("--threshold", type=float, help="how sure the detector must be, 0..1 (default: what suits it)")
    command.add_argument(
        "--detection-size", choices=SIZES, default=SIZES[0], help="where faces are looked for (default: %(default)s)"
    )
    command.add_argument("--tiny-faces", action="store_true", help="look a second time, enlarged: slower")
    command.add_argument("--rotated", action="store_true", help="look for faces on their side, too: slower")
    command.add_argument("--order", choices=ORDERS, default=ORDERS[0], help="which faces come first: see --count")
    command.add_argument("--count", type=int, default=0, help="faces restored of each picture (default: 0, all)")
    command.add_argument("--min-size", type=float, default=0, help="only faces of at least so many pixels")
    command.add_argument("--max-size", type=float, default=0, help="only faces of at most so many pixels")
    command.add_argument("--max-sharpness", type=float, default=0, help="only faces no sharper than this, 0..100")
    command.add_argument("--strength", type=float, default=1.0, help="0 (nothing) … 1 (the restored face; default)")
    command.add_argument(
        "--mask", choices=MASKS, default=MASKS[0], help="what of the crop is pasted (default: %(default)s)"
    )
    command.add_argument(
        "--aligned", action="store_true", help="each picture is one upright face: take it whole, look for no faces"
    )
    command.add_argument(
        "--inpaint-mask", metavar="FILE", type=Path, help="for an inpainting model: a picture, white where it fills in"
    )
    command.add_argument("--parts", default=DEFAULT_PARTS, help="for --mask parse (default: %(default)s)")
    command.add_argument("--grow", type=float, default=0.0, help="move the mask's edge, in %% of the face: -50..50")
    command.add_argument("--feather", type=float, default=0.0, help="its soft edge, in %% of the face; 0: what suits")
    command.add_argument("--skin", type=float, default=1.0, help="what remains of the smoothing of skin, 0..1")
    command.add_argument("--color", choices=COLORS, default=COLORS[0], help="match the face's colours to the picture's")
    command.add_argument("--grain", type=float, default=0.0, help="of the picture's own noise on the face, 0..1")
    command.add_argument("--large-faces", choices=LARGE_FACES, default=LARGE_FACES[0], help="detail beyond the model")
    command.add_argument("--offline", action="store_true", help="never download")
    command.add_argument("--verbose", "-v", action="store_true", help="say what became of each face")

    command = commands.add_parser("models", help="list the released models and which are on disk")
    command.set_defaults(run=_models)

    command = commands.add_parser("convert", help="write a checkpoint as .safetensors that says what it is")
    command.set_defaults(run=_convert)
    command.add_argument("source", metavar="IN", type=Path)
    command.add_argument("target", metavar="OUT.safetensors", type=Path)
    command.add_argument("--task", choices=TASKS)

    command = commands.add_parser("prune", help="write a checkpoint without the channels that matter least")
    command.set_defaults(run=_prune)
    command.add_argument("source", metavar="IN", type=Path)
    command.add_argument("target", metavar="OUT.safetensors", type=Path)
    command.add_argument(
        "--share", help="of the channels of every layer, 0.25 or 25%%; what cannot change the picture goes first"
    )
    command.add_argument("--exact", action="store_true", help="drop only what cannot change the picture (the default)")
    command.add_argument("--faces", metavar="FOLDER", type=Path, help="pictures to tell the cost by, instead of drawn")
    return parser


Run = Callable[[Tensor], tuple[Tensor, str]]
"""A picture → the restored picture, and what became of its faces."""


@dataclass(frozen=True)
class Job:
    """One picture to restore."""

    source: Path
    target: Path


def _restore(options: argparse.Namespace) -> int:
    jobs = _jobs(options.inputs, options.output)
    download = {"download": not options.offline, "on_progress": _download_bar()}
    model = load_model(
        options.model,
        precision=options.precision,
        memory=options.memory,
        pruning=options.pruning,
        device=options.device,
        on_step=_pruning_bar(),
        **download,
    )
    # (1, H, W); resized to each picture
    inpaint_mask = None if options.inpaint_mask is None else read_picture(options.inpaint_mask).rgb.mean(dim=3)
    if options.aligned:
        run = _restore_whole(options, model.at_detail(options.detail), inpaint_mask)
    else:
        paste = PasteSettings(
            strength=options.strength,
            mask=options.mask,
            parser=find_parser(options.mask, **download),
            parts=options.parts,
            grow=options.grow,
            feather=options.feather,
            skin=options.skin,
            color=options.color,
            grain=options.grain,
            large_faces=options.large_faces,
        )
        run = _restore_found(options, model, inpaint_mask, find_detector(options.detector, **download), paste)
    failed = 0
    # Pictures are of different sizes, so each is a batch of its own.
    for job in tqdm(jobs, unit="picture", disable=None):
        try:
            picture = read_picture(job.source)
            image, report = run(picture.rgb)
            write_picture(job.target, image, picture.alpha, picture.bits)
        except SettingError:
            raise  # it would fail for every picture alike
        except GPENError as error:
            failed += 1
            tqdm.write(f"gpen: {job.source}: {_one_line(error)}", file=sys.stderr)
        else:
            tqdm.write(f"{job.target}: {report if options.verbose else report.splitlines()[0]}")
    if failed:
        print(f"gpen: {failed} of {len(jobs)} pictures failed", file=sys.stderr)
    return SOME_FAILED if failed else OK


def _restore_found(
    options: argparse.Namespace,
    model: GPENModel,
    inpaint_mask: Tensor | None,
    detector: Detector,
    paste: PasteSettings,
) -> Run:
    """What restores the faces that are found in a picture."""
    search = Search(options.detection_size, tiny_faces=options.tiny_faces, rotated=options.rotated)
    select = partial(
        select_faces,
        order=options.order,
        count=options.count,
        min_size=options.min_size,
        max_size=options.max_size,
        max_sharpness=options.max_sharpness,
    )

    def run(picture: Tensor) -> tuple[Tensor, str]:
        done = restore(
            model,
            picture,
            detector,
            threshold=options.threshold,
            paste=paste,
            detail=options.detail,
            inpaint_mask=inpaint_mask,
            search=search,
            select=select,
        )
        return done.image, describe(done.faces)

    return run


def _restore_whole(options: argparse.Namespace, model: GPENModel, inpaint_mask: Tensor | None) -> Run:
    """What takes a picture as one upright face."""

    def run(picture: Tensor) -> tuple[Tensor, str]:
        done = restore_aligned(model, picture, strength=options.strength, inpaint_mask=inpaint_mask)
        return done, "taken as one face"

    return run


def _jobs(inputs: Sequence[Path], output: Path) -> list[Job]:
    """What to restore and where to; below a folder the pictures keep their places.

    Raises `SettingError` where there is nothing to do, where a result would be written over a picture that was given,
    or two results to one file.
    """
    as_file = _is_picture_file(inputs, output)
    jobs = [Job(source, output if as_file else output / place) for source, place in _pictures(inputs, output)]
    if not jobs:
        raise SettingError("there is nothing to restore: all pictures lie in the --output folder, from an earlier run")
    originals = {job.source.resolve() for job in jobs}
    sources: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in originals:
            raise SettingError(f"{job.target} would be overwritten; choose another --output")
        if (other := sources.setdefault(target, job.source)) != job.source:
            raise SettingError(f"{other} and {job.source} would both become {job.target}; restore them in two runs")
    return jobs


def _is_picture_file(inputs: Sequence[Path], output: Path) -> bool:
    """Whether the output is meant as the one file for the one picture, and not as a folder."""
    if output.is_dir() or not output.suffix:
        return False
    single = len(inputs) == 1 and not inputs[0].is_dir()
    known = output.suffix.lower() in SUFFIXES
    if single and not known:
        raise SettingError(f"{output} cannot be written; expected a folder or a file in {', '.join(SUFFIXES)}")
    if known and not single:
        raise SettingError(f"{output} looks like a picture, but several are to be written; give a folder as --output")
    return single


def _pictures(inputs: Sequence[Path], output: Path) -> Iterator[tuple[Path, Path]]:
    """Each picture and its place below the output folder; in a folder, results of an earlier run are passed over."""
    for given in inputs:
        if given.is_dir():
            earlier = output.resolve() if given.resolve() in output.resolve().parents else None
            found = sorted(path for path in given.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
            if not found:
                raise SettingError(f"there is no picture in {given}; expected files that end in {', '.join(SUFFIXES)}")
            yield from ((path, path.relative_to(given)) for path in found if earlier not in path.resolve().parents)
        else:
            yield given, Path(given.name)


def _models(options: argparse.Namespace) -> int:
    rows = [("preview", "restoration", "256", "in the package", "MIT licence; a small model for trying things out")]
    for release in RELEASES:
        path = find(release.file)
        rows.append((release.name, release.task, str(release.size or ""), str(path or "to be fetched"), release.terms))
    header = ("NAME", "TASK", "SIZE", "WHERE", "TERMS")
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(
        f"\nDownloads go to {default_folders()['gpen'][0]}; the environment variable GPEN_MODELS names another folder."
    )
    return OK


def _convert(options: argparse.Namespace) -> int:
    convert(options.source, options.target, options.task)
    print(options.target)
    return OK


def _prune(options: argparse.Namespace) -> int:
    pictures = None
    if options.faces:
        found = [source for source, _ in _pictures([options.faces], options.target)]
        pictures = (read_picture(path).rgb for path in found)
    # A share drops what cannot change the picture as well, so --exact beside it asks for nothing more.
    print(shrink(options.source, options.target, options.share or "exact", pictures, _pruning_bar()))
    return OK


def _download_bar() -> Progress:
    return _bar("download", unit="B", unit_scale=True, unit_divisor=1024)


def _pruning_bar() -> Progress:
    return _bar("prune", unit="step", disable=None)


def _bar(what: str, **options: Any) -> Progress:
    """Shows how far something has come, once it has begun; with tqdm's options."""
    bar: tqdm | None = None

    def on_progress(done: int, total: int | None) -> None:
        nonlocal bar
        if bar is None or done < bar.n:  # another one has begun
            bar = tqdm(total=total, desc=what, **options)
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return on_progress


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
