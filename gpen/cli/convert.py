"""`gpen convert`: a checkpoint as .safetensors that says what it is."""

import argparse
from pathlib import Path
from typing import Any

from ..model.tasks import TASKS
from ..weights.convert import convert
from .report import OK


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("convert", help="write a checkpoint as .safetensors that says what it is")
    command.set_defaults(run=run)
    command.add_argument("source", metavar="IN", type=Path)
    command.add_argument("target", metavar="OUT.safetensors", type=Path)
    command.add_argument("--task", choices=tuple(TASKS), help="what it is for, where neither file nor name tells")


def run(said: argparse.Namespace) -> int:
    """Run the command."""
    convert(said.source, said.target, said.task)
    print(said.target)
    return OK
