"""Films for `gpen restore`, alone or among the files of a folder."""

import argparse
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from ..errors import SettingError
from ..faces.detectors import Detector
from ..faces.settings import DetectSettings, SelectSettings, TrackSettings
from ..folder.films import Films
from ..options import Settings
from ..paste.parsers import Parser
from ..paste.settings import PasteSettings
from ..restore.settings import RestoreSettings
from ..restorers.protocol import Restorer
from ..video.join import ending_for
from ..video.restore import RestoredVideo, restore_video
from ..video.source import SUFFIXES
from .report import bar

OF_PICTURES = ("aligned", "inpaint_mask", "clip", "background")
"""Arguments with which only pictures are restored."""


def films_of(said: argparse.Namespace) -> dict[str, str]:
    """What the names of films end with → what those of their results do; nothing where films are not meant.

    Raises `SettingError` where one is given beside an argument that is only for pictures.
    """
    flags = [f"--{name.replace('_', '-')}" for name in OF_PICTURES if getattr(said, name)]
    if not flags:
        return {suffix: ending_for(PurePath(f"film{suffix}")) for suffix in SUFFIXES}
    given = [name for name in said.inputs if Path(name).suffix.lower() in SUFFIXES and Path(name).is_file()]
    if given:
        raise SettingError(f"{given[0]} is a film, and {flags[0]} is for pictures only; leave it out")
    return {}


def made_with(said: argparse.Namespace) -> dict[str, Any]:
    """What a film depends on and a picture does not, in values that JSON knows."""
    return {"codec": said.codec, "crf": said.crf}


def films(
    said: argparse.Namespace,
    model: Restorer,
    settings: dict[type[Settings], Any],
    detector: Detector,
    parser: Parser | None,
    quiet: bool,
) -> Films:
    """How the films of a run are done; `quiet`: without a bar."""
    restored = partial(
        restore_video,
        model,
        detector=detector,
        parser=parser,
        detect=settings[DetectSettings],
        select=settings[SelectSettings],
        track=settings[TrackSettings],
        restore=settings[RestoreSettings],
        paste=settings[PasteSettings],
        codec=said.codec,
        crf=said.crf,
    )

    def run(source: Path, target: Path) -> RestoredVideo:
        return restored(source, target, on_progress=None if quiet else bar(source.name, unit="frame", leave=False))

    return Films(run, made_with(said))
