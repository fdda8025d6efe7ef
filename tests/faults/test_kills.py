"""Commands that are killed while they write."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpen.atomic_file import ABANDONED, PREFIX, replacing
from tools.comfyui import ROOT

from .conftest import Trials, of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked and killed as on Unix")


def told_by(module: str, *arguments: str) -> tuple[list[tuple[str, str | None]], str]:
    """Each trial of a module that kills its children, and what was said of errors."""
    command = [sys.executable, "-m", f"tests.faults.{module}", *arguments]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.removeprefix("trial: ") for line in done.stdout.splitlines() if line.startswith("trial: ")]
    return [tuple(json.loads(line)) for line in lines], done.stderr[-1500:]


@pytest.mark.parametrize(("kind", "kills"), [("film", of(4, 50)), ("folder", of(2, 50))])
def test_killed_runs(trials: Trials, tmp_path: Path, kind: str, kills: int) -> None:
    """Kills at any moment of restoring a folder and a film, which are gone on with to the same bytes."""
    pytest.importorskip("av")
    told, errors = told_by("killed_runs", str(tmp_path), kind, str(kills))
    for name, fell in told:
        with trials.trial(name):
            assert fell is None, f"{fell}\n{errors}"
    trials.check(kills + 1)


def test_killed(trials: Trials, tmp_path: Path) -> None:
    """Kills at any moment of convert, prune, verify, a download, its record, and of any file that is replaced."""
    count = of(10, 100)
    told, errors = told_by("killed", str(tmp_path), str(count))
    for name, fell in told:
        with trials.trial(name):
            assert fell is None, f"{fell}\n{errors}"
    long_ago = time.time() - 2 * ABANDONED
    for folder in tmp_path.iterdir():
        for path in folder.glob(f"{PREFIX}*"):
            os.utime(path, (long_ago, long_ago))
        with replacing(folder / "next") as temporary:
            temporary.touch()
        with trials.trial(f"{folder.name}: left behind"):
            assert not list(folder.glob(f"{PREFIX}*"))
    trials.check(6 * (count + 2))
