"""A file that is still coming in, and where it comes from."""

import errno
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ..atomic_file import onto_disk
from ..errors import DownloadError
from .record import read_json


@dataclass(frozen=True)
class Origin:
    """What the beginning of a file was taken from: only the rest of that very file may follow it."""

    url: str
    validator: str
    """The server's ETag or date of the file, or "" where it tells neither."""
    total: int | None
    """How many bytes the whole file has, if the server told."""


class Part:
    """`<file>.part` and `<file>.part.json` beside a file that is to come.

    Args:
        target: the file.
        advice: what to do if it cannot be written; the end of every error's message.
    """

    def __init__(self, target: Path, advice: str):
        self.target = target
        self.advice = advice
        self.path = target.with_name(f"{target.name}.part")
        self._origin = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes on disk so far."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def origin(self) -> Origin | None:
        """Where the part on disk comes from; None where there is none, or nobody knows, as after a spoilt note."""
        try:
            note = read_json(self._origin)
        except (OSError, ValueError):
            return None
        url, validator, total = (note.get(key) for key in ("url", "validator", "total"))
        if not isinstance(url, str) or not isinstance(validator, str) or not _fits_a_header(validator):
            return None
        if total is not None and (type(total) is not int or total < self.size):
            return None
        return Origin(url, validator, total)

    def check_space(self, needed: int) -> None:
        """Raises `DownloadError` where the disk has less room than so many bytes."""
        with self.on_disk():
            free = shutil.disk_usage(self.target.parent).free
            if needed > free:
                raise OSError(errno.ENOSPC, f"it needs {needed:,} bytes, and {free:,} are free there")

    def begin(self, origin: Origin) -> None:
        """Start anew with nothing."""
        self.discard()  # first, so that old bytes never stand beside a new origin
        with self.on_disk():
            self._origin.write_text(json.dumps(asdict(origin)), encoding="utf-8")

    def finish(self) -> None:
        """Give the complete file its name."""
        with self.on_disk():
            onto_disk(self.path)
            self.path.replace(self.target)
            self._origin.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what has come in."""
        with self.on_disk():
            self.path.unlink(missing_ok=True)
            self._origin.unlink(missing_ok=True)

    @contextmanager
    def on_disk(self) -> Iterator[None]:
        """Turn the errors of work on these files, and of nothing else, into `DownloadError`."""
        try:
            yield
        except OSError as error:
            raise DownloadError(
                f"{self.target} cannot be written: {error.strerror or error}. Free some space, or get the right to "
                f"write there. {self.advice}"
            ) from error


def _fits_a_header(value: str) -> bool:
    return value.isprintable() and all(ord(letter) < 256 for letter in value)
