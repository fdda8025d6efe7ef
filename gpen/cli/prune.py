"""`gpen prune`: a checkpoint without the channels that matter least."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .report import OK, bar

if TYPE_CHECKING:
    from torch import Tensor


def add(command: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    command.set_defaults(run=run)
    command.add_argument("source", metavar="IN", type=Path)
    command.add_argument("target", metavar="OUT.safetensors", type=Path)
    how = command.add_mutually_exclusive_group()
    how.add_argument(
        "--share", help="of the channels of every layer, 0.25 or 25%%; what cannot change the picture goes first"
    )
    how.add_argument("--exact", action="store_true", help="drop only what cannot change the picture (the default)")
    command.add_argument(
        "--faces", metavar="FOLDER", type=Path, help="pictures to tell the cost by, instead of synthetic faces"
    )


def run(said: argparse.Namespace) -> int:
    """Run the command."""
    from ..prune.file import prune_file

    crops = _crops_of(said.faces) if said.faces else None
    print(prune_file(said.source, said.target, said.share or "exact", crops, bar("prune", unit="step")))
    return OK


def _crops_of(folder: Path) -> "Callable[[int], Iterator[Tensor]]":
    """Side → the aligned faces (S, S, 3) of the pictures of a folder."""
    from ..by_name import detect_faces, open_detector
    from ..faces.crops import face_crops
    from ..folder.plan import pictures_in
    from ..image.files import read_picture

    detector = open_detector()

    def crops(size: int) -> "Iterator[Tensor]":
        for path in pictures_in(folder):
            picture = read_picture(path).rgb
            yield from face_crops(picture, detect_faces(picture, detector), size=size).crops

    return crops
