"""Fetching a released file: from one of its mirrors, resumable, checked, and safe beside a program that does the same.

While it comes in, a file is called `<file>.part`; beside it `<file>.part.json` says where it comes from. It gets its
own name when it is complete and has been checked, so that nothing half-downloaded ever counts as present.
Two programs that want the same file take turns, and the second finds it there.

`$GPEN_MIRROR`, the address of a folder on a web server, is asked for the file before the places in the catalogue.
"""

import http.client
import os
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from ..errors import CheckpointError, DownloadError
from ..model.checkpoint import read_checkpoint, read_tensors
from ..progress import Progress
from .catalogue import Release
from .partial_file import Origin, Part
from .record import sha256_of, write_record

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost."""
ATTEMPTS = 5
"""How often a mirror is asked to go on after a lost connection, as long as something came in each time."""
CHUNK = 1 << 16
POLL = 0.5
"""Seconds between two looks at whether another program has finished with the same file."""


class _MirrorError(Exception):
    """A mirror cannot be reached, stopped before the end, or has another file; the message says which."""


def fetch(release: Release, folder: Path, on_progress: Progress | None = None) -> Path:
    """Download a released file into a folder, which is made if need be, and return its path.

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
            _download(url, part, report)
        except _MirrorError as error:
            problems.append(f"{urlsplit(url).hostname}: {error}")
            continue
        sha256 = sha256_of(part.path)
        problem = _what_is_wrong(part.path, sha256, release)
        if problem is None:
            part.finish()
            if release.sha256 is None:
                with part.on_disk():
                    write_record(part.target, url, sha256)
            return
        part.discard()
        problems.append(f"{urlsplit(url).hostname}: {problem}")
    tried = "\n".join(problems)
    raise DownloadError(f"{release.name} could not be downloaded:\n{tried}\n{part.advice}")


def _places(release: Release) -> tuple[str, ...]:
    mirror = os.environ.get("GPEN_MIRROR")
    return (f"{mirror.rstrip('/')}/{release.file}", *release.urls) if mirror else release.urls


def _download(url: str, part: Part, report: Progress) -> None:
    """Bring in the whole file, going on after a lost connection."""
    for attempt in range(1, ATTEMPTS + 1):
        before = part.size
        try:
            _transfer(url, part, report)
            return
        except _MirrorError:
            if attempt == ATTEMPTS or part.size == before:
                raise


def _transfer(url: str, part: Part, report: Progress) -> None:
    """Bring in the file, or the rest of it, over one connection."""
    origin = part.origin()
    done = part.size if origin and origin.url == url else 0
    if origin and 0 < done == origin.total:
        return
    with _open(url, part, origin if done else None) as response:
        if response.status == 206:
            start, total = _content_range(response.headers.get("Content-Range", ""))
            if origin is None or (start, total) != (done, origin.total):
                part.discard()
                raise _MirrorError("the file there has changed since its first part came in")
        else:
            done, total = 0, response.length
            part.begin(Origin(url, _validator(response.headers), total))
        with part.on_disk():
            file = part.path.open("ab")
        with file:
            report(done, total)
            while chunk := _read(response):
                with part.on_disk():
                    file.write(chunk)
                done += len(chunk)
                report(done, total)
            with part.on_disk():
                file.flush()
    if total is not None and done != total:
        raise _MirrorError(f"the connection was lost after {done:,} of {total:,} bytes")


def _open(url: str, part: Part, origin: Origin | None) -> http.client.HTTPResponse:
    """Ask for a file, or only for what the part on disk lacks if the file is still the one that `origin` describes."""
    _check_scheme(url)
    request = urllib.request.Request(url, headers={"User-Agent": "gpen-face-restore"})
    if origin and origin.total is not None:
        request.add_header("Range", f"bytes={part.size}-")
        if origin.validator:
            request.add_header("If-Range", origin.validator)
    try:
        return _opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # there is less than we have: it is another file now
                part.discard()
            raise _MirrorError(f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorError(f"cannot be reached ({getattr(error, 'reason', None) or error})") from error


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorError(f"the connection was lost ({error!r})") from error


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
        raise _MirrorError(f"the server answers with a part it does not describe: {value!r}") from None


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


def _check_scheme(url: str) -> None:
    # Nobody can listen in on, or change, what never leaves this computer.
    here = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    if urlsplit(url).scheme != "https" and not (here and urlsplit(url).scheme == "http"):
        raise _MirrorError(f"{url} is not an https link, so it was not followed")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Mirrors send us on to their storage; never from https to anything else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_scheme(newurl)
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise _MirrorError(f"{newurl} is not an https link, so it was not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener = urllib.request.build_opener(_Redirects)
