"""Reads checkpoints, one path a line, and says as one line of JSON what became of each: a process of its own, which
may be ended by what it reads, and whose memory can be measured."""

import json
import resource
import sys
import time
from pathlib import Path

import torch

from gpen.errors import GPENError
from gpen.model.checkpoint import read_checkpoint


def main() -> None:
    torch.set_num_threads(1)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        _forget_peak()
        before, begun = _peak(), time.thread_time()
        try:
            read_checkpoint(Path(line.rstrip("\n")))
            result = "read"
        except GPENError as error:
            result = f"named: {error}"
        except BaseException as error:
            result = f"raw: {type(error).__name__}: {error}"
        seconds = time.thread_time() - begun
        print(json.dumps({"result": result, "seconds": seconds, "bytes": _peak() - before}), flush=True)


def _forget_peak() -> None:
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most memory that was in use, in bytes; since `_forget_peak` on Linux, since the start elsewhere."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
