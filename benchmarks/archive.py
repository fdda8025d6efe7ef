"""`python -m benchmarks.archive`: what files and folders cost beside the restoring, and how many files come back whole.

Two tables: seconds to read a picture, and to write it with all it carries; pictures a second that a folder run looks
at, does and skips with a network that does nothing. With `--frames` instead: the memory and time that films of several
lengths take, each in a process of its own, with a small network. With `--kills` instead: a folder and a film that are
killed at so many random moments each, and gone on with.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage import data
from torch import Tensor

from benchmarks.table import machine
from gpen.faces.face import Faces
from gpen.folder.plan import plan_for
from gpen.folder.run import FolderSettings, remaining, run
from gpen.image.files import read_picture, write_picture
from tests.support.films import Shaken, sound_of, stamps_of, write_film
from tests.support.measure import interleaved
from tools.comfyui import ROOT

FORMATS = ("png", "jpg", "webp", "tiff")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive", description=__doc__)
    parser.add_argument("--side", type=int, default=2048, help="of the pictures, in pixels (default: %(default)s)")
    parser.add_argument("--files", type=int, default=2000, help="in the folder (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="timed runs (default: %(default)s)")
    parser.add_argument("--frames", type=int, nargs="*", default=[], help="of films of 640×360, such as 300 3000")
    parser.add_argument("--kills", type=int, default=0, help="of a folder run and of a film, such as 50")
    said = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if said.frames:
            _films(Path(folder), said.frames)
            return
        if said.kills:
            _kills(Path(folder), said.kills)
            return
        print(f"{said.side}×{said.side} photograph, one thread\n")
        _formats(Path(folder), said.side, said.runs)
        print(f"\nfolder of {said.files} pictures of 64×64\n")
        _folder(Path(folder), said.files)


def _formats(folder: Path, side: int, runs: int) -> None:
    pixels = cv2.resize(data.astronaut(), (side, side), interpolation=cv2.INTER_CUBIC)
    picture = torch.from_numpy(pixels.astype(np.float32) / 255)[None]
    changed = picture.clone()
    changed[:, :50] = 1 - changed[:, :50]
    calls: dict[str, Callable[[], object]] = {}
    for suffix in FORMATS:
        path = write_picture(folder / f"in.{suffix}", picture, quality=90).path
        read = read_picture(path)
        calls[f"{suffix}: read"] = lambda path=path: read_picture(path).rgb
        calls[f"{suffix}: write"] = lambda path=path, read=read: write_picture(path, changed, like=read)
        calls[f"{suffix}: copy"] = lambda path=path, read=read: write_picture(path, picture, like=read)
        calls[f"{suffix}: OpenCV reads"] = lambda path=path: cv2.imread(str(path))
    print("| what | ms | spread |\n|---|---|---|")
    for name, timing in interleaved(calls, runs).items():
        print(f"| {name} | {timing.median * 1000:.0f} | {timing.spread * 1000:.0f} |")


def _folder(folder: Path, files: int) -> None:
    (folder / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    done, encoded = cv2.imencode(".jpg", pixels)
    assert done
    for index in range(files):
        (folder / "in" / f"{index:06}.jpg").write_bytes(encoded.tobytes())

    def invert(picture: Tensor) -> tuple[Tensor, Faces]:
        return 1 - picture, Faces((), 64, 64, 1)

    def plan():
        return plan_for([folder / "in"], folder / "out")

    steps: dict[str, Callable[[], object]] = {
        "planned": plan,
        "done": lambda: list(run(plan(), invert, {})),
        "found done": lambda: remaining(plan(), {}, FolderSettings(), overwrite=False),
        "skipped": lambda: list(run(plan(), invert, {})),
    }
    print("| what | pictures a second |\n|---|---|")
    for name, call in steps.items():
        started = time.perf_counter()
        call()
        print(f"| {name} | {files / (time.perf_counter() - started):.0f} |")


FILM = """
import resource, sys, time
from pathlib import Path
import gpen
from gpen.faces.alignment import template
from tests.support.detectors import Fixed
from tests.support.networks import write_small
folder, frames = Path(sys.argv[1]), sys.argv[2]
model = gpen.load_model(write_small(folder / "small.safetensors"), device="cpu")
detector = Fixed(gpen.Face(0, (230, 90, 410, 270), template(180) + [230, 90], 0.9))
started = time.perf_counter()
done = gpen.restore_video(model, folder / f"{frames}.mp4", folder / f"{frames}.out.mp4", detector=detector)
seconds = time.perf_counter() - started
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
print(f"| {done.frames} | {megabytes:.0f} | {seconds:.0f} |")
"""


def _films(folder: Path, lengths: list[int]) -> None:
    print(f"{machine(torch.device('cpu'))}\n")
    print("films of 640×360 with one face\n\n| frames | most memory, MB | s |\n|---|---|---|", flush=True)
    scene = np.asarray(cv2.resize(data.astronaut()[:288], (640, 360), interpolation=cv2.INTER_AREA), np.uint8)
    told: list[str] = []
    for length in lengths:
        source, result = (folder / f"{length}{ending}" for ending in (".mp4", ".out.mp4"))
        write_film(source, Shaken(scene, length))
        subprocess.run([sys.executable, "-c", FILM, str(folder), str(length)], cwd=ROOT, check=True)
        same = stamps_of(source) == stamps_of(result), sound_of(source) == sound_of(result)
        told.append(f"{length} frames: time stamps equal: {same[0]}, sound equal: {same[1]}")
    print("\n" + "\n".join(told))


SEEN = ("kills", "after new work", "runs to the end", "equal to the byte")


def _kills(folder: Path, kills: int) -> None:
    print(f"{machine(torch.device('cpu'))}\n")
    print("| | " + " | ".join(SEEN) + " | fell |\n" + "|---" * (len(SEEN) + 2) + "|", flush=True)
    for kind in ("folder", "film"):
        (folder / kind).mkdir()
        command = [sys.executable, "-m", "tests.faults.killed_runs", str(folder / kind), kind, str(kills)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        lines = [line.split(": ", 1) for line in done.stdout.splitlines()]
        fell = sum(json.loads(said)[1] is not None for name, said in lines if name == "trial")
        (seen,) = (json.loads(said) for name, said in lines if name == "seen")
        print(f"| {kind} | " + " | ".join(str(seen.get(name, 0)) for name in SEEN) + f" | {fell} |", flush=True)


if __name__ == "__main__":
    main()
