"""Checkpoints that were damaged, and files that pretend to be some."""

import io
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from tests.support.hostile import TINY, bombs
from tools.comfyui import ROOT

from .conftest import Trials, of

SECONDS, MEMORY = 2.0, 300e6


class Reader:
    """A process that reads checkpoints; a new one takes the place of one that was ended."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> dict:
        """What became of a file: `result`, `seconds` and `bytes`."""
        if self.process is None:
            command = [sys.executable, "-m", "tests.faults.reader"]
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
            )
            self._line()
        assert self.process.stdin is not None
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self) -> dict:
        assert self.process is not None and self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        code, self.process = self.process.wait(), None
        raise ChildProcessError(f"the reader was ended ({code})")

    def close(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait(10)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.close()


def judge(reader: Reader, path: Path, may_be_read: bool) -> None:
    """Raises where reading a file broke a promise."""
    size = path.stat().st_size
    told = reader.read(path)
    result, seconds = told["result"], told["seconds"]
    assert result.startswith("named: ") or (may_be_read and result == "read"), result
    assert len(result) < 1500, f"a message of {len(result)} letters"
    assert seconds <= SECONDS, f"{seconds:.1f} s"
    assert told["bytes"] <= max(3 * size, MEMORY), f"{told['bytes'] / 1e6:.0f} MB for a file of {size / 1e6:.1f} MB"


def test_bombs(trials: Trials, reader: Reader, tmp_path: Path) -> None:
    """Checkpoints that would be work without end, or a program."""
    path = tmp_path / "bomb.pth"
    for index, (name, content) in enumerate(bombs()):
        if of(index % 3, 0):
            continue
        path.write_bytes(content())
        with trials.trial(name):
            judge(reader, path, may_be_read=False)
    assert [file.name for file in tmp_path.iterdir()] == ["bomb.pth"]
    assert not (ROOT / "MARK").exists()
    trials.check(of(50, 80))


def whole() -> dict[str, Callable[[], bytes]]:
    """A small network in each container."""
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in TINY.official_shapes().items()}

    def saved(zipped: bool) -> bytes:
        buffer = io.BytesIO()
        torch.save({"g_ema": tensors}, buffer, _use_new_zipfile_serialization=zipped)
        return buffer.getvalue()

    return {"zip": lambda: saved(True), "legacy": lambda: saved(False), "safetensors": lambda: save(tensors)}


def mangled(data: bytes, rng: random.Random) -> bytes:
    """The same file after something that disks, networks and people do to files."""
    at, length = rng.randrange(len(data)), rng.randrange(1, 4096)
    head = rng.randrange(min(len(data), 8192))
    match rng.randrange(9):
        case 0:
            return data[:at]
        case 1:
            return data[at:]
        case 2:
            return data[:at] + bytes(length) + data[at + length :]
        case 3:
            return data[:at] + rng.randbytes(length) + data[at + length :]
        case 4:  # what describes the tensors, which is at the beginning, and at a zip file's end
            return data[:head] + rng.randbytes(rng.randrange(1, 9)) + data[head + 8 :]
        case 5:
            end = len(data) - 1 - head
            return data[:end] + rng.randbytes(1) + data[end + 1 :]
        case 6:
            return data[:at] + data[at + length :]
        case 7:
            return data[:at] + data[max(0, at - length) : at] + data[at:]
        case _:
            flipped = bytearray(data)
            for _ in range(rng.randrange(1, 30)):
                flipped[rng.randrange(8192)] ^= 1 << rng.randrange(8)
            return bytes(flipped)


def test_mangled(trials: Trials, reader: Reader, tmp_path: Path) -> None:
    """Checkpoints that were cut, overwritten, shifted, flipped."""
    rng, path = random.Random(0), tmp_path / "mangled.pth"
    for container, make in whole().items():
        data = make()
        for number in range(of(25, 150)):
            path.write_bytes(mangled(data, rng))
            with trials.trial(f"{container} {number}"):
                judge(reader, path, may_be_read=True)  # a bit among the weights is not noticed without a hash
    trials.check(of(75, 250))
