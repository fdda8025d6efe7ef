"""Fetching a released file: from one of its mirrors, resumable, checked, and safe beside a program that does the same.

While it comes in, a file is called `<file>.part`; beside it `<file>.part.json` says where it comes from. It gets its
own name when it is complete and has been checked, so that nothing half-downloaded ever counts as present.
Two programs that want the same file take turns, and the second finds it there.

`$GPEN_MIRROR`, the address of a folder on a web server, is asked for the file before the places in the catalogue.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from ..errors import CheckpointError, DownloadError
from ..model.checkpoint import read_checkpoint, read_tensors
from ..progress import Progress
from .background import POLL, in_background
from .catalogue import Release
from .connection import Head, MirrorError, ask
from .partial_file import Origin, Part
from .record import sha256_of, write_record

ATTEMPTS = 5
"""How often a mirror is asked to go on after a lost connection, as long as something came in each time."""
MOST_BYTES = 1 << 29
"""Of a file whose size nobody knows: detectors and parsers, which are networks of some 100 MB."""


def fetch(release: Release, folder: Path, on_progress: Progress | None = None) -> Path:
    """Download a released file into a folder, which is made if need be, and return its path.

    `on_progress` is called with the bytes on disk at least every fifth of a second. What it raises ends the download;
    what has come in so far stays on disk, and the next call goes on from there.

    Raises `DownloadError` where no mirror gives the right file, or it cannot be written.
    """
    if not release.file or Path(release.file).name != release.file:
        raise DownloadError(f"{release.file!r} is not a plain file name, so nothing was downloaded.")
    report = on_progress or (lambda done, total: None)
    target = folder / release.file
    part = Part(target, get_it_yourself(release, folder))
    with part.on_disk():
        folder.mkdir(parents=True, exist_ok=True)
    # Hidden, because it stays: removing it could take the lock from somebody who has just got it.
    lock = FileLock(folder / f".{release.file}.lock")
    while True:
        with part.on_disk(), suppress(Timeout):
            lock.acquire(timeout=POLL)
            break
        report(part.size, None)  # so that waiting can be interrupted
    try:
        if not target.is_file():  # else another program has fetched it meanwhile
            _fetch_from_mirrors(release, part, report)
    finally:
        lock.release()
    return target


def get_it_yourself(release: Release, folder: Path) -> str:
    """What to do by hand where a file cannot be fetched."""
    links = "\n".join(release.urls)
    return f"Download it yourself, name it {release.file} and put it into {folder}. It lies at:\n{links}"


def _fetch_from_mirrors(release: Release, part: Part, report: Progress) -> None:
    problems: list[str] = []
    begun = part.origin()
    # First the mirror that the part on disk came from, to go on where it stopped.
    for url in sorted(_places(release), key=lambda url: begun is None or url != begun.url):
        try:
            _download(url, part, release, report)
        except MirrorError as error:
            problems.append(f"{_host(url)}: {error}")
            continue
        sha256, problem = _checked(part, release, report)
        if problem is None:
            part.finish()
            if release.sha256 is None:
                with part.on_disk():
                    write_record(part.target, url, sha256)
            return
        part.discard()
        problems.append(f"{_host(url)}: {problem}")
    tried = "\n".join(problems)
    raise DownloadError(f"{release.name} could not be downloaded:\n{tried}\n{part.advice}")


def _places(release: Release) -> tuple[str, ...]:
    mirror = os.environ.get("GPEN_MIRROR")
    return (f"{mirror.rstrip('/')}/{release.file}", *release.urls) if mirror else release.urls


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _download(url: str, part: Part, release: Release, report: Progress) -> None:
    """Bring in the whole file, going on after a lost connection."""
    for attempt in range(1, ATTEMPTS + 1):
        before = part.size
        try:
            _transfer(url, part, release, report)
            return
        except MirrorError:
            if attempt == ATTEMPTS or part.size == before:
                raise


@dataclass
class _Count:
    """How far a download has come."""

    done: int
    total: int | None
    on_progress: Progress

    def report(self) -> None:
        self.on_progress(self.done, self.total)


def _transfer(url: str, part: Part, release: Release, on_progress: Progress) -> None:
    """Bring in the file, or the rest of it, over one connection."""
    origin = part.origin()
    if origin and origin.url == url and 0 < part.size == origin.total:
        return
    # Without a validator nothing would tell whether the rest is of the same file.
    if origin is None or origin.url != url or not origin.validator or origin.total is None:
        count, origin = _Count(0, None, on_progress), None
    else:
        count = _Count(part.size, origin.total, on_progress)
    begun = count.done
    with closing(in_background(lambda: ask(url, begun, origin.validator if origin else ""), count.report)) as answer:
        try:
            head = next(answer)
        except MirrorError as error:
            if error.status == 416:  # there is less than we have: it is another file now
                part.discard()
            raise
        assert isinstance(head, Head)
        if head.status == 206:
            start, whole = _content_range(head.headers.get("Content-Range", ""))
            if begun == 0 or (start, whole) != (begun, count.total):
                part.discard()
                raise MirrorError("the file there has changed since its first part came in")
        else:
            count.done, count.total = 0, head.length
            _check_size(head.length, release)
            part.begin(Origin(url, _validator(head.headers), head.length))
        part.check_space((count.total or release.about_bytes or 0) - count.done)
        _append(part, answer, count, _most_bytes(release) if count.total is None else count.total)
    if count.total is not None and count.done != count.total:
        raise MirrorError(f"the connection was lost after {count.done:,} of {count.total:,} bytes")


def _append(part: Part, answer: Iterator[Head | bytes], count: _Count, most: int) -> None:
    """Write what comes in to the end of the part on disk, which may become `most` bytes long."""
    with part.on_disk():
        file = part.path.open("ab")
    with file:
        count.report()
        for chunk in answer:
            assert isinstance(chunk, bytes)
            count.done += len(chunk)
            if count.done > most:
                break
            with part.on_disk():
                file.write(chunk)
            count.report()
        with part.on_disk():
            file.flush()
    if count.done > most:
        part.discard()
        raise MirrorError(f"sends no end: stopped after {count.done:,} bytes, more than the file can have")


def _check_size(total: int | None, release: Release) -> None:
    """Raises `MirrorError` for a file that cannot be the one in the catalogue, before it is fetched."""
    if total is None:
        return
    if release.bytes is not None and total != release.bytes:
        raise MirrorError(f"has another file: of {total:,} bytes instead of {release.bytes:,}")
    if total > _most_bytes(release):
        raise MirrorError(f"has another file: of {total:,} bytes, more than the {_most_bytes(release):,} it can have")


def _most_bytes(release: Release) -> int:
    if release.bytes is not None:
        return release.bytes
    return MOST_BYTES if release.about_bytes is None else 2 * release.about_bytes


def _validator(headers: Any) -> str:
    """What says that a file is still the same (RFC 9110, 13.1.5: a strong ETag or a date), or ""."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _content_range(value: str) -> tuple[int, int | None]:
    """`bytes 100-199/200` → (100, 200)."""
    try:
        span, total = value.removeprefix("bytes ").split("/")
        return int(span.split("-")[0]), None if total == "*" else int(total)
    except ValueError:
        raise MirrorError(f"the server answers with a part it does not describe: {value!r}") from None


def _checked(part: Part, release: Release, report: Progress) -> tuple[str, str | None]:
    """The SHA-256 of a complete file, and why it is not the released one, or None."""
    size = part.size

    def check() -> Generator[tuple[str, str | None], None, None]:
        sha256 = sha256_of(part.path)
        yield sha256, _what_is_wrong(part.path, sha256, release)

    with part.on_disk(), closing(in_background(check, lambda: report(size, size))) as results:
        return next(results)


def _what_is_wrong(path: Path, sha256: str, release: Release) -> str | None:
    """Why a complete file is not the released one, or None."""
    if release.sha256 is not None:
        if sha256 != release.sha256:
            size = f"{path.stat().st_size:,} bytes"
            return f"gave another file: expected SHA-256 {release.sha256}, found {sha256} ({size})"
        return None
    try:
        if release.kind != "gpen":
            read_tensors(path)
        elif (found := read_checkpoint(path).config) != release.config:
            return f"gave another GPEN network (of {found.size} pixels)"
    except CheckpointError as error:
        return f"gave another file: {error}"
    return None
