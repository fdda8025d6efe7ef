"""What was fetched, written beside the file, so that a file that changed afterwards is noticed when it is loaded."""

import hashlib
import json
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..atomic_file import replacing
from ..errors import DownloadError
from .catalogue import Release

MOST_BYTES = 1 << 16
"""Of a note that we wrote ourselves; a larger one is somebody else's."""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """A note that was written beside a file. Raises `OSError`, and `ValueError` where it is no JSON object."""
    with path.open("rb") as file:
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes")
    try:
        note = json.loads(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("lists within lists") from None
    if not isinstance(note, dict):
        raise ValueError(f"a {type(note).__name__} instead of names and values")
    return note


def record_path(path: Path) -> Path:
    """Where the record of a file lies."""
    return path.with_name(f"{path.name}.json")


def write_record(path: Path, url: str, sha256: str) -> None:
    """Record what was fetched just now."""
    _write(path, {"url": url, "fetched": datetime.now(timezone.utc).isoformat(timespec="seconds"), "sha256": sha256})


def verify(path: Path, release: Release | None) -> None:
    """Check a file on disk against its published hash, or against the record of its download.

    Cheap: a file is hashed only if its hash is published (those files are small) or its time changed since the record.
    A file that people put there themselves has neither, and nothing to be checked against.
    Raises `DownloadError` where it is another file.
    """
    if release and release.sha256 and path.name == release.file:
        _compare(path, release.bytes, release.sha256, "as published", "Delete it, so that it is fetched again.")
        return
    kept = record_path(path)
    if not kept.is_file():
        return
    try:
        record = read_json(kept)
        size, sha256, mtime = int(record["bytes"]), str(record["sha256"]), int(record["mtime_ns"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise DownloadError(
            f"{kept} should say what {path.name} was when it was downloaded, but cannot be read: {error!r}. "
            f"Delete it if you trust {path.name}, or delete both to download it again."
        ) from error
    state = path.stat()
    if (state.st_size, state.st_mtime_ns) == (size, mtime):
        return
    advice = f"Delete both it and {kept.name} to download it again, or only {kept.name} if you replaced it on purpose."
    _compare(path, size, sha256, "as it was when it was downloaded", advice)
    with suppress(OSError):  # a folder that is read-only costs us a hash each time, nothing else
        _write(path, record)


def _compare(path: Path, size: int | None, sha256: str, expected: str, advice: str) -> None:
    found_size = path.stat().st_size
    found = f"{found_size:,} bytes"
    if size is None or found_size == size:
        digest = sha256_of(path)
        if digest == sha256:
            return
        found += f" with SHA-256 {digest}"
    size_text = "" if size is None else f"{size:,} bytes with "
    raise DownloadError(
        f"{path} is not the file {expected}: expected {size_text}SHA-256 {sha256}, found {found}. {advice}"
    )


def _write(path: Path, record: dict[str, object]) -> None:
    state = path.stat()
    record = {**record, "bytes": state.st_size, "mtime_ns": state.st_mtime_ns}
    with replacing(record_path(path)) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
