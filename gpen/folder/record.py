"""What runs have done, beside their results: so that the next one goes on where the last one ended, however it ended.

A folder `.gpen-record` with one file a run or worker, one line of JSON a result. Lines are only ever added: after a
crash the last one may be cut short, and is not read.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic_file import replacing
from .plan import Job

FOLDER = ".gpen-record"
VERSION = 1


def fingerprint(settings: Mapping[str, Any]) -> str:
    """What tells settings from others: 16 digits."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode("utf-8")).hexdigest()[:16]


@dataclass(frozen=True)
class Entry:
    """One result: of which source and settings it is, and what became of its faces."""

    place: str
    """below the output folder"""
    source: str
    source_size: int
    source_time: int
    """when the source was last changed, in nanoseconds"""
    size: int
    """bytes of the result"""
    settings: str
    """see `fingerprint`"""
    extras: tuple[str, ...] = ()
    """what was written beside it"""
    told: Mapping[str, Any] = field(default_factory=dict)
    """what a report says of it"""

    def line(self) -> str:
        return json.dumps({"version": VERSION, **vars(self)}, ensure_ascii=False) + "\n"


def entry_from(line: str) -> Entry | None:
    """An entry from a line; None where it is cut short, or of a version that is not known."""
    try:
        values = json.loads(line)
        if values.pop("version") != VERSION:
            return None
        return Entry(**{**values, "extras": tuple(values["extras"])})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


class Record:
    """The record of a folder of results.

    Args:
        root: the folder; None for none, of which nothing is known or written down.
    """

    def __init__(self, root: Path | None):
        self.root = root or Path()
        self.folder = None if root is None else root / FOLDER
        self._name = f"{time.time_ns()}-{secrets.token_hex(4)}.jsonl"
        self._entries = {entry.place: entry for entry in _entries(self.folder)} if self.folder else {}

    def results(self) -> list[Path]:
        """All results that are known."""
        return [self.root / place for place in self._entries]

    def whole(self, job: Job, settings: str, extras: tuple[str, ...] = ()) -> Entry | None:
        """What is known of a job's result, if that is whole, of the source as it is now and of the same settings."""
        entry = self._entries.get(job.place.as_posix())
        if entry is None or entry.settings != settings or not set(extras) <= set(entry.extras):
            return None
        try:
            source, target = job.source.stat(), job.target.stat()
        except OSError:
            return None
        same = (entry.source_size, entry.source_time, entry.size) == (
            source.st_size,
            source.st_mtime_ns,
            target.st_size,
        )
        return entry if same else None

    def add(self, entry: Entry) -> None:
        """Write down a result, which must be on disk."""
        if self.folder is None:
            return
        self._entries[entry.place] = entry
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / self._name).open("a", encoding="utf-8") as file:
            file.write(entry.line())

    def tidy(self) -> None:
        """Make one file of many, each entry once. Only where nobody else writes."""
        files = sorted(self.folder.glob("*.jsonl")) if self.folder else []
        if self.folder is None or len(files) < 2:
            return
        one = self.folder / self._name
        with replacing(one) as temporary:
            temporary.write_text("".join(entry.line() for entry in self._entries.values()), encoding="utf-8")
        for path in files:
            if path != one:
                with suppress(OSError):
                    path.unlink()


def _entries(folder: Path) -> Iterator[Entry]:
    """The entries of all files, the oldest first: names begin with the time."""
    for path in sorted(folder.glob("*.jsonl")):
        with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
            yield from (entry for line in file if (entry := entry_from(line)))
