"""Where pictures lie: folders of this machine, and every place that pyarrow's file systems open."""

import posixpath
import secrets
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, Protocol

from ..errors import SettingError
from ..image.files import write_file


class Store(Protocol):
    """A place with files. All paths are its own."""

    def read(self, path: PurePath) -> bytes:
        """A file. Raises `OSError` where it cannot be read."""
        ...

    def write(self, path: PurePath, data: bytes) -> None:
        """Write a file that appears complete or not at all. Raises `PictureError` or `OSError`."""
        ...

    def told(self, path: PurePath) -> tuple[int, int]:
        """Bytes of a file, and when it was last changed in nanoseconds. Raises `OSError` where there is none."""
        ...

    def files(self, folder: PurePath) -> list[PurePath]:
        """The files below a folder; none where there is no folder."""
        ...


class LocalStore:
    """Folders of this machine, and those it has from others."""

    def read(self, path: PurePath) -> bytes:
        return Path(path).read_bytes()

    def write(self, path: PurePath, data: bytes) -> None:
        write_file(Path(path), data)

    def told(self, path: PurePath) -> tuple[int, int]:
        found = Path(path).stat()
        return found.st_size, found.st_mtime_ns

    def files(self, folder: PurePath) -> list[PurePath]:
        return [path for path in Path(folder).rglob("*") if path.is_file()]


class ArrowStore:
    """A place of another kind, like s3://bucket or gs://bucket: objects, which are written whole or not at all.

    Args:
        filesystem: of pyarrow.
    """

    def __init__(self, filesystem: Any):
        self.filesystem = filesystem

    def read(self, path: PurePath) -> bytes:
        with self.filesystem.open_input_file(str(path)) as file:
            return file.read()

    def write(self, path: PurePath, data: bytes) -> None:
        whole = str(path)
        if self.filesystem.type_name in ("s3", "gcs", "abfs"):
            target = whole  # such objects have no folders, and appear when they are complete
        else:
            self.filesystem.create_dir(posixpath.dirname(whole), recursive=True)
            target = posixpath.join(posixpath.dirname(whole), f".gpen-{secrets.token_hex(8)}.tmp")
        with self.filesystem.open_output_stream(target) as file:
            file.write(data)
        if target != whole:
            self.filesystem.move(target, whole)

    def told(self, path: PurePath) -> tuple[int, int]:
        found = self.filesystem.get_file_info(str(path))
        if not found.is_file:
            raise FileNotFoundError(2, "No such file", str(path))
        return found.size, found.mtime_ns or 0

    def files(self, folder: PurePath) -> list[PurePath]:
        return list(self._files(folder))

    def _files(self, folder: PurePath) -> Iterator[PurePath]:
        from pyarrow import fs  # pyright: ignore[reportMissingImports]

        selector = fs.FileSelector(str(folder), allow_not_found=True, recursive=True)
        yield from (PurePath(found.path) for found in self.filesystem.get_file_info(selector) if found.is_file)


def store_of(place: str) -> tuple[Store, PurePath]:
    """Where a path or an address like s3://bucket/folder lies, and its path there.

    Raises `SettingError` for an address that cannot be opened.
    """
    if "://" not in place:
        return LocalStore(), Path(place)
    try:
        from pyarrow import fs  # pyright: ignore[reportMissingImports]

        filesystem, path = fs.FileSystem.from_uri(place)
    except ImportError as error:
        raise SettingError(
            f"{place} needs a package that is not installed: pip install 'gpen-face-restore[cluster]'"
        ) from error
    except (OSError, ValueError) as error:
        raise SettingError(f"{place} cannot be opened: {error}") from error
    return ArrowStore(filesystem), PurePath(path)
