"""Files that appear complete or not at all, whatever happens while they are written."""

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX, SUFFIX = ".gpen-", ".tmp"
"""What the names of temporary files begin and end with; between them stand random digits, because two containers that
write into one folder may have the same process numbers."""
ABANDONED = 24 * 3600
"""Seconds without a write after which a temporary file belongs to nobody any more: its program was killed."""

# What file systems answer that have no fsync; all other answers mean that the disk did not take the data.
_NO_FSYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


@contextmanager
def replacing(target: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write a new file to, which takes the name `target` once the block is left without an error.

    Until then a file of that name stays as it is; after an error it stays for good. The path lies in the target's
    folder, which has to exist, because a rename cannot cross file systems; it says nothing about the format, so tell
    it to what writes there. A link is followed and a replaced file's rights are kept, as in writing the file in place.

        with replacing(folder / "out.png") as temporary:
            image.save(temporary, format="PNG")

    What a killed program has left in the folder is removed once it is old. Raises `OSError` where the file cannot be
    written, and lets through what is raised inside the block.
    """
    target = Path(target).resolve()
    _remove_abandoned(target.parent)
    temporary = target.parent / f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
    try:
        yield temporary
        with suppress(FileNotFoundError):
            shutil.copymode(target, temporary)
        # Without it a power cut can leave the new name on an empty file.
        onto_disk(temporary)
        temporary.replace(target)
        _folder_onto_disk(target.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _remove_abandoned(folder: Path) -> None:
    before = time.time() - ABANDONED
    with suppress(OSError):  # somebody else removes them as well, or the folder is not there: writing will say so
        for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
            if path.stat().st_mtime < before:
                path.unlink()


def onto_disk(path: Path) -> None:
    """Wait until a file's content is on the disk itself. Raises `OSError` where the disk does not take it."""
    with path.open("r+b") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_FSYNC:
                raise


def _folder_onto_disk(folder: Path) -> None:
    """So that the name survives a power cut as well; Windows has no such thing and needs none."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
