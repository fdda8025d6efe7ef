"""Children that do one thing over and over and are killed at any moment: `python -m tests.faults.killed FOLDER COUNT`.

A process of its own, because only one whose PyTorch has not computed anything can be forked; each child then begins at
once. Prints a JSON list for each kill: what was done, and what fell or null.
"""

import hashlib
import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from gpen.atomic_file import PREFIX, replacing
from gpen.cli import main as command
from gpen.model.checkpoint import read_checkpoint, read_tensors
from gpen.restorers.verify import verify_model
from gpen.weights.catalogue import Release
from gpen.weights.convert import convert
from gpen.weights.download import fetch
from gpen.weights.record import write_record
from tests.support.networks import write_small
from tests.support.rogue import Rogue, head

CONTENTS = [b"old" * 100_000, b"new" * 300_000]
FILE = bytes(range(256)) * 2000
PUBLISHED = {"bytes": len(FILE), "sha256": hashlib.sha256(FILE).hexdigest()}
SECONDS = 0.15
"""A child lives no longer; each of the things below is done in less than that."""
RIGHT = {"source.pth", "source.safetensors", "file.pth.part", "file.pth.part.json", ".file.pth.lock"}
"""What is not written by a child, or is no result."""


def write_source(folder: Path) -> None:
    tensors, _ = read_tensors(write_small(folder / "source.safetensors"))
    torch.save(tensors, folder / "source.pth")


def _convert(folder: Path) -> None:
    convert(folder / "source.pth", folder / "target.safetensors")


def _prune(folder: Path) -> None:
    command(["prune", str(folder / "source.safetensors"), str(folder / "target.safetensors"), "--exact"])


def _verify(folder: Path) -> None:
    (folder / "source.safetensors.verified.json").unlink(missing_ok=True)
    verify_model(folder / "source.safetensors")


def _record(folder: Path) -> None:
    write_record(folder / "source.pth", "https://example.org", "0" * 64)


def _replace(folder: Path) -> None:
    for content in CONTENTS:
        with replacing(folder / "target.bin") as temporary:
            temporary.write_bytes(content)


def _download(folder: Path) -> None:
    (folder / "file.pth").unlink(missing_ok=True)
    url = (folder / "source.pth").read_text()
    fetch(Release("File", "file.pth", "detector", "free", (url,), **PUBLISHED), folder)


WORK: dict[str, Callable[[Path], None]] = {
    "convert": _convert,
    "prune": _prune,
    "verify": _verify,
    "record": _record,
    "replace": _replace,
    "download": _download,
}


def whole(path: Path) -> bool:
    """Whether a result is there from its first byte to its last."""
    match path.suffix:
        case ".safetensors":
            return read_checkpoint(path).config.size == 64
        case ".json":
            return len(json.loads(path.read_text(encoding="utf-8"))["sha256"]) == 64
        case ".bin":
            return path.read_bytes() in CONTENTS
        case _:
            return path.read_bytes() == FILE


def in_child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if not pid:
        torch.set_num_threads(1)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def check(folder: Path) -> None:
    for path in folder.iterdir():
        if not path.name.startswith(PREFIX) and path.name not in RIGHT and not whole(path):
            raise ValueError(f"{path.name} is neither old nor new")


def for_ever(work: Callable[[Path], None], folder: Path) -> None:
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    while True:
        work(folder)


def trials(name: str, folder: Path, count: int) -> Iterator[str | None]:
    """Each kill's fault, and that of a last run which nobody kills."""
    rng = random.Random(name)
    for _ in range(count):
        pid = in_child(lambda: for_ever(WORK[name], folder))
        time.sleep(rng.uniform(0, SECONDS))
        os.kill(pid, signal.SIGKILL)
        killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        sound = not os.waitpid(in_child(lambda: check(folder)), 0)[1]
        yield None if killed and sound else f"killed: {killed}, sound: {sound}"
    done = os.waitpid(in_child(lambda: (WORK[name](folder), check(folder))[0]), 0)[1]
    yield "not done by the next run" if done else None


def answer(connection: socket.socket, asked: str) -> None:
    connection.sendall(head(content_length=len(FILE)))
    for start in range(0, len(FILE), 50_000):
        connection.sendall(FILE[start : start + 50_000])
        time.sleep(0.005)


def main(folder: Path, count: int) -> None:
    with Rogue(answer) as rogue:
        for name in WORK:
            place = folder / name
            place.mkdir()
            if name == "download":
                (place / "source.pth").write_text(rogue.url)
            elif os.waitpid(in_child(lambda place=place: write_source(place)), 0)[1]:
                sys.exit(1)
            for fell in trials(name, place, count):
                print("trial:", json.dumps([name, fell]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
