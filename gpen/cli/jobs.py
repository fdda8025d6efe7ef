"""Which pictures a command works on, and where each result goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import SettingError
from ..image.files import SUFFIXES


@dataclass(frozen=True)
class Job:
    """One picture to restore."""

    source: Path
    target: Path


def jobs_for(inputs: Sequence[Path], output: Path) -> list[Job]:
    """What to restore and where to; below a folder the pictures keep their places.

    Raises `SettingError` where there is nothing to do, where a result would be written over a picture that was given,
    or two results to one file.
    """
    as_file = _is_picture_file(inputs, output)
    jobs = [Job(source, output if as_file else output / place) for source, place in pictures_in(inputs, output)]
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


def pictures_in(inputs: Sequence[Path], output: Path) -> Iterator[tuple[Path, Path]]:
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
