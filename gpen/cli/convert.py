"""`gpen convert`: a checkpoint as .safetensors that says what it is."""

import argparse
from pathlib import Path

from ..model.choices import TASK_NAMES
from .report import OK


def add(command: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    command.set_defaults(run=run)
    command.add_argument("source", metavar="IN", type=Path)
    command.add_argument("target", metavar="OUT.safetensors", type=Path)
    command.add_argument("--task", choices=TASK_NAMES, help="what it is for, where neither file nor name tells")


def run(said: argparse.Namespace) -> int:
    """Run the command."""
    from ..weights.convert import convert

    convert(said.source, said.target, said.task)
    print(said.target)
    return OK
