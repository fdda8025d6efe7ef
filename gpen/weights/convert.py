"""From a released `.pth`, or an `.onnx`, to a `.safetensors` file that says what it is."""

import os
from pathlib import Path

from ..errors import SettingError
from ..model.checkpoint import check_target, read_checkpoint, write_checkpoint
from ..model.tasks import TASKS
from .catalogue import released, task_of
from .from_onnx import read_onnx


def convert(source: str | os.PathLike[str], target: str | os.PathLike[str], task: str | None = None) -> None:
    """Write a GPEN checkpoint as `.safetensors`, with its configuration, task and source in the metadata.

    The official FIR kernels are left out: they are constants of the architecture, and official code, whose strict
    loading asks for them, cannot read `.safetensors` anyway.

    Args:
        source: a checkpoint that `read_checkpoint` reads, or an `.onnx` file that `read_onnx` does.
        target: the new file; one that exists is replaced once the new one is complete.
        task: what the network is for, where neither its metadata nor its file name tells.

    Raises `CheckpointError` for a source that is no sound GPEN network and `SettingError` for a wrong target or task.
    """
    source, target = Path(source), Path(target)
    check_target(source, target)
    if task is not None and task not in TASKS:
        raise SettingError.unknown("task", task, TASKS)
    checkpoint = read_onnx(source) if source.suffix.lower() == ".onnx" else read_checkpoint(source)
    release = released(source.name)
    about = {"name": release.name, "source": release.urls[0], "license": release.terms} if release else {}
    about = {"name": source.stem, "source": source.name} | about | checkpoint.metadata
    write_checkpoint(target, checkpoint.tensors, {**about, "task": task or task_of(source, checkpoint.metadata)})
