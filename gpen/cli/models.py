"""`gpen models`: the released models and which are on disk."""

import argparse

from .report import OK

HEADER = ("NAME", "KIND", "TASK", "SIZE", "WHERE", "TERMS")
PREVIEW = (
    "preview",
    "GPEN",
    "restoration",
    "256",
    "in the package",
    "MIT licence; a small model for trying things out",
)


def add(command: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    command.set_defaults(run=run)


def run(said: argparse.Namespace) -> int:
    """Run the command."""
    from ..weights.catalogue import RELEASES
    from ..weights.locate import default_folders, find

    rows = [HEADER, PREVIEW]
    for release in RELEASES:
        path = find(release.file)
        where = str(path or "to be fetched")
        rows.append((release.name, release.architecture, release.task, str(release.size or ""), where, release.terms))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    folder = default_folders()["gpen"][0]
    print(f"\nDownloads go to {folder}; the environment variable GPEN_MODELS names another folder.")
    return OK
