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
from pathlib import Path, PurePath
from typing import Any

from .plan import RECORD as FOLDER
from .plan import Job
from .store import LocalStore, Store

VERSION = 1
LINES_AN_OBJECT = 100


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
    run: str = ""
    """of which run it is"""

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
        store: where it lies.
    """

    def __init__(self, root: PurePath | None, store: Store | None = None):
        self.root = root or PurePath()
        self.folder = None if root is None else root / FOLDER
        self.store = store or LocalStore()
        self._name, self._lines = _new_name(), 0
        self._text = ""
        self._entries: dict[str, Entry] = {}
        self.read()

    def read(self) -> None:
        """Take in what others have written down."""
        if self.folder is not None:
            self._entries |= {entry.place: entry for entry in _entries(self.folder, self.store)}

    def results(self) -> list[Path]:
        """All results that are known."""
        return [Path(self.root / place) for place in self._entries]

    def whole(self, job: Job, sources: Store, settings: str, extras: tuple[str, ...] = ()) -> Entry | None:
        """What is known of a job's result, if that is whole, of the source as it is now and of the same settings."""
        entry = self._entries.get(job.place.as_posix())
        if entry is None or entry.settings != settings or not set(extras) <= set(entry.extras):
            return None
        try:
            source, (size, _) = sources.told(job.source), self.store.told(job.target)
        except OSError:
            return None
        return entry if (entry.source_size, entry.source_time, entry.size) == (*source, size) else None

    def add(self, entry: Entry) -> None:
        """Write down a result, which must be in its place."""
        if self.folder is None:
            return
        self._entries[entry.place] = entry
        if isinstance(self.store, LocalStore):
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            with Path(self.folder / self._name).open("a", encoding="utf-8") as file:
                file.write(entry.line())
            return
        # Nothing can be added to an object: it is written anew, and another one begun before that takes long.
        self._text, self._lines = self._text + entry.line(), self._lines + 1
        self.store.write(self.folder / self._name, self._text.encode("utf-8"))
        if self._lines == LINES_AN_OBJECT:
            self._name, self._text, self._lines = _new_name(), "", 0

    def tidy(self) -> None:
        """Make one file of many, each entry once. Only where nobody else writes."""
        if self.folder is None or not isinstance(self.store, LocalStore):
            return
        files = [Path(path) for path in self.store.files(self.folder) if path.suffix == ".jsonl"]
        if len(files) < 2:
            return
        one = Path(self.folder / self._name)
        self.store.write(one, "".join(entry.line() for entry in self._entries.values()).encode("utf-8"))
        for path in files:
            if path != one:
                with suppress(OSError):
                    path.unlink()


def _new_name() -> str:
    return f"{time.time_ns()}-{secrets.token_hex(4)}.jsonl"


def _entries(folder: PurePath, store: Store) -> Iterator[Entry]:
    """The entries of all files, the oldest first: names begin with the time."""
    for path in sorted(store.files(folder)):
        if path.suffix == ".jsonl":
            with suppress(OSError):
                lines = store.read(path).decode("utf-8", errors="replace").splitlines()
                yield from (entry for line in lines if (entry := entry_from(line)))
