"""One option, said once: its default, its range or choices, and the words that tell people what it does.

Settings are frozen dataclasses whose fields `option` makes. From such a field come the check and its message (here),
the argument of the command line (`cli/arguments.py`), the node's widget (`nodes/widgets.py`) and what the help pages
are held against. The order of the fields is that of the widgets, which saved workflows count on: append only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from .errors import SettingError


@dataclass(frozen=True)
class Option:
    """What is known of one field of a settings dataclass."""

    name: str
    words: str
    """What it does, in sentences for people."""
    default: bool | int | float | str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    """By how much a widget moves it."""
    choices: tuple[str, ...] = ()
    advanced: bool = False
    """Whether most people never touch it."""
    called: str = ""
    """What messages call it."""
    flag: str = ""
    """Its name on the command line, where that is not its own."""

    def check(self, value: object) -> None:
        """Raise `SettingError` for a value of another type, out of range or not among the choices."""
        if self.choices:
            if value not in self.choices:
                raise SettingError.unknown(self.called, value, self.choices)
        elif isinstance(self.default, bool | str):
            if not isinstance(value, type(self.default)):
                raise SettingError(f"the {self.called} must be {_KINDS[type(self.default)]}, and it is {value!r}")
        elif not self._fits(value):
            raise SettingError(f"the {self.called} must be {self._range()}, and it is {value!r}")

    def _fits(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(self.default, int) and not isinstance(value, int):
            return False
        # NaN is in no range, and a limit that is not told is no licence for infinity.
        low, high = (
            limit if limit is not None else side for limit, side in ((self.low, -math.inf), (self.high, math.inf))
        )
        return low <= value <= high and abs(value) < math.inf

    def _range(self) -> str:
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        if self.low is not None and self.high is not None:
            return f"{kind} between {self.low:g} and {self.high:g}"
        return kind if self.low is None else f"{kind} of at least {self.low:g}"


_KINDS: Mapping[type, str] = {bool: "true or false", str: "a text"}


def option(
    default: Any,
    words: str,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    choices: tuple[str, ...] = (),
    advanced: bool = False,
    called: str = "",
    flag: str = "",
) -> Any:
    """A field of a settings dataclass; see `Option`."""
    told = Option("", words, default, low, high, step, choices, advanced, called, flag)
    return field(default=default, metadata={"option": told})


class Settings:
    """Base of the settings: frozen dataclasses that check every option as they are made."""

    def __post_init__(self) -> None:
        for name, told in options_of(type(self)).items():
            told.check(getattr(self, name))


S = TypeVar("S", bound=Settings)


def options_of(settings: type) -> dict[str, Option]:
    """The options of a settings dataclass by name, in their order."""
    return {
        one.name: replace(told, name=one.name, called=told.called or one.name.replace("_", " "))
        for one in fields(settings)
        if (told := one.metadata.get("option"))
    }


def settled(kind: type[S], given: S | None, changes: Mapping[str, Any]) -> S:
    """The settings given, or the defaults, with single ones changed by name.

    Raises `SettingError` for a name that is no option and for a value that cannot be.
    """
    known = options_of(kind)
    for name in changes:
        if name not in known:
            raise SettingError.unknown("setting", name, known)
    return replace(given, **changes) if given is not None else kind(**changes)  # type: ignore[type-var]
