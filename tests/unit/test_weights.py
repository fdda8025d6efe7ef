"""The catalogue, finding files, and downloads from a real server on this computer."""

import hashlib
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gpen.errors import CheckpointError, DownloadError, SettingError
from gpen.model.checkpoint import read_checkpoint
from gpen.model.config import GPENConfig
from gpen.weights import catalogue
from gpen.weights.catalogue import RELEASES, TASKS, Release, released, task_of
from gpen.weights.convert import convert
from gpen.weights.download import fetch
from gpen.weights.locate import default_folders, find, locate
from gpen.weights.record import record_path
from tests.support.rogue import Rogue, head


@dataclass
class Served:
    """A file on the server, and how the server behaves."""

    content: bytes
    status: int = 200
    stops_after: int | None = None
    """Bytes of the body after which the connection is closed."""
    ranges: bool = True
    etag: str = '"one"'
    length: bool = True
    moved_to: str = ""
    gate: threading.Event | None = None
    """Half of the body is held back until this is set."""


@dataclass
class Host:
    """A server on this computer: what it serves, and what it was asked for."""

    url: str
    files: dict[str, Served] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """(path, Range header) of each request."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked_range = self.headers["Range"]
            host.asked.append((self.path, asked_range))
            served = host.files.get(self.path)
            if served is None or served.status >= 400:
                self.send_error(served.status if served else 404)
                return
            if served.moved_to:
                self.send_response(302)
                self.send_header("Location", served.moved_to)
                self.end_headers()
                return
            start, body = 0, served.content
            unchanged = self.headers["If-Range"] in (None, served.etag)
            if asked_range and served.ranges and unchanged:
                start = int(asked_range.removeprefix("bytes=").removesuffix("-"))
                if start >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                body = body[start:]
            else:
                self.send_response(200)
            if served.length:
                self.send_header("Content-Length", str(len(body)))
            if served.etag:
                self.send_header("ETag", served.etag)
            self.end_headers()
            if served.stops_after is not None:
                body = body[: served.stops_after]
            half = len(body) // 2
            self.wfile.write(body[:half])
            self.wfile.flush()
            if served.gate:
                served.gate.wait(10)
            self.wfile.write(body[half:])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = Host(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield host
    server.shutdown()
    server.server_close()


def saved(content: Any) -> bytes:
    buffer = BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


WEIGHTS = saved({"body.weight": torch.randn(300, 300)})
"""Any checkpoint of 360 kB."""


def detector(host: Host, *paths: str, **known: Any) -> Release:
    """A released file that is no GPEN network, at these places of the server."""
    urls = tuple(f"{host.url}{path}" for path in paths or ("/file.pth",))
    return Release("Finder", "finder.pth", "detector", "free", urls, **known)


def names(folder: Path) -> list[str]:
    """The files in a folder; the hidden ones are empty and stay, one for each file that was asked for (its lock)."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


class Stop(OSError):
    """What a progress callback raises: an OSError, so that it must not be taken for one of the disk or the network."""


