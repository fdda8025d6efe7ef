"""Whether a model's file is sound: its structure, its numbers, its record, and what it makes of one face.

A file whose hash nobody has published can be damaged in a bit that no structure shows. So at the first look a drawn
face goes through the network, and what comes out is noted beside the file, with the hash; every later look compares.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from ..atomic_file import replacing
from ..errors import GPENError
from ..model.checkpoint import Checkpoint, read_checkpoint
from ..weights.catalogue import released, task_of
from ..weights.record import read_json, sha256_of, verify
from .gpen import load_network

NOTE = ".verified.json"
"""What the name of the note ends in."""
CLOSE = 0.004
"""How far a pixel may be from the one noted, in 0..1: processors round differently."""
GRID = 16
"""The face that is noted has so many pixels a side."""


@dataclass(frozen=True)
class Verified:
    """What was found out about a file; as text, a line for each check."""

    path: Path
    checks: tuple[tuple[str, bool, str], ...]
    """(what was looked at, whether it is sound, what was found)"""

    @property
    def sound(self) -> bool:
        """Whether all of it is."""
        return all(held for _, held, _ in self.checks)

    def __str__(self) -> str:
        lines = [f"  {'ok ' if held else 'BAD'} {what}: {found}" for what, held, found in self.checks]
        return "\n".join([str(self.path), *lines])


def verify_model(path: str | os.PathLike[str]) -> Verified:
    """Look at a GPEN file as closely as one can, and note what its first look gave.

    The note is `<file>.verified.json` beside it; where that cannot be written, the next look is a first one again.
    Nothing is raised for a bad file: what is wrong is among the checks.
    """
    path = Path(path)
    checks: list[tuple[str, bool, str]] = []
    try:
        checkpoint = read_checkpoint(path)
    except GPENError as error:
        return Verified(path, (("structure and numbers", False, str(error)),))
    config = checkpoint.config
    checks.append(("structure", True, f"a complete network of {config.size} pixels, {len(checkpoint.tensors)} tensors"))
    checks.append(("numbers", True, "all finite"))
    sha256 = sha256_of(path)
    try:
        verify(path, released(path.name))
        checks.append(("record", True, f"as it was when it was downloaded, or put there by hand (SHA-256 {sha256})"))
    except GPENError as error:
        checks.append(("record", False, str(error)))
    try:
        checks.append(_face(path, sha256, _restored(checkpoint, path)))
    except GPENError as error:
        checks.append(("a face through the network", False, str(error)))
    return Verified(path, tuple(checks))


def _restored(checkpoint: Checkpoint, path: Path) -> list[float]:
    """A drawn face after the network, as `GRID`×`GRID` RGB pixels in a row. Raises `CheckpointError` for no picture."""
    model = load_network(checkpoint, path.stem, task_of(path, checkpoint.metadata), "fp32")
    side = torch.linspace(-1, 1, model.size)
    y, x = torch.meshgrid(side, side, indexing="ij")
    oval = torch.sigmoid(20 * (0.6 - x**2 / 0.6 - y**2))
    eyes = sum(torch.exp(-80 * ((x - left) ** 2 + (y + 0.15) ** 2)) for left in (-0.3, 0.3))
    face = 0.3 + 0.45 * oval - 0.4 * eyes
    crop = torch.stack([face, 0.8 * face, 0.7 * face], dim=-1).clamp(0, 1)
    small = torch.nn.functional.interpolate(model.restore(crop[None]).movedim(3, 1), (GRID, GRID), mode="area")
    return small.flatten().tolist()


def _face(path: Path, sha256: str, values: list[float]) -> tuple[str, bool, str]:
    """Compare with what was noted, or note it."""
    what, note = "a face through the network", path.with_name(path.name + NOTE)
    try:
        noted = read_json(note)
        before = [float(value) for value in noted["face"]]
        if len(before) != len(values):
            raise ValueError("another size")
    except FileNotFoundError:
        written = _write(note, sha256, values)
        return what, True, "noted for the next time" if written else f"{note} cannot be written, so nothing is noted"
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        return what, False, f"{note} cannot be read ({error!r}); delete it if you trust the file"
    furthest = max(abs(one - other) for one, other in zip(before, values, strict=True))
    same = "the same file as" if noted.get("sha256") == sha256 else "another file than"
    told = f"{same} on {str(noted.get('looked'))[:10]}; pixels differ by {furthest:.4f} at most"
    held = furthest <= CLOSE and noted.get("sha256") == sha256
    return what, held, told if held else f"{told}. Delete {note.name} if you replaced the file on purpose"


def _write(note: Path, sha256: str, values: list[float]) -> bool:
    looked = time.strftime("%Y-%m-%d", time.gmtime())
    content = {"sha256": sha256, "looked": looked, "face": [round(v, 5) for v in values]}
    try:
        with replacing(note) as temporary:
            temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
    except OSError:
        return False
    return True
