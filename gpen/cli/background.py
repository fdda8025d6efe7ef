"""The rest of the picture for `gpen restore`: what enlarges it."""

import argparse
from dataclasses import asdict
from typing import Any

from ..by_name import open_upscaler
from ..errors import SettingError
from ..upscaler.network import Upscaler
from ..upscaler.settings import UpscaleSettings
from ..weights.locate import find
from .arguments import flag_of, said_of, settings_from


def check_background(said: argparse.Namespace) -> None:
    """Raise `SettingError` for arguments that say nothing without an upscaler."""
    useless = [flag_of(option) for option in said_of(said, UpscaleSettings)]
    useless += ["--background-precision"] if said.background_precision != "auto" else []
    if useless and not said.background:
        raise SettingError(f"{', '.join(useless)}: this says how --background enlarges; give it too, or leave this out")


def background_of(said: argparse.Namespace) -> Upscaler | None:
    """The upscaler that a command line asks for."""
    if not said.background:
        return None
    return open_upscaler(said.background, precision=said.background_precision, device=said.device)


def background_told(said: argparse.Namespace) -> dict[str, Any]:
    """What a picture depends on by its rest, in values that JSON knows.

    Nothing where it stays as it is, so that what was done before there was such a setting is not done again.
    """
    if not said.background:
        return {}
    path = find(said.background)
    file = [path.name, path.stat().st_size] if path is not None else []
    told = {"background": said.background, "background precision": said.background_precision, "background file": file}
    return told | {UpscaleSettings.__name__: asdict(settings_from(said, UpscaleSettings))}
