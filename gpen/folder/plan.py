"""Which pictures a run works on, and where each result goes."""

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from ..errors import SettingError
from ..image.files import SUFFIXES
from .store import LocalStore, Store, store_of

OF_THE_SYSTEM = ("._", ".DS_Store", ".gpen-", "Thumbs.db", "desktop.ini")
"""What names of files begin with that nobody has put into a folder himself: macOS writes `._IMG.jpg`, which is no
picture, beside IMG.jpg on disks of other systems."""
RECORD = ".gpen-record"
"""The folder of the record; see `record`."""
EXTRAS = (".compare.jpg", ".faces")
"""What the names of things beside a result end with."""
BESIDE = (EXTRAS[1], ".gpen-parts")
"""What the names of folders end with that are no one's pictures: crops, and a film that is being made."""


@dataclass(frozen=True)
class Job:
    """One file to restore."""

    source: PurePath
    target: PurePath
    place: PurePath
    """of the target, below the output folder"""
    film: bool = False


@dataclass(frozen=True)
class LeftOut:
    """What is not restored."""

    path: PurePath
    why: str
    clashes: bool = False
    """Whether that is for the name of its result; otherwise it is no picture at all."""


@dataclass(frozen=True)
class Plan:
    """What a run does."""

    root: PurePath | None
    """the folder that results go to, and beside them the record; None for a single file, which is always done"""
    jobs: tuple[Job, ...]
    left_out: tuple[LeftOut, ...] = ()
    sources: Store = field(default_factory=LocalStore)
    """where the sources lie"""
    targets: Store = field(default_factory=LocalStore)
    """where the results go"""


def plan_for(
    inputs: Sequence[Path],
    output: Path,
    *,
    format: str = "",
    suffix: str = "",
    results: Iterable[Path] = (),
    suffixes: Sequence[str] = SUFFIXES,
    films: Mapping[str, str] | None = None,
) -> Plan:
    """What to restore and where to; below a folder the pictures keep their places.

    Args:
        inputs: files, and folders of them.
        output: a folder; or a file, for one input that is a file.
        format: of the results, as the suffix of a file ("png"); by default that of each source.
        suffix: what the names of results get at their end, before the dot.
        results: of earlier runs, which are no sources where they lie in a folder of them.
        suffixes: of pictures that can be restored.
        films: what the names of films end with → what those of their results do; by default films are left out.

    What would be written over a file that was given, and files whose results would have one name, are left out: which
    of them is meant only a person can say. Raises `SettingError` where nothing is left to do.
    """
    films = films or {}
    ending = f".{format.lower().lstrip('.')}" if format else ""
    if ending and ending not in suffixes:
        raise SettingError.unknown("format", format, [known.lstrip(".") for known in SUFFIXES])
    as_file = _is_file(inputs, output, suffixes, films)
    earlier = {path.resolve() for path in results}
    jobs: list[Job] = []
    left_out: list[LeftOut] = []
    for source, place in _found(inputs, output, earlier, (*suffixes, *films), left_out):
        film = films.get(place.suffix.lower())
        # The name stays as it is where its ending does, capitals included.
        own = place.suffix if film in (None, place.suffix.lower()) else film
        named = place.with_name(f"{place.stem}{suffix}{own if film else ending or own}")
        target, below = (output, Path(output.name)) if as_file else (output / named, named)
        jobs.append(Job(source, target, below, film is not None))
    if not jobs:
        raise SettingError("there is nothing to restore: all pictures lie in the --output folder, from an earlier run")
    folded: dict[Path, bool] = {}
    kept = _without_clashes(jobs, lambda path: _identity(Path(path)), lambda path: _name(Path(path), folded), left_out)
    return Plan(None if as_file else output, kept, tuple(left_out))


