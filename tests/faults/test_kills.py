"""Commands that are killed while they write."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gpen.atomic_file import ABANDONED, PREFIX, replacing
from gpen.errors import GPENError
from gpen.model.checkpoint import read_checkpoint
from gpen.model.config import GPENConfig
from tools.comfyui import ROOT

from .conftest import Trials, of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no signal that cannot be caught")

# Each loops, so that the moment of its death lies in any part of it; its arguments are a folder.
LOOPS = {
    "convert": """
from gpen.weights.convert import convert
while True: convert(folder / "source.pth", folder / "target.safetensors")
""",
}


def write_source(folder: Path) -> None:
    config = GPENConfig.released(64, narrow=1 / 16, style_dim=64, mapping_layers=2)
    torch.save({name: torch.randn(shape) for name, shape in config.official_shapes().items()}, folder / "source.pth")


def whole(path: Path) -> bool:
    """Whether a file is one of those that a loop writes, from its first byte to its last."""
    return read_checkpoint(path).config.size == 64


@pytest.mark.parametrize("name", LOOPS)
def test_killed(name: str, trials: Trials, tmp_path: Path) -> None:
    """Kills at any moment of a command that writes."""
    rng = random.Random(0)
    write_source(tmp_path)
    program = f"from pathlib import Path; import sys; folder = Path(sys.argv[1])\nprint('on', flush=True){LOOPS[name]}"
    program = program.replace("print('on'", f"{LOOPS[name].strip().splitlines()[0]}\nprint('on'")
    for moment in range(of(4, 34)):
        command = [sys.executable, "-c", program, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            process.wait()
        with trials.trial(f"{name} {moment}", GPENError):
            for path in tmp_path.iterdir():
                if not path.name.startswith(PREFIX) and path.name != "source.pth":
                    assert whole(path), path.name
    long_ago = time.time() - 2 * ABANDONED
    for path in tmp_path.glob(f"{PREFIX}*"):
        os.utime(path, (long_ago, long_ago))
    with replacing(tmp_path / "next") as temporary:
        temporary.touch()
    with trials.trial(f"{name}: left behind"):
        assert not list(tmp_path.glob(f"{PREFIX}*"))
    trials.check()
