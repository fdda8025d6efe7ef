"""The command line: `python -m gpen …`, or `gpen …` where it is installed. One file a command."""

import argparse
import io
import sys
from collections.abc import Sequence

from ..errors import GPENError
from ..version import __version__
from . import convert, models, prune, restore, verify
from .report import UNUSABLE, one_line

STOPPED = 130
"""What a shell expects of a program that Ctrl-C ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command → 0 where all went well, 1 where some pictures failed, 2 where nothing could be done."""
    options = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gpen", description="Repair damaged faces in pictures with GPEN.")
    parser.add_argument("--version", action="version", version=f"gpen {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (restore, models, convert, prune, verify):
        command.add(commands)
    return parser