def plan_at(inputs: Sequence[str], output: str, *, format: str = "", suffix: str = "") -> Plan:
    """What to restore where inputs and output are folders at addresses like s3://bucket/folder, or of this machine.

    Names that clash are left out, as by `plan_for`. Raises `SettingError` where there is nothing to do, and where a
    place cannot be opened.
    """
    targets, root = store_of(output)
    jobs: list[Job] = []
    left_out: list[LeftOut] = []
    sources: Store | None = None
    for given in inputs:
        store, folder = store_of(given)
        if sources is not None and type(store) is not type(sources):
            raise SettingError(f"{given} lies elsewhere than {inputs[0]}; restore them in two runs")
        sources = store
        for path in sorted(store.files(folder)):
            if path.name.startswith(OF_THE_SYSTEM) or any(part.endswith(EXTRAS) for part in path.parts):
                continue
            if path.suffix.lower() not in SUFFIXES:
                left_out += [] if RECORD in path.parts else [LeftOut(path, "no picture that is known")]
                continue
            place = path.relative_to(folder)
            named = place.with_name(f"{place.stem}{suffix}{f'.{format}' if format else place.suffix}")
            jobs.append(Job(path, root / named, named))
    if not jobs or sources is None:
        raise SettingError(
            f"there is no picture in {', '.join(inputs)}; expected files that end in {', '.join(SUFFIXES)}"
        )
    kept = _without_clashes(jobs, lambda path: path, str, left_out)
    return Plan(root, kept, tuple(left_out), sources, targets)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures below a folder. Raises `SettingError` where there is none."""
    found = sorted(path for path in _files(folder) if path.suffix.lower() in SUFFIXES)
    if not found:
        raise SettingError(f"there is no picture in {folder}; expected files that end in {', '.join(SUFFIXES)}")
    return found


def listed(inputs: Sequence[str], lines: Iterable[str]) -> list[Path]:
    """Inputs as paths; "-" stands for the lines of a list."""
    found: list[Path] = []
    for given in inputs:
        found += [Path(line.rstrip("\r\n")) for line in lines if line.strip()] if given == "-" else [Path(given)]
    if not found:
        raise SettingError("the list of pictures is empty; expected a path on each line")
    return found


def _is_file(inputs: Sequence[Path], output: Path, suffixes: Sequence[str], films: Mapping[str, str]) -> bool:
    """Whether the output is meant as the one file for the one picture or film, and not as a folder."""
    if output.is_dir() or not output.suffix:
        return False
    single = len(inputs) == 1 and not inputs[0].is_dir()
    results = sorted(set(films.values())) if single and inputs[0].suffix.lower() in films else suffixes
    known = output.suffix.lower() in ((*suffixes, *films.values()), results)[single]
    if single and not known:
        raise SettingError(f"{output} cannot be written; expected a folder or a file in {', '.join(results)}")
    if known and not single:
        raise SettingError(f"{output} looks like a picture, but several are to be written; give a folder as --output")
    return single


def _found(
    inputs: Sequence[Path], output: Path, earlier: set[Path], suffixes: Sequence[str], left_out: list[LeftOut]
) -> Iterator[tuple[Path, Path]]:
    """Each picture and its place below the output folder; what is none is added to `left_out`."""
    for given in inputs:
        if not given.is_dir():
            yield given, Path(given.name)
            continue
        within = output.resolve() if given.resolve() in output.resolve().parents else None
        found = 0
        for path in sorted(_files(given)):
            resolved = path.resolve()
            if within in resolved.parents or resolved in earlier:
                found += 1
            elif path.suffix.lower() in suffixes:
                found += 1
                yield path, path.relative_to(given)
            else:
                left_out.append(LeftOut(path, "no picture that is known"))
        if not found:
            raise SettingError(f"there is no picture in {given}; expected files that end in {', '.join(suffixes)}")


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder, but for those of the system and those that lie beside results."""
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".gpen-") and not name.endswith(BESIDE)]
        for name in names:
            if not name.startswith(OF_THE_SYSTEM) and not name.endswith(EXTRAS[0]):
                yield Path(where, name)


def _without_clashes(
    jobs: Sequence[Job],
    identity: Callable[[PurePath], Hashable],
    name: Callable[[PurePath], str],
    left_out: list[LeftOut],
) -> tuple[Job, ...]:
    """The jobs whose results take the place of no source and of no other result; the others are added to `left_out`.

    Args:
        identity: what tells a file from all others.
        name: what tells a target from all others.

    Raises `SettingError` where no job is left.
    """
    originals = {identity(job.source) for job in jobs}
    names = [name(job.target) for job in jobs]
    claims: dict[str, dict[PurePath, None]] = {}
    for job, named in zip(jobs, names, strict=True):
        claims.setdefault(named, {})[job.source] = None
    kept: list[Job] = []
    clashes: list[LeftOut] = []
    for job, named in zip(jobs, names, strict=True):
        others = [str(source) for source in claims[named] if source != job.source]
        if identity(job.target) in originals:  # by another name as well: a link, or other capitals
            clashes.append(LeftOut(job.source, f"{job.target} would be overwritten; choose another --output", True))
        elif others:
            why = f"{job.source} and {', '.join(others)} would both become {job.target}; restore them in two runs"
            clashes.append(LeftOut(job.source, why, True))
        else:
            kept.append(job)
    if not kept:
        raise SettingError(clashes[0].why)
    left_out += clashes
    return tuple(kept)


def _name(target: Path, folded: dict[Path, bool]) -> str:
    """What tells a target from all others; `folded` keeps which folders do not tell A from a."""
    folder = target.parent
    if folder not in folded:
        folded[folder] = _ignores_case(folder)
    key = str(target.resolve())
    return key.casefold() if folded[folder] else key


def _identity(path: Path) -> tuple[int, int] | str:
    """What tells a file from all others, as `os.path.samefile` has it; of one that is not there, its path."""
    try:
        told = path.stat()
    except OSError:
        return str(path.resolve())
    return (told.st_dev, told.st_ino) if told.st_ino else str(path.resolve())


def _ignores_case(folder: Path) -> bool:
    """Whether a folder, which need not be there yet, lies on a disk where A and a are one name."""
    there = folder.resolve()
    while not there.exists():
        there = there.parent
    while there.name.swapcase() == there.name and there.parent != there:
        there = there.parent
    other = there.with_name(there.name.swapcase()) if there.name else there
    return other != there and other.exists() and other.samefile(there)
