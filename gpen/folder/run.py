"""Restoring the pictures of a plan one by one. None of them can end the run."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import PictureError
from ..faces.face import Face, Faces
from ..faces.report import describe
from ..image.files import PictureFile, file_of, picture_in
from ..image.formats.metadata import Carried
from ..image.picture import resized
from .films import Films, restored_film
from .plan import Job, Plan
from .record import Entry, Record, fingerprint
from .result import FAILED, RESTORED, UNCHANGED, Result, disk_is_full, failure, skipped, told_of
from .store import Store

Restore = Callable[[Tensor], tuple[Tensor, Faces | None]]
"""A picture (1, H, W, 3) → the restored one and its faces; None where it was taken whole."""


@dataclass(frozen=True)
class FolderSettings:
    """How a folder is done, beside what is done to each picture."""

    quality: int | None = None
    """1..100 of formats that lose something; by default that of each source."""
    grey: bool | None = None
    """False where grey pictures become coloured; by default a grey one stays grey."""
    compare: bool = False
    """Write before and after side by side as well."""
    save_crops: bool = False
    """Write the crop of each face, before and after, as well."""

    @property
    def extras(self) -> tuple[str, ...]:
        return ("compare",) * self.compare + ("crops",) * self.save_crops

    def extras_of(self, job: Job) -> tuple[str, ...]:
        """The files beside the result of one job: a film has none."""
        return () if job.film else self.extras


@dataclass(frozen=True, eq=False)
class Done:
    """The files that one picture becomes, before they are written."""

    result: Result
    files: Mapping[PurePath, bytes] = field(default_factory=dict)
    """the result itself comes last, so that it tells that all are there"""


def run(
    plan: Plan,
    restore: Restore,
    settings: Mapping[str, Any],
    how: FolderSettings | None = None,
    *,
    overwrite: bool = False,
    films: Films | None = None,
) -> Iterator[Result]:
    """Restore the pictures and films of a plan one by one, and tell of each what became of it.

    What an earlier run has done with the same settings, and is whole and of the source as it is now, is skipped. A
    picture that fails is told of, and the next one is taken. Stopped anywhere, the next run goes on from there.

    Args:
        restore: what restores a picture.
        settings: all that the result depends on, in values that JSON knows.
        overwrite: do everything again.
        films: what restores the films of a plan that has some.

    Raises `SettingError` for what would fail for every picture alike, `PictureError` for a full disk.
    """
    how, record = how or FolderSettings(), Record(plan.root, plan.targets)
    for job, made_with, earlier in known(plan, record, settings, how, films and films.settings):
        if earlier and not overwrite:
            yield skipped(job, earlier)
        elif job.film and films:
            yield restored_film(job, films, record, made_with)
        else:
            yield restored(job, restore, plan.sources, record, how, made_with)
    record.tidy()


def remaining(
    plan: Plan,
    settings: Mapping[str, Any],
    how: FolderSettings,
    *,
    overwrite: bool,
    of_films: Mapping[str, Any] | None = None,
) -> list[Job]:
    """The jobs that `run` would do and not skip; `of_films` is `Films.settings`."""
    jobs = known(plan, Record(plan.root, plan.targets), settings, how, of_films)
    return [job for job, _, earlier in jobs if overwrite or not earlier]


def known(
    plan: Plan,
    record: Record,
    settings: Mapping[str, Any],
    how: FolderSettings,
    of_films: Mapping[str, Any] | None,
) -> Iterator[tuple[Job, str, Entry | None]]:
    """Each job, the fingerprint of what its result is made with, and what the record knows of that one."""
    pictures, films = settings_of(settings, how), fingerprint({**settings, **(of_films or {})})
    for job in plan.jobs:
        made_with = films if job.film else pictures
        yield job, made_with, record.whole(job, plan.sources, made_with, how.extras_of(job))


def settings_of(settings: Mapping[str, Any], how: FolderSettings) -> str:
    """The fingerprint of all that a result depends on."""
    return fingerprint({**settings, "quality": how.quality})  # grey follows from the model


def restore_one(job: Job, data: bytes, restore: Restore, how: FolderSettings) -> Done:
    """The files that the bytes of one picture become. Raises what goes wrong; see `failure`."""
    started = time.monotonic()
    picture = picture_in(data, Path(job.source))
    images: list[Tensor] = []
    found: list[Faces | None] = []
    for index in range(len(picture.frames)):
        image, faces = restore(picture.frame(index))
        images.append(image)
        found.append(faces)
    data, written = file_of(Path(job.target), images, like=picture, quality=how.quality, grey=how.grey)
    files = dict(_extras(job, picture, images, found, how))
    told = tuple(told_of(face, frame) for frame, faces in enumerate(found) for face in faces or ())
    kind = UNCHANGED if written.copied else RESTORED
    return Done(
        Result(job, kind, "", told, _report(found), written.lost, time.monotonic() - started),
        {**files, job.target: data},
    )


def entry_of(done: Done, source: tuple[int, int], settings: str, extras: tuple[str, ...], run: str = "") -> Entry:
    """What the record keeps of a result; `source` is its size and time."""
    job = done.result.job
    size = len(done.files[job.target])
    told = done.result.told
    return Entry(job.place.as_posix(), str(job.source), *source, size, settings, extras, told, run)


def restored(
    job: Job, restore: Restore, sources: Store, record: Record, how: FolderSettings, settings: str, run: str = ""
) -> Result:
    """Restore one picture, write the result and write it down; a failure is a result as well.

    Args:
        settings: see `settings_of`.
        run: a name of the run, for the record.

    Raises what would fail for every picture alike.
    """
    try:
        before = sources.told(job.source)
        done = restore_one(job, sources.read(job.source), restore, how)
        for path, data in done.files.items():
            record.store.write(path, data)
    except Exception as error:
        if isinstance(error, OSError) and not disk_is_full(error):
            error = PictureError(f"{job.source} cannot be opened: {error.strerror}")
        why = failure(error)
    else:
        record.add(entry_of(done, before, settings, how.extras, run))
        return done.result
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # the next one may fit, once what is left of this one is gone
    return Result(job, FAILED, why)


def _report(found: list[Faces | None]) -> str:
    reports = [describe(faces) for faces in found if faces is not None]
    if not reports:
        return "taken as one face"
    if len(reports) == 1:
        return reports[0]
    faces = sum(len(faces or ()) for faces in found)
    pages = [f"frame {index}: {report}" for index, report in enumerate(reports, 1)]
    return "\n".join([f"{faces} face{'s' * (faces != 1)} found in {len(found)} frames", *pages])


def _extras(
    job: Job, picture: PictureFile, images: list[Tensor], found: list[Faces | None], how: FolderSettings
) -> Iterator[tuple[Path, bytes]]:
    """The files beside a result."""
    plain = _with_profile_alone(picture)
    if how.compare:
        before = resized(picture.frame(0), *images[0].shape[1:3])
        path = Path(job.target.with_name(f"{job.target.stem}.compare.jpg"))
        yield path, file_of(path, torch.cat([before, images[0]], dim=2), like=plain)[0]
    if how.save_crops:
        folder = Path(job.target.with_name(f"{job.target.stem}.faces"))
        for frame, faces in enumerate(found):
            for face in faces or ():
                yield from _crops(folder, f"{frame + 1}-" if len(images) > 1 else "", face, plain)


def _crops(folder: Path, frame: str, face: Face, like: PictureFile) -> Iterator[tuple[Path, bytes]]:
    if face.crop is None:
        return
    for name, image in (("before", face.crop.before), ("after", face.crop.after)):
        if image is not None:
            path = folder / f"{frame}{face.number}-{name}.png"
            yield path, file_of(path, image[None], like=like)[0]


def _with_profile_alone(picture: PictureFile) -> PictureFile:
    """What a sheet or a crop takes over of a picture: its colours, and nothing that is true of the picture alone."""
    carried = Carried(icc=picture.carried[0].icc)
    frame = np.zeros((1, 1, 1 if picture.grey else 3), np.uint8)
    return replace(picture, frames=(frame,), carried=(carried,), how={}, lost=())
