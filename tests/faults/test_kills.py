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


def test_killed(trials: Trials, tmp_path: Path) -> None:
    """Kills at any moment of convert, prune, verify, a download, its record, and of any file that is replaced."""
    count = of(10, 100)
    command = [sys.executable, "-m", "tests.faults.killed", str(tmp_path), str(count)]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        if line.startswith("trial: "):
            name, fell = json.loads(line.removeprefix("trial: "))
            with trials.trial(name):
                assert fell is None, f"{fell}\n{done.stderr[-1500:]}"
    long_ago = time.time() - 2 * ABANDONED
    for folder in tmp_path.iterdir():
        for path in folder.glob(f"{PREFIX}*"):
            os.utime(path, (long_ago, long_ago))
        with replacing(folder / "next") as temporary:
            temporary.touch()
        with trials.trial(f"{folder.name}: left behind"):
            assert not list(folder.glob(f"{PREFIX}*"))
    trials.check(6 * (count + 2))
