"""Files that appear complete or not at all."""

import os
import time
from pathlib import Path

import pytest

from gpen.atomic_file import ABANDONED, PREFIX, SUFFIX, replacing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, content: bytes, error: type[BaseException] | None = None) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        if error:
            raise error


class TestReplacing:
    def test_new_file(self, tmp_path: Path) -> None:
        with replacing(tmp_path / "file") as temporary:
            temporary.write_bytes(b"new")
            assert not (tmp_path / "file").exists()
        assert names(tmp_path) == ["file"]
        assert (tmp_path / "file").read_bytes() == b"new"

    def test_longest_name(self, tmp_path: Path) -> None:
        write(tmp_path / ("x" * 255), b"new")
        assert names(tmp_path) == ["x" * 255]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_exception_leaves_the_old_file(self, error: type[BaseException], tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        with pytest.raises(error):
            write(tmp_path / "file", b"half", error)
        assert names(tmp_path) == ["file"]
        assert (tmp_path / "file").read_bytes() == b"old"

    def test_nothing_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        with pytest.raises(FileNotFoundError), replacing(tmp_path / "file"):
            pass
        assert (tmp_path / "file").read_bytes() == b"old"

    @pytest.mark.parametrize("place", ["none/file", "folder"])
    def test_unwritable(self, place: str, tmp_path: Path) -> None:
        (tmp_path / "folder" / "inside").mkdir(parents=True)
        with pytest.raises((FileNotFoundError, IsADirectoryError, PermissionError)):
            write(tmp_path / place, b"new")
        assert names(tmp_path) == ["folder"]

    def test_two_at_once(self, tmp_path: Path) -> None:
        with replacing(tmp_path / "file") as one, replacing(tmp_path / "file") as other:
            one.write_bytes(b"one")
            other.write_bytes(b"other")
        assert names(tmp_path) == ["file"]
        assert (tmp_path / "file").read_bytes() == b"one"

    @pytest.mark.skipif(os.name == "nt", reason="Windows has other rights, and links only for administrators")
    def test_link_and_rights(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        (tmp_path / "file").chmod(0o640)
        (tmp_path / "link").symlink_to("file")
        write(tmp_path / "link", b"new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "file").read_bytes() == b"new"
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640

    @pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
    def test_rights_of_a_new_file(self, tmp_path: Path) -> None:
        (tmp_path / "usual").touch()
        write(tmp_path / "file", b"new")
        assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode

    def test_abandoned_files_go(self, tmp_path: Path) -> None:
        now = time.time()
        for name, age in (("0", 2 * ABANDONED), ("1", 60)):
            path = tmp_path / f"{PREFIX}{name}{SUFFIX}"
            path.touch()
            os.utime(path, (now - age, now - age))
        (tmp_path / "mine.tmp").touch()
        os.utime(tmp_path / "mine.tmp", (1, 1))
        write(tmp_path / "file", b"new")
        assert names(tmp_path) == [f"{PREFIX}1{SUFFIX}", "file", "mine.tmp"]
