"""`gpen verify`: whether model files are sound."""

import argparse

from .report import OK, SOME_FAILED


def add(command: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    command.set_defaults(run=run)
    command.add_argument("files", metavar="FILE", nargs="*", help="paths or names (default: all released on disk)")


def run(said: argparse.Namespace) -> int:
    """Run the command."""
    from ..restorers.verify import verify_model
    from ..weights.catalogue import PREVIEW, RELEASES
    from ..weights.locate import find

    given = said.files or [str(PREVIEW), *(release.file for release in RELEASES if release.kind == "gpen")]
    # A released file that is not on disk is no fault; one that was asked for is, and the check says so.
    paths = [find(name) or (name if said.files else None) for name in given]
    verified = [verify_model(path) for path in paths if path is not None]
    for one in verified:
        print(one)
    return OK if all(one.sound for one in verified) else SOME_FAILED
