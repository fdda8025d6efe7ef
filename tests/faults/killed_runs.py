"""`gpen restore` killed at random moments and gone on with: `python -m tests.faults.killed_runs FOLDER KIND KILLS`.

Each run is a child of a process that has everything imported and computed nothing, so that it begins at once. Killed,
it is run again, and killed again somewhere in what remains, until a kill comes too late; then the next chain of runs
begins, every other one over an earlier result. Segments of films are `SEGMENT` frames long instead of 120; all else is
the very command. Prints a JSON list for each kill and each end: what it was, and what fell or null; and last what was
seen.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import gpen.cli.restore
import gpen.faces.detectors.mtcnn  # noqa: F401 (here, and not in each child)
from gpen.atomic_file import PREFIX
from gpen.cli import main as command
from gpen.folder.record import FOLDER, entry_from
from gpen.video import parts, write
from tests.support.films import decoded, shaken, sound_of, stamps_of, write_film
from tests.support.networks import write_small

from .killed import in_child

FRAMES, SEGMENT = 12, 4
ENDINGS = (".png", ".jpg", ".webp", ".tiff")
EARLIER = b"an earlier result"


def _film(folder: Path) -> list[str]:
    write_film(folder / "film.mp4", shaken(FRAMES))
    return [str(folder / "film.mp4"), "--output", str(folder / "out" / "film.mp4")]


def _folder(folder: Path) -> list[str]:
    (folder / "in").mkdir()
    for index, picture in enumerate(shaken(FRAMES)):
        Image.fromarray(picture).save(folder / "in" / f"{index:02}{ENDINGS[index % len(ENDINGS)]}")
    return [str(folder / "in"), "--output", str(folder / "out")]


KINDS: dict[str, Callable[[Path], list[str]]] = {"film": _film, "folder": _folder}


def prepare(kind: str, folder: Path) -> None:
    """What is to be restored, by whom, and the arguments that say so."""
    model = write_small(folder / "small.safetensors")
    said = ["restore", *KINDS[kind](folder), "--model", str(model), "--device", "cpu", "--resume"]
    (folder / "said.json").write_text(json.dumps(said))


def run(folder: Path) -> None:
    """The command, to its end."""
    parts.SEGMENT = write.SEGMENT = SEGMENT
    cv2.setNumThreads(1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    if command(json.loads((folder / "said.json").read_text())):
        raise RuntimeError("the command failed")


def ended(work: Callable[[], None]) -> bool:
    return not os.waitpid(in_child(work), 0)[1]


def results(out: Path) -> dict[str, bytes]:
    """The files that a person sees."""
    paths = [path for path in out.rglob("*") if path.is_file()]
    shown = {path.relative_to(out): path for path in paths}
    return {str(place): path.read_bytes() for place, path in shown.items() if not str(place).startswith(".")}


def progress(out: Path) -> tuple[int, int]:
    """Frames that were looked at and those that are coded; or pictures that are written down, twice."""
    folder = out / ".film.mp4.gpen-parts"
    if folder.is_dir():
        coded = sum(path.name.isdigit() for path in folder.iterdir())
        return len(parts.read_seen(folder / "faces.jsonl")[0]), coded * SEGMENT
    lines = [line for path in out.glob(f"{FOLDER}/*.jsonl") for line in path.read_text("utf-8").splitlines()]
    done = sum(entry_from(line) is not None for line in lines)
    return done, done


def check(folder: Path, wanted: Path) -> None:
    """Every file is an earlier result, or a new one from its first byte to its last; so are the parts of a film."""
    whole = results(wanted)
    for place, data in results(folder / "out").items():
        if data not in (EARLIER, whole[place]):
            raise ValueError(f"{place} is neither old nor new")
    hidden = folder / "out" / ".film.mp4.gpen-parts"
    for path in hidden.iterdir() if hidden.is_dir() else ():
        if path.name.isdigit() and len(decoded(path)) != SEGMENT:
            raise ValueError(f"segment {path.name} is not whole")
        if path.name not in ("faces.jsonl", "job.json") and not path.name.isdigit() and PREFIX not in path.name:
            raise ValueError(f"{path.name} was left behind")


def check_end(folder: Path, wanted: Path) -> None:
    """All results are those of a run that nobody killed, and a film has the sound and the time stamps of its source."""
    if results(folder / "out") != results(wanted):
        raise ValueError("the results are others than those of a run that nobody killed")
    film, done = folder / "film.mp4", folder / "out" / "film.mp4"
    if not film.is_file():
        return
    if sound_of(film) != sound_of(done) or stamps_of(film) != stamps_of(done):
        raise ValueError("sound or time stamps have changed")
    pairs = zip(decoded(done), decoded(wanted / "film.mp4"), strict=True)
    if not all(np.array_equal(a.to_ndarray(), b.to_ndarray()) for a, b in pairs):
        raise ValueError("the frames are others than those of a run that nobody killed")


def begin(folder: Path, wanted: Path, over: bool) -> None:
    """Nothing done yet; `over`: earlier results lie where the new ones go."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    for place in results(wanted) if over else ():
        (folder / "out" / place).write_bytes(EARLIER)


def chains(
    folder: Path, wanted: Path, takes: float, kills: int, seen: Counter[str]
) -> Iterator[tuple[str, str | None]]:
    """Each kill's fault and each end's; `takes` are the seconds of a run that nobody kills."""
    rng, left = random.Random(kills), kills
    while left:
        begin(folder, wanted, over=bool(seen["runs to the end"] % 2))
        killed = True
        while killed and left:
            before = sum(progress(folder / "out"))
            pid = in_child(lambda: run(folder))
            time.sleep(rng.uniform(0, takes))
            os.kill(pid, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            killed = status == -signal.SIGKILL
            if killed:
                left -= 1
                seen["kills"] += 1
                seen["after new work"] += sum(progress(folder / "out")) > before
                yield "killed", None if ended(lambda: check(folder, wanted)) else "a file is neither old nor new"
            elif status:
                yield "killed", f"exit code {status}"
        # Where the last kill came too late, its run has ended the work.
        whole = (not killed or ended(lambda: run(folder))) and ended(lambda: check_end(folder, wanted))
        seen["runs to the end"] += 1
        seen["equal to the byte"] += whole
        yield "gone on with", None if whole else "the end is another than that of a run that nobody killed"


def main(folder: Path, kind: str, kills: int) -> None:
    wanted, seen = folder / "wanted", Counter[str]()
    if not ended(lambda: prepare(kind, folder)):
        sys.exit(1)
    (folder / "out").mkdir()
    started = time.monotonic()
    if not ended(lambda: run(folder)):
        sys.exit(1)
    takes = time.monotonic() - started
    (folder / "out").rename(wanted)
    for trial in chains(folder, wanted, takes, kills, seen):
        print("trial:", json.dumps([f"{kind}: {trial[0]}", trial[1]]), flush=True)
    print("seen:", json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
