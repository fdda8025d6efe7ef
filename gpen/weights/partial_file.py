"""A file that is still coming in, and where it comes from."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import DownloadError


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
        """Where the part on disk comes from; None where there is none, or nobody knows."""
        try:
            return Origin(**json.loads(self._origin.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def begin(self, origin: Origin) -> None:
        """Start anew with nothing."""
        self.discard()  # first, so that old bytes never stand beside a new origin
        with self.on_disk():
            self._origin.write_text(json.dumps(asdict(origin)), encoding="utf-8")

    def finish(self) -> None:
        """Give the complete file its name."""
        with self.on_disk():
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