class TestFetch:
    def test_smoke(self, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS)
        seen: list[tuple[int, int | None]] = []
        path = fetch(detector(host), tmp_path / "new" / "folder", lambda done, total: seen.append((done, total)))
        assert path == tmp_path / "new" / "folder" / "finder.pth"
        assert path.read_bytes() == WEIGHTS
        assert names(path.parent) == ["finder.pth", "finder.pth.json"]
        assert seen[0] == (0, len(WEIGHTS))
        assert seen[-1] == (len(WEIGHTS), len(WEIGHTS))
        assert seen == sorted(seen)
        record = json.loads(record_path(path).read_text(encoding="utf-8"))
        assert record["sha256"] == hashlib.sha256(WEIGHTS).hexdigest()
        assert record["bytes"] == len(WEIGHTS)
        assert record["url"] == f"{host.url}/file.pth"

    def test_published_hash(self, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(b"anything at all")
        sha256 = hashlib.sha256(b"anything at all").hexdigest()
        fetch(detector(host, bytes=15, sha256=sha256), tmp_path)
        assert names(tmp_path) == ["finder.pth"]

    def test_gpen(self, host: Host, tmp_path: Path) -> None:
        shapes = GPENConfig.released(256, 1, 0.5).official_shapes()
        host.files["/file.pth"] = Served(saved({name: torch.zeros(shape).half() for name, shape in shapes.items()}))
        release = replace(released("GPEN-BFR-256"), urls=(f"{host.url}/file.pth",))  # type: ignore[type-var]
        assert read_checkpoint(fetch(release, tmp_path)).config == release.config
        # The same file is no GPEN-BFR-512.
        with pytest.raises(DownloadError, match="another GPEN network"):
            fetch(replace(released("GPEN-BFR-512"), urls=release.urls), tmp_path)  # type: ignore[type-var]
        assert names(tmp_path) == ["GPEN-BFR-256.pth", "GPEN-BFR-256.pth.json"]

    def test_lost_connection_goes_on(self, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS, stops_after=150_000)
        assert fetch(detector(host), tmp_path).read_bytes() == WEIGHTS
        assert [asked for _, asked in host.asked] == [None, "bytes=150000-", "bytes=300000-"]

    def test_lost_connection_without_ranges(self, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS, stops_after=150_000, ranges=False)
        with pytest.raises(DownloadError, match=f"lost after 150,000 of {len(WEIGHTS):,} bytes"):
            fetch(detector(host), tmp_path)
        assert not (tmp_path / "finder.pth").exists()
        assert len(host.asked) == 2  # once more, and no further because nothing new came in

    def test_without_length(self, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS, length=False)
        seen: list[int | None] = []
        assert fetch(detector(host), tmp_path, lambda done, total: seen.append(total)).read_bytes() == WEIGHTS
        assert set(seen) == {None}

    def test_without_length_cut_off(self, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS, length=False, stops_after=1000)
        with pytest.raises(DownloadError, match="damaged or incomplete"):
            fetch(detector(host), tmp_path)
        assert names(tmp_path) == []

    def interrupt(self, release: Release, folder: Path, at: int) -> None:
        def stop(done: int, total: int | None) -> None:
            if done >= at:
                raise Stop(28, "not the disk")

        with pytest.raises(Stop):
            fetch(release, folder, stop)

    def test_interrupt_and_resume(self, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS)
        self.interrupt(detector(host), tmp_path, 100_000)
        assert names(tmp_path) == ["finder.pth.part", "finder.pth.part.json"]
        assert find("finder.pth", {"gpen": [tmp_path]}) is None
        have = (tmp_path / "finder.pth.part").stat().st_size
        seen: list[int] = []
        assert fetch(detector(host), tmp_path, lambda done, total: seen.append(done)).read_bytes() == WEIGHTS
        assert host.asked[1][1] == f"bytes={have}-"
        assert seen[0] == have
        assert names(tmp_path) == ["finder.pth", "finder.pth.json"]

    @pytest.mark.parametrize("etag", ["", 'W/"weak"'])
    def test_starts_again_where_nothing_tells_that_the_rest_belongs_to_it(
        self, etag: str, host: Host, tmp_path: Path
    ) -> None:
        host.files["/file.pth"] = Served(WEIGHTS, etag=etag)
        self.interrupt(detector(host), tmp_path, 100_000)
        other = saved({"body.weight": torch.randn(300, 300)})
        assert len(other) == len(WEIGHTS)
        host.files["/file.pth"] = Served(other, etag=etag)
        assert fetch(detector(host), tmp_path).read_bytes() == other
        assert host.asked[1][1] is None

    @pytest.mark.parametrize(
        "note",
        [
            b"",
            b"\xff\xfe",
            b"[" * 100_000,
            b"[1]",
            b'{"url": 1}',
            b'{"url": "URL", "validator": "a\\r\\nRange: bytes=0-", "total": 1000000}',
            b'{"url": "URL", "validator": "\\u5b57", "total": 1000000}',
            b'{"url": "URL", "validator": "x", "total": "many"}',
            b'{"url": "URL", "validator": "x", "total": 5}',
            b'{"url": "URL", "validator": "x", "total": 1' + b"0" * 5000 + b"}",
            b'{"url": "URL", "validator": "x", "total": Infinity}',
            b'{"url": "URL", "validator": ["x"], "total": 1000000}',
        ],
    )
    def test_spoilt_note_beside_a_part(self, note: bytes, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS)
        self.interrupt(detector(host), tmp_path, 100_000)
        (tmp_path / "finder.pth.part.json").write_bytes(note.replace(b"URL", detector(host).urls[0].encode()))
        assert fetch(detector(host), tmp_path).read_bytes() == WEIGHTS

    def test_interrupt_at_the_very_end(self, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS)
        self.interrupt(detector(host), tmp_path, len(WEIGHTS))
        assert fetch(detector(host), tmp_path).read_bytes() == WEIGHTS
        assert len(host.asked) == 1

    @pytest.mark.parametrize(
        ("etag", "content"),
        [
            pytest.param('"two"', WEIGHTS[:-1] + b"x", id="etag"),
            pytest.param("", WEIGHTS + b"x", id="length"),
            pytest.param("", WEIGHTS[:50_000], id="shorter-than-the-part"),
        ],
    )
    def test_never_mixes_two_files(self, etag: str, content: bytes, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS, etag=etag and '"one"')
        release = detector(host, sha256=hashlib.sha256(content).hexdigest())
        self.interrupt(release, tmp_path, 100_000)
        host.files["/file.pth"] = Served(content, etag=etag)
        assert fetch(release, tmp_path).read_bytes() == content

    def test_mirrors_in_turn(self, host: Host, tmp_path: Path) -> None:
        host.files |= {
            "/3": Served(b"<html>Please log in</html>"),
            "/4": Served(WEIGHTS),
            "/2": Served(b"", status=503),
        }
        assert fetch(detector(host, "/1", "/2", "/3", "/4", "/5"), tmp_path).read_bytes() == WEIGHTS
        assert [path for path, _ in host.asked] == ["/1", "/2", "/3", "/4"]
        assert json.loads(record_path(tmp_path / "finder.pth").read_text(encoding="utf-8"))["url"].endswith("/4")

    def test_goes_on_with_the_mirror_it_began_with(self, host: Host, tmp_path: Path) -> None:
        host.files["/2"] = Served(WEIGHTS)
        self.interrupt(detector(host, "/1", "/2"), tmp_path, 100_000)
        host.files["/1"] = Served(b"never asked for")
        fetch(detector(host, "/1", "/2"), tmp_path)
        assert [path for path, _ in host.asked] == ["/1", "/2", "/2"]

    def test_redirect(self, host: Host, tmp_path: Path) -> None:
        host.files |= {"/file.pth": Served(b"", moved_to=f"{host.url}/there"), "/there": Served(WEIGHTS)}
        assert fetch(detector(host), tmp_path).read_bytes() == WEIGHTS

    @pytest.mark.parametrize(
        "location",
        [
            "http://[::1",
            "https://[",
            "http://127.0.0.1:port/",
            "//",
            "http://",
            "https:///file",
            "https://a..b/",
            "\x01",
        ],
    )
    def test_redirect_that_makes_no_sense_is_passed_over(self, location: str, host: Host, tmp_path: Path) -> None:
        host.files |= {"/1": Served(b"", moved_to=location), "/2": Served(WEIGHTS)}
        assert fetch(detector(host, "/1", "/2"), tmp_path).read_bytes() == WEIGHTS

    @pytest.mark.parametrize(
        "mirror", ["http://[::1", "https://", "模型", "http://127.0.0.1:1\n", "https://" + "a" * 70 + ".org"]
    )
    def test_mirror_that_makes_no_sense_is_passed_over(
        self, mirror: str, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host.files["/file.pth"] = Served(WEIGHTS)
        monkeypatch.setenv("GPEN_MIRROR", mirror)
        assert fetch(detector(host), tmp_path).read_bytes() == WEIGHTS

    def test_mirror_in_other_letters(self, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        host.files["/%E6%A8%A1%E5%9E%8B/a%20b/finder.pth"] = Served(WEIGHTS)
        monkeypatch.setenv("GPEN_MIRROR", f"{host.url}/模型/a%20b/")
        assert fetch(replace(detector(host), urls=()), tmp_path).read_bytes() == WEIGHTS

    def test_two_at_once(self, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gpen.weights.download.POLL", 0.01)
        gate = threading.Event()
        host.files["/file.pth"] = Served(WEIGHTS, gate=gate)
        got: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: got.append(fetch(detector(host), tmp_path).read_bytes())) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        gate.set()
        for thread in threads:
            thread.join()
        assert got == [WEIGHTS] * 3
        assert len(host.asked) == 1
        assert names(tmp_path) == ["finder.pth", "finder.pth.json"]

    def test_interrupt_while_another_downloads(self, host: Host, tmp_path: Path) -> None:
        gate = threading.Event()
        host.files["/file.pth"] = Served(WEIGHTS, gate=gate)
        first = threading.Thread(target=lambda: fetch(detector(host), tmp_path))
        first.start()
        while not host.asked:
            time.sleep(0.01)
        self.interrupt(detector(host), tmp_path, 0)
        gate.set()
        first.join()
        assert len(host.asked) == 1
        assert (tmp_path / "finder.pth").read_bytes() == WEIGHTS


class TestFetchException:
    """Each error names the file, why each mirror failed, the folder and the links; nothing wrong stays on disk."""

    def message(self, release: Release, folder: Path) -> str:
        with pytest.raises(DownloadError) as caught:
            fetch(release, folder)
        text = str(caught.value)
        assert release.file in text
        assert str(folder) in text
        assert all(url in text for url in release.urls)
        assert not folder.is_dir() or names(folder) == []
        return text

    def test_offline(self, host: Host, tmp_path: Path) -> None:
        release = replace(detector(host), urls=("http://127.0.0.1:1/file.pth", "https://no-such-host.invalid/file.pth"))
        text = self.message(release, tmp_path)
        assert text.count("cannot be reached") == 2

    def test_offline_keeps_the_part(self, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS)
        TestFetch().interrupt(detector(host), tmp_path, 100_000)
        with pytest.raises(DownloadError):
            fetch(replace(detector(host), urls=("http://127.0.0.1:1/file.pth",)), tmp_path)
        assert fetch(detector(host), tmp_path).read_bytes() == WEIGHTS
        assert host.asked[-1][1] is not None

    def test_not_found(self, host: Host, tmp_path: Path) -> None:
        assert "404" in self.message(detector(host), tmp_path)

    def test_wrong_hash(self, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(WEIGHTS)
        assert "expected SHA-256 000" in self.message(detector(host, sha256="0" * 64), tmp_path)

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b"<!DOCTYPE html><html>Sign in</html>", "a web page"),
            (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
            (b"", "an empty file"),
            (WEIGHTS[:-100], "damaged"),
            (saved([1, 2, 3]), "found a list"),
        ],
    )
    def test_wrong_content(self, content: bytes, found: str, host: Host, tmp_path: Path) -> None:
        host.files["/file.pth"] = Served(content)
        assert found in self.message(detector(host), tmp_path)

    def test_wrong_shapes(self, host: Host, tmp_path: Path) -> None:
        shapes = GPENConfig.released(64, narrow=1 / 64).official_shapes()
        tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
        host.files |= {"/small": Served(saved(tensors)), "/foreign": Served(WEIGHTS)}
        urls = (f"{host.url}/small", f"{host.url}/foreign")
        text = self.message(replace(RELEASES[0], urls=urls), tmp_path)
        assert "another GPEN network (of 64 pixels)" in text
        assert "not a GPEN checkpoint" in text

    @pytest.mark.parametrize("url", ["http://example.com/file.pth", "file:///etc/passwd", "ftp://127.0.0.1/file.pth"])
    def test_https_only(self, url: str, host: Host, tmp_path: Path) -> None:
        assert "not an https link" in self.message(replace(detector(host), urls=(url,)), tmp_path)
        host.files["/file.pth"] = Served(b"", moved_to=url)
        text = self.message(detector(host), tmp_path)
        assert "not an https link" in text or "not allowed" in text

    @pytest.mark.parametrize("file", ["../finder.pth", "sub/finder.pth", "/tmp/finder.pth", ""])
    def test_file_names_stay_in_the_folder(self, file: str, host: Host, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match="not a plain file name"):
            fetch(replace(detector(host), file=file), tmp_path)

    def test_unwritable_folder(self, host: Host, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        host.files["/file.pth"] = Served(WEIGHTS)
        assert "cannot be written" in self.message(detector(host), tmp_path / "file" / "folder")


class TestFetchFromARogue:
    """Servers that say nothing, say it slowly, or do not stop."""

    @pytest.fixture(autouse=True)
    def direct(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    @pytest.mark.parametrize(
        ("before", "seconds"),
        [
            pytest.param(b"", None, id="silent"),
            pytest.param(b"", 0.05, id="dripping-head"),
            pytest.param(head(content_length=1 << 20), None, id="silent-body"),
            pytest.param(head(content_length=1 << 20) + bytes(1000), 0.05, id="dripping-body"),
            pytest.param(head(transfer_encoding="chunked") + b"100000\r\n", 0.05, id="dripping-chunk"),
            pytest.param(head(302, location="/there"), 0.05, id="dripping-redirect"),
        ],
    )
    def test_cancel_takes_less_than_a_second(self, before: bytes, seconds: float | None, tmp_path: Path) -> None:
        def answer(connection: socket.socket, asked: str) -> None:
            connection.sendall(b"" if "/there" in asked else before)
            if seconds is None:
                rogue.over.wait(30)
            else:
                rogue.drip(connection, bytes(1000) if before and "/there" not in asked else head(x="y" * 1000), seconds)

        cancelled = time.monotonic() + 0.5

        def stop(done: int, total: int | None) -> None:
            if time.monotonic() > cancelled:
                raise Stop

        with Rogue(answer) as rogue:
            with pytest.raises(Stop):
                fetch(Release("Finder", "finder.pth", "detector", "free", (rogue.url,)), tmp_path, stop)
            assert time.monotonic() < cancelled + 1

    @pytest.mark.parametrize("known", [{}, {"bytes": 1 << 20, "sha256": "0" * 64}], ids=["unknown", "published"])
    @pytest.mark.parametrize(
        "start",
        [head(), head(content_length=1 << 50), head(206, content_range="bytes 0-1/2")],
        ids=["no", "huge", "206"],
    )
    def test_body_without_end(
        self, known: dict[str, Any], start: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def answer(connection: socket.socket, asked: str) -> None:
            connection.sendall(start)
            while not rogue.over.is_set():
                connection.sendall(bytes(1 << 16))

        monkeypatch.setattr("gpen.weights.download.MOST_BYTES", 2 << 20)
        seen: list[int] = []
        with Rogue(answer) as rogue:
            release = Release("Finder", "finder.pth", "detector", "free", (rogue.url,), **known)
            with pytest.raises(DownloadError, match=r"no end|another file|changed"):
                fetch(release, tmp_path, lambda done, total: seen.append(done))
        assert max(seen, default=0) <= 2 << 20
        assert names(tmp_path) == []

    def test_redirect_without_end(self, tmp_path: Path) -> None:
        def answer(connection: socket.socket, asked: str) -> None:
            if "/there" in asked:
                connection.sendall(head(content_length=len(WEIGHTS)) + WEIGHTS)
                return
            connection.sendall(head(302, location="/there"))
            while not rogue.over.is_set():
                connection.sendall(bytes(1 << 16))

        with Rogue(answer) as rogue:
            fetch(Release("Finder", "finder.pth", "detector", "free", (rogue.url,)), tmp_path)
        assert (tmp_path / "finder.pth").read_bytes() == WEIGHTS

    def test_disk_without_room(self, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        host.files["/file.pth"] = Served(WEIGHTS)
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(DownloadError, match=f"needs {len(WEIGHTS):,} bytes, and 1,000 are free"):
            fetch(detector(host), tmp_path)
        assert (tmp_path / "finder.pth.part").exists() is False


class TestFind:
    def test_names(self, tmp_path: Path) -> None:
        ours, other = tmp_path / "ours", tmp_path / "other"
        folders = {"gpen": [ours, other], "detector": [tmp_path / "detectors"]}
        for path in (
            other / "GPEN-BFR-512.pth",
            other / "sub" / "mine.pth",
            tmp_path / "detectors" / "detection_Resnet50_Final.pth",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert find("GPEN-BFR-512", folders) == other / "GPEN-BFR-512.pth"
        assert find("gpen-bfr-512.pth", folders) == other / "GPEN-BFR-512.pth"
        assert find("sub/mine.pth", folders) == other / "sub" / "mine.pth"
        assert find(str(other / "sub" / "mine.pth"), folders) == other / "sub" / "mine.pth"
        assert find(other / "sub" / "mine.pth") == other / "sub" / "mine.pth"
        assert find("detection_Resnet50_Final", folders) == tmp_path / "detectors" / "detection_Resnet50_Final.pth"
        assert find("parsing_parsenet", folders) is None
        assert find("GPEN-BFR-256", folders) is None
        (ours / "GPEN-BFR-512.safetensors").parent.mkdir()
        (ours / "GPEN-BFR-512.safetensors").touch()
        assert find("GPEN-BFR-512", folders) == other / "GPEN-BFR-512.pth"
        (other / "GPEN-BFR-512.pth").unlink()
        assert find("GPEN-BFR-512", folders) == ours / "GPEN-BFR-512.safetensors"

    def test_stays_in_the_folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "secret.pth").touch()
        monkeypatch.chdir("/")
        assert find("../secret.pth", {"gpen": [tmp_path / "models"]}) is None
        assert find("", {"gpen": [tmp_path]}) is None

    def test_default_folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GPEN_MODELS", str(tmp_path))
        (tmp_path / "GPEN-BFR-512.pth").touch()
        assert find("GPEN-BFR-512") == tmp_path / "GPEN-BFR-512.pth"
        monkeypatch.delenv("GPEN_MODELS")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert default_folders()["gpen"] == [tmp_path / "cache" / "gpen"]
        assert not (tmp_path / "cache").exists()

    def test_preview_is_only_the_preview(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        preview = tmp_path / "gpen-preview-256.safetensors"
        monkeypatch.setattr("gpen.weights.locate.PREVIEW", preview)
        (tmp_path / "preview").touch()
        assert find("preview", {"gpen": [tmp_path]}) is None
        with pytest.raises(DownloadError, match="preview"):
            locate("preview", {"gpen": [tmp_path]})
        preview.touch()
        assert locate("preview", {}) == preview
        assert find("GPEN-BFR-256", {"gpen": [tmp_path]}) is None


class TestLocate:
    @pytest.fixture
    def release(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> Release:
        """A file in the catalogue that lies on our own server."""
        host.files["/file.pth"] = Served(WEIGHTS)
        monkeypatch.setattr(catalogue, "RELEASES", (detector(host),))
        return detector(host)

    def test_downloads_once(self, release: Release, host: Host, tmp_path: Path) -> None:
        folders = {"detector": [tmp_path / "first", tmp_path / "second"]}
        assert locate("Finder", folders) == tmp_path / "first" / "finder.pth"
        assert locate("finder.pth", folders) == tmp_path / "first" / "finder.pth"
        assert len(host.asked) == 1

    def test_no_download(self, release: Release, host: Host, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match=re.escape(release.urls[0])) as caught:
            locate("Finder", {"detector": [tmp_path / "models"]}, download=False)
        assert str(tmp_path / "models") in str(caught.value)
        assert not host.asked
        assert not (tmp_path / "models").exists()

    @pytest.mark.parametrize("name", ["GPEN-BFR-4096", "nowhere/GPEN-BFR-512.pth", "/nowhere/GPEN-BFR-512.pth", ""])
    def test_unknown_name(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match="GPEN-BFR-512, ") as caught:
            locate(name, {"gpen": [tmp_path]})
        assert repr(name) in str(caught.value)
        assert str(tmp_path) in str(caught.value)

    def test_touched_file_is_hashed_once(
        self, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = locate("Finder", {"detector": [tmp_path]})
        os.utime(path, (1, 1))
        assert locate("Finder", {"detector": [tmp_path]}) == path
        monkeypatch.setattr("gpen.weights.record.sha256_of", pytest.fail)
        assert locate("Finder", {"detector": [tmp_path]}) == path

    @pytest.mark.parametrize("change", [lambda b: b + b"x", lambda b: b[:-1] + b"x"], ids=["size", "content"])
    def test_changed_file(self, change: Callable[[bytes], bytes], release: Release, tmp_path: Path) -> None:
        path = locate("Finder", {"detector": [tmp_path]})
        path.write_bytes(change(WEIGHTS))
        os.utime(path, (1, 1))
        for name in ("Finder", str(path)):
            with pytest.raises(DownloadError, match="not the file as it was when it was downloaded"):
                locate(name, {"detector": [tmp_path]})
        record_path(path).unlink()
        assert locate("Finder", {"detector": [tmp_path]}) == path

    def test_unreadable_record(self, release: Release, tmp_path: Path) -> None:
        path = locate("Finder", {"detector": [tmp_path]})
        record_path(path).write_text("{}", encoding="utf-8")
        with pytest.raises(DownloadError, match="cannot be read"):
            locate("Finder", {"detector": [tmp_path]})

    @pytest.mark.parametrize("name", ["face_detection_yunet_2023mar.onnx", "detection_mobilenet0.25_Final.pth"])
    def test_published_hash(self, name: str, shared: Path, tmp_path: Path) -> None:
        assert locate(name, {"detector": [shared / "weights"]}) == shared / "weights" / name
        (tmp_path / name).write_bytes((shared / "weights" / name).read_bytes()[:-1] + b"x")
        with pytest.raises(DownloadError, match="as published"):
            locate(name, {"detector": [tmp_path]})


class TestCatalogue:
    def test_entries(self) -> None:
        assert len({release.name.lower() for release in RELEASES}) == len(RELEASES)
        assert len({file.lower() for release in RELEASES for file in release.files}) == sum(
            len(release.files) for release in RELEASES
        )
        for release in RELEASES:
            assert Path(release.file).name == release.file
            assert release.urls
            assert all(url.startswith("https://") for url in release.urls)
            assert (release.config is not None) == (release.kind == "gpen")
            # Only checkpoints can be checked by their structure.
            assert release.sha256 or release.file.endswith(".pth")

    def test_configurations(self, shared: Path) -> None:
        text = (shared / "golden" / "released_tensor_shapes.json").read_text(encoding="utf-8")
        networks = {release.name: release for release in RELEASES if release.kind == "gpen"}
        assert networks.keys() == json.loads(text).keys()
        for name, known in json.loads(text).items():
            shapes = {key: tuple(shape) for key, shape in known["tensors"].items()}
            assert networks[name].config == GPENConfig.from_shapes(shapes)

    def test_task_of(self) -> None:
        assert task_of("somewhere/GPEN-Colorization-1024.pth") == "colorization"
        assert task_of("gpen-seg2face-512.safetensors") == "segmentation"
        assert task_of("mine.pth") == "restoration"
        assert task_of("mine.pth", {"task": "inpainting"}) == "inpainting"
        assert task_of("GPEN-Inpainting-1024.pth", {"task": "nonsense"}) == "inpainting"


class TestConvert:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        shapes = GPENConfig.released(32, narrow=1 / 64, style_dim=16, mapping_layers=2).official_shapes()
        tensors = {f"module.{name}": torch.randn(shape) for name, shape in shapes.items()}
        path = tmp_path / "GPEN-Inpainting-1024.pth"
        torch.save({"g_ema": {**tensors, "ecd1.0.0.kernel": torch.ones(4, 4)}}, path)
        return path

    def test_round_trip(self, source: Path, tmp_path: Path) -> None:
        convert(source, tmp_path / "new.safetensors")
        before, after = read_checkpoint(source), read_checkpoint(tmp_path / "new.safetensors")
        assert before.config == after.config
        assert before.tensors.keys() == after.tensors.keys()
        assert all(torch.equal(after.tensors[name], tensor) for name, tensor in before.tensors.items())
        assert after.metadata["task"] == "inpainting"
        assert after.metadata["name"] == "GPEN-Inpainting-1024"
        assert after.metadata["source"].startswith("https://")
        assert "non-commercial" in after.metadata["license"]

    @pytest.mark.parametrize("task", TASKS)
    def test_task_and_metadata_are_kept(self, task: Any, source: Path, tmp_path: Path) -> None:
        convert(source.rename(tmp_path / "mine.pth"), tmp_path / "once.safetensors", task)
        convert(tmp_path / "once.safetensors", tmp_path / "twice.safetensors")
        metadata = read_checkpoint(tmp_path / "twice.safetensors").metadata
        assert metadata["task"] == task
        assert metadata["source"] == "mine.pth"

    def test_target_exists(self, source: Path, tmp_path: Path) -> None:
        convert(source, tmp_path / "new.safetensors")
        convert(source, tmp_path / "new.safetensors", "colorization")
        assert read_checkpoint(tmp_path / "new.safetensors").metadata["task"] == "colorization"
        with pytest.raises(SettingError, match="onto itself"):
            convert(tmp_path / "new.safetensors", tmp_path / "new.safetensors")

    def test_exception(self, source: Path, tmp_path: Path) -> None:
        with pytest.raises(SettingError, match="safetensors"):
            convert(source, tmp_path / "new.pth")
        with pytest.raises(SettingError, match="restoration, "):
            convert(source, tmp_path / "new.safetensors", "painting")  # type: ignore[arg-type]
        (tmp_path / "page.pth").write_bytes(b"<html>")
        with pytest.raises(CheckpointError):
            convert(tmp_path / "page.pth", tmp_path / "new.safetensors")
        assert not (tmp_path / "new.safetensors").exists()
