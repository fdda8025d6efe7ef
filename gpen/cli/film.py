"""`gpen restore` where its input is a film."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..by_name import open_detector
from ..errors import SettingError
from ..faces.passes import DetectSettings
from ..faces.report import describe
from ..faces.select import SelectSettings
from ..faces.track import TrackSettings
from ..options import Settings
from ..paste.settings import PasteSettings
from ..restore.plan import RestoreSettings
from ..restorers.gpen import GPENModel
from ..video.restore import restore_video
from ..video.source import SUFFIXES
from .report import OK, bar


def add_film(command: argparse.ArgumentParser) -> None:
    """Add the arguments that only films have."""
    group = command.add_argument_group("films")
    group.add_argument("--codec", help="FFmpeg's name of an encoder (default: libx264, libx265 for more than 8 bits)")
    group.add_argument("--crf", type=int, help="the encoder's scale of quality, less being better (default: its own)")


def is_film(inputs: Sequence[str]) -> bool:
    """Whether a film is to be restored. Raises `SettingError` where it is one of several inputs."""
    films = [given for given in inputs if Path(given).suffix.lower() in SUFFIXES and Path(given).is_file()]
    if films and len(inputs) > 1:
        raise SettingError(f"{films[0]} is a film: films are restored one by one, each with its own --output")
    return bool(films)


def restore_film(said: argparse.Namespace, model: GPENModel, settings: dict[type[Settings], Any]) -> int:
    """Restore the one film that is given."""
    fetching = {"download": not said.offline, "on_progress": bar("detector", unit="B")}
    done = restore_video(
        model,
        said.inputs[0],
        said.output,
        detector=open_detector(getattr(said, "detector", "auto"), **fetching),
        detect=settings[DetectSettings],
        select=settings[SelectSettings],
        track=settings[TrackSettings],
        restore=settings[RestoreSettings],
        paste=settings[PasteSettings],
        codec=said.codec,
        crf=said.crf,
        on_progress=bar("film", unit="frame"),
    )
    report = describe(done.faces)
    print(f"{done.path}: {done.frames} frames, {report if said.verbose else report.splitlines()[0]}")
    for note in done.notes:
        print(f"gpen: {note}")
    return OK
