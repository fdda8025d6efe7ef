"""One promise, and how far it is kept."""

from dataclasses import dataclass
from typing import SupportsFloat


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    """What was measured, and on what."""
    bar: str
    figure: str
    kept: bool

    @property
    def verdict(self) -> str:
        return "yes" if self.kept else "**no**"


def at_least(name: str, figure: SupportsFloat, bar: float, words: str = "{:.3g}") -> Row:
    """A row whose figure must reach its bar; `words` is how both are written."""
    return Row(name, f"≥ {words.format(bar)}", words.format(figure), float(figure) >= bar)


def at_most(name: str, figure: SupportsFloat, bar: float, words: str = "{:.3g}") -> Row:
    """A row whose figure must not exceed its bar."""
    return Row(name, f"≤ {words.format(bar)}", words.format(figure), float(figure) <= bar)
