"""The command line's arguments for the options of the settings."""

import argparse
from collections.abc import Iterator
from typing import Any, TypeVar

from ..options import Option, Settings, options_of

S = TypeVar("S", bound=Settings)


def add_settings(parser: argparse.ArgumentParser, title: str, kind: type[Settings]) -> None:
    """Add an argument for each option of a settings dataclass, in a group of their own."""
    add_options(parser.add_argument_group(title), kind)


def add_options(group: argparse._ArgumentGroup, kind: type[Settings]) -> None:
    """Add an argument for each option of a settings dataclass to a group."""
    for option in options_of(kind).values():
        words = option.words.replace("%", "%%")
        told: dict[str, Any] = {"dest": _key(kind, option), "help": f"{words} (default: {_shown(option)})"}
        # What is not said does not appear, so that it can be told from what is said.
        told["default"] = argparse.SUPPRESS
        if isinstance(option.default, bool):
            group.add_argument(flag_of(option), action="store_true", **told)
        elif option.choices:
            group.add_argument(flag_of(option), choices=option.choices, **told)
        else:
            group.add_argument(flag_of(option), type=type(option.default), metavar=_metavar(option), **told)


def settings_from(said: argparse.Namespace, kind: type[S]) -> S:
    """The settings that a command line asks for. Raises `SettingError` for a value that cannot be."""
    return kind(**{option.name: getattr(said, _key(kind, option)) for option in said_of(said, kind)})


def said_of(said: argparse.Namespace, kind: type[Settings]) -> Iterator[Option]:
    """The options of a settings dataclass that a command line names."""
    return (option for option in options_of(kind).values() if hasattr(said, _key(kind, option)))


def flag_of(option: Option) -> str:
    """What an option is called on the command line."""
    return f"--{option.flag or option.name.replace('_', '-')}"


def _key(kind: type[Settings], option: Option) -> str:
    return f"{kind.__name__}.{option.name}"


def _metavar(option: Option) -> str:
    if option.low is not None and option.high is not None:
        return f"{option.low:g}..{option.high:g}"
    return "TEXT" if isinstance(option.default, str) else "N"


def _shown(option: Option) -> Any:
    if isinstance(option.default, bool):
        return "off"
    return option.default if option.default != "" else "empty"
