"""The command line: `python -m gpen …`, or `gpen …` where it is installed. One file a command."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ..errors import GPENError
from ..version import __version__
from .report import UNUSABLE, one_line

COMMANDS = {
    "restore": "restore the faces in pictures and films",
    "models": "list the released models and which are on disk",
    "convert": "write a checkpoint, or a GPEN out of an .onnx, as .safetensors",
    "prune": "write a checkpoint without the channels that matter least",
    "verify": "check GPEN files: structure, numbers, record, and a face compared with what the first look gave",
}
"""What each is for. Its file is imported when it is called: PyTorch takes seconds, and --help needs none."""

STOPPED = 130
"""What a shell expects of a program that Ctrl-C ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command → 0 where all went well, 1 where some pictures failed, 2 where nothing could be done."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser(_command(given))
    if "_ARGCOMPLETE" in os.environ:
        _complete(parser)
    options = parser.parse_args(given)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Windows writes into files and pipes in a code page that lacks the letters of many file names.
            stream.reconfigure(errors="backslashreplace")
    try:
        return options.run(options)
    except GPENError as error:
        print(f"gpen: {one_line(error)}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("gpen: stopped", file=sys.stderr)
        return STOPPED


def _command(given: Sequence[str]) -> str:
    """Which command is called, or completed by a shell."""
    words = os.environ["COMP_LINE"].split()[1:] if "_ARGCOMPLETE" in os.environ else given
    return next((word for word in words if word in COMMANDS), "")


def _parser(called: str = "") -> argparse.ArgumentParser:
    """All commands, and the arguments of the one that is called."""
    parser = argparse.ArgumentParser("gpen", description="Repair damaged faces in pictures with GPEN.")
    parser.add_argument("--version", action="version", version=f"gpen {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, words in COMMANDS.items():
        command = commands.add_parser(name, help=words)
        if name == called:
            import_module(f".{name}", __name__).add(command)
    return parser


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks what may stand there, by argcomplete, where that is installed."""
    try:
        import argcomplete  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    argcomplete.autocomplete(parser)
