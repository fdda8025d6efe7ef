"""Servers that cut, lie, drip and do not stop."""

import hashlib
import io
import json
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen.errors import DownloadError
from gpen.weights.catalogue import Release
from gpen.weights.download import fetch
from tests.support.rogue import Rogue, head

from .conftest import Trials, of


def _saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"body.weight": torch.arange(20_000).float()}, buffer)
    return buffer.getvalue()


FILE = _saved()
OTHER = FILE[:-3000] + bytes(reversed(FILE[-3000:]))
SECONDS = 5.0

numbers = st.sampled_from([0, 1, len(FILE) - 1, len(FILE), len(FILE) + 1, 1 << 33, -1, 10**30])
words = st.one_of(st.text(max_size=20), st.sampled_from(["", "x", "字", "\r", "[", "9" * 5000, "bytes", "\x00"]))
places = st.one_of(
    words,
    st.sampled_from(
        ["http://[::1", "//", "http:///x", "file:///etc/passwd", "/again", "https://127.0.0.1:1/", "http://a.b:x/"]
    ),
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "content_length": st.one_of(numbers, words),
        "content_range": st.one_of(
            words, st.builds("bytes {}-{}/{}".format, numbers, numbers, st.one_of(numbers, st.just("*")))
        ),
        "etag": st.one_of(words, st.sampled_from(['"one"', '"two"', 'W/"one"'])),
        "last_modified": words,
        "transfer_encoding": st.sampled_from(["chunked", "gzip", "x"]),
        "content_encoding": st.sampled_from(["gzip", "br"]),
        "location": places,
    },
)
statuses = st.sampled_from([200, 200, 200, 206, 206, 204, 100, 301, 302, 304, 401, 404, 416, 429, 500, 503, 0, 999])
bodies = st.one_of(
    st.sampled_from([FILE, FILE, OTHER, b"", b"<html>", FILE + b"more", FILE[:70_000]]),
    st.binary(max_size=2000),
    st.builds(lambda cut: FILE[:cut], st.integers(0, len(FILE))),
    st.builds(lambda cut: FILE[cut:], st.integers(0, len(FILE))),
    st.builds(
        lambda data, size: f"{size}\r\n".encode() + data + b"\r\n0\r\n\r\n", st.just(FILE), st.one_of(numbers, words)
    ),
)
answers = st.tuples(st.one_of(st.binary(max_size=300), st.builds(lambda s, h: head(s, **h), statuses, headers)), bodies)


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("gpen.weights.download.MOST_BYTES", 1 << 20)
    monkeypatch.setattr("gpen.weights.connection.TIMEOUT", 2.0)


def test_lies(trials: Trials, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Downloads from servers that cut and lie."""

    @settings(max_examples=of(60, 400))
    @given(told=st.lists(answers, min_size=1, max_size=4), known=st.booleans(), cut=st.booleans())
    def lie(told: list[tuple[bytes, bytes]], known: bool, cut: bool) -> None:
        turns = iter(told)

        def answer(connection: socket.socket, asked: str) -> None:
            start, body = next(turns, told[-1])
            connection.sendall(start + body)

        folder = tmp_path_factory.mktemp("models")
        published = {"bytes": len(FILE), "sha256": hashlib.sha256(FILE).hexdigest()} if known else {}
        with trials.trial(f"{told!r:.300}", DownloadError), Rogue(answer) as rogue:
            if cut:  # what an earlier run left
                (folder / "file.pth.part").write_bytes(OTHER[:90_000])
                note = {"url": rogue.url, "validator": '"one"', "total": len(FILE)}
                (folder / "file.pth.part.json").write_text(json.dumps(note))
            begun = time.monotonic()
            try:
                path = fetch(Release("File", "file.pth", "detector", "free", (rogue.url,), **published), folder)
                assert not known or path.read_bytes() == FILE, "a file other than the published one"
            finally:
                assert time.monotonic() - begun < SECONDS, "too long"
                check_folder(folder)

    lie()
    trials.check(of(60, 300))


def check_folder(folder: Path) -> None:
    """Only complete files have a name, and nothing lies anywhere else."""
    names = {path.name for path in folder.iterdir()} - {".file.pth.lock"}
    assert names <= {"file.pth", "file.pth.json", "file.pth.part", "file.pth.part.json"}, names
    assert not {"file.pth", "file.pth.part"} <= names, names


class Stop(Exception):
    """A cancel."""


def test_cancel(trials: Trials, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cancels of a download from a server that is silent or drips, within a second."""
    pieces = [b"", b"HTTP/1.1 2", head(content_length=1 << 19), head(), head(content_length=1 << 19) + FILE[:5000]]
    pieces += [
        head(302, location="/x"),
        head(transfer_encoding="chunked"),
        head(transfer_encoding="chunked") + b"ffff\r\n",
    ]
    for number in range(of(16, 48)):
        start, seconds = pieces[number % len(pieces)], (None, 0.01, 0.3)[number // len(pieces) % 3]
        wanted = 0.1 + 0.1 * (number % 5)

        def answer(
            connection: socket.socket, asked: str, start: bytes = start, seconds: float | None = seconds
        ) -> None:
            connection.sendall(b"" if "/x" in asked else start)
            if seconds is None:
                rogue.over.wait(20)
            else:
                rogue.drip(connection, bytes(2000), seconds)

        folder = tmp_path_factory.mktemp("models")
        cancelled = time.monotonic() + wanted

        def on_progress(done: int, total: int | None, cancelled: float = cancelled) -> None:
            if time.monotonic() > cancelled:
                raise Stop

        with trials.trial(f"{start!r}, {seconds}", DownloadError), Rogue(answer) as rogue:
            with suppress(Stop):
                fetch(Release("File", "file.pth", "detector", "free", (rogue.url,)), folder, on_progress)
            took = time.monotonic() - cancelled
            assert took < 1, f"{took:.1f} s"
    trials.check(of(16, 48))
