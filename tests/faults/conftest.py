"""Faults on purpose: what is tried, how often, and one table of what held and what fell.

`python dev.py faults` tries all of it in about a quarter of an hour; the other test runs try a part, always the same.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings

ALL = os.environ.get("FAULTS") == "all"
"""Whether everything is tried, and not only a part."""
SHOWN = 5
"""How many of those that fell are told in a test's error."""

# The same trials each time, so that a run that fails can be repeated; nothing is kept from one run to the next.
settings.register_profile(
    "faults", derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
)
settings.load_profile("faults")


@dataclass
class Trials:
    """One row of the table."""

    kind: str
    tried: int = 0
    fell: list[str] = field(default_factory=list)

    @contextmanager
    def trial(self, name: str, *expected: type[BaseException]) -> Iterator[None]:
        """One trial: it holds where nothing is raised, or one of the errors that are expected."""
        self.tried += 1
        try:
            yield
        except expected:
            pass
        except Exception as error:
            self.fell.append(f"{name}: {type(error).__name__}: {error}"[:500])

    def check(self, least: int = 1) -> None:
        """Fail where a trial fell, or where fewer were made than promised."""
        told = "\n".join(self.fell[:SHOWN])
        assert not self.fell, f"{len(self.fell)} of {self.tried} fell:\n{told}"
        assert self.tried >= least, f"only {self.tried} trials of {self.kind}, expected {least}"


_rows: list[Trials] = []


@pytest.fixture
def table() -> list[Trials]:
    """The rows so far."""
    return _rows


def of(part: int, everything: int) -> int:
    """How many trials to make."""
    return everything if ALL else part


@pytest.fixture
def trials(request: pytest.FixtureRequest) -> Trials:
    """The row of a test, called by the first line of its docstring."""
    row = Trials((request.function.__doc__ or request.node.name).strip().splitlines()[0].rstrip("."))
    _rows.append(row)
    return row


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _rows:
        return
    width = max(len(row.kind) for row in _rows)
    terminalreporter.section("faults")
    terminalreporter.write_line(f"{'kind':<{width}}  trials    held    fell")
    for row in _rows:
        fell = len(row.fell)
        terminalreporter.write_line(f"{row.kind:<{width}}  {row.tried:>6,}  {row.tried - fell:>6,}  {fell:>6,}")
