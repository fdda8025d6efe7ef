"""An option is said once, and the check and the command line know it."""

import argparse
import math
from dataclasses import dataclass
from typing import Any

import pytest

import gpen
from gpen.cli.arguments import add_settings, said_of, settings_from
from gpen.options import Settings, option, options_of, settled

ALL = (
    *(gpen.DetectSettings, gpen.SelectSettings, gpen.TrackSettings),
    *(gpen.RestoreSettings, gpen.PasteSettings, gpen.UpscaleSettings),
)


@dataclass(frozen=True)
class Baking(Settings):
    heat: float = option(180.0, "How hot the oven is, in °C.", low=50, high=250, step=5)
    minutes: int = option(30, "How long.", low=1)
    kind: str = option("bread", "What it is.", choices=("bread", "cake"), called="kind of dough")
    open_door: bool = option(False, "100 % steam leaves.")
    note: str = option("", "For the baker.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"heat": 300}, "the heat must be a number between 50 and 250, and it is 300"),
        ({"heat": math.nan}, "between 50 and 250, and it is nan"),
        ({"heat": "hot"}, "and it is 'hot'"),
        ({"heat": True}, "and it is True"),
        ({"minutes": 2.5}, "a whole number of at least 1, and it is 2.5"),
        ({"minutes": math.inf}, "a whole number of at least 1"),
        ({"kind": "pie"}, "unknown kind of dough 'pie'; choose one of: bread, cake"),
        ({"kind": ["bread"]}, "unknown kind of dough"),
        ({"open_door": 1}, "the open door must be true or false, and it is 1"),
        ({"note": 5}, "the note must be a text"),
    ],
)
def test_what_cannot_be_is_said(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(gpen.SettingError, match=words):
        Baking(**changes)


def test_changes_by_name() -> None:
    assert settled(Baking, None, {"heat": 200}) == Baking(heat=200)
    assert settled(Baking, Baking(minutes=5), {"heat": 200}) == Baking(heat=200, minutes=5)
    with pytest.raises(gpen.SettingError, match="unknown setting 'colour'; choose one of: heat, minutes, kind"):
        settled(Baking, None, {"colour": 1})


def test_the_command_line_knows_what_was_said() -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser, "baking", Baking)
    said = parser.parse_args(["--heat", "200", "--open-door"])
    assert settings_from(said, Baking) == Baking(heat=200, open_door=True)
    assert [option.name for option in said_of(said, Baking)] == ["heat", "open_door"]
    assert "100 % steam" in parser.format_help() and "50..250" in parser.format_help()


@pytest.mark.parametrize("kind", ALL)
def test_every_option_has_words_and_a_default_that_may_be(kind: type[Settings]) -> None:
    assert kind() == kind()
    for told in options_of(kind).values():
        assert told.words.endswith("."), told.name
        told.check(told.default)
