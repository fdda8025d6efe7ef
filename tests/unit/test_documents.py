"""The documents: what they point at exists, what they leave out would be missed, and both languages say the same."""

import argparse
import re
from pathlib import Path

import pytest

from benchmarks import cards
from gpen.cli import _parser
from tools.comfyui import ROOT

READMES = ("README.md", "README.zh.md")
DOCUMENTS = [
    *(ROOT / name for name in READMES),
    ROOT / "CHANGELOG.md",
    *sorted(path for folder in ("benchmarks", "docs", "gpen", "training") for path in (ROOT / folder).rglob("*.md")),
]
LINK = re.compile(r"(?<=]\()[^)\s]+(?=\))")
PICTURE = re.compile(r"!\[([^]]*)]\(([^)]+)\)")
MOST_BYTES = 300_000
CARDS = [(512, "fp8", "low"), *((size, "fp16", "low") for size in (512, 1024))]
CARDS += [(size, "fp16", "normal") for size in (512, 1024, 2048)]
"""What the table of cards tells: size, precision and memory."""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def pictures(readme: str) -> list[tuple[str, str]]:
    """Alternative text and path of each."""
    return PICTURE.findall(text_of(ROOT / readme))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    local = [link.partition("#")[0] for link in LINK.findall(text_of(document)) if ":" not in link]
    assert [link for link in local if link and not (document.parent / link).exists()] == []


@pytest.mark.parametrize("readme", READMES)
class TestReadme:
    def test_names_every_node(self, readme: str) -> None:
        schemas = [text_of(path) for path in (ROOT / "nodes").glob("*.py")]
        names = [name for schema in schemas for name in re.findall(r'node_id=.*\n\s*display_name="(.+)"', schema)]
        assert len(names) >= 12
        assert [name for name in names if name not in text_of(ROOT / readme)] == []

    def test_links_every_help_page(self, readme: str) -> None:
        pages = sorted((ROOT / "web" / "docs").glob(f"*/{'zh' if 'zh' in readme else 'en'}.md"))
        assert pages
        links = LINK.findall(text_of(ROOT / readme))
        assert [page.parent.name for page in pages if page.relative_to(ROOT).as_posix() not in links] == []

    def test_names_every_command(self, readme: str) -> None:
        (commands,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
        assert [name for name in commands.choices if f"python -m gpen {name}" not in text_of(ROOT / readme)] == []

    def test_pictures_are_small_and_made_by_one_command(self, readme: str) -> None:
        sheets = {path.stem for path in (ROOT / "docs" / "sheets").glob("*.py")}
        assert len(pictures(readme)) >= 3
        for alternative, path in pictures(readme):
            assert alternative
            assert (ROOT / path).stat().st_size <= MOST_BYTES
            assert Path(path).parent == Path("docs")
            assert Path(path).stem in sheets | {"demo"}

    def test_tells_what_cards_need(self, readme: str) -> None:
        told = text_of(ROOT / readme)
        for size, precision, memory in CARDS:
            weights, normal, low = cards.needed(cards.NETWORKS[f"GPEN-BFR-{size}"], precision)
            assert f"{(weights + {'normal': normal, 'low': low}[memory]) / 1e6:.0f} MB" in told, (size, memory)

    def test_speed_is_as_measured(self, readme: str) -> None:
        rows = re.findall(r"^\| 512 \| .*(?:normal|low|plain|onnx).*$", text_of(ROOT / readme), re.M)
        tables = (ROOT / "benchmarks").glob("results*.md")
        measured = {row for table in tables for row in text_of(table).splitlines()}
        assert len(rows) > 3
        assert [row for row in rows if row not in measured] == []


def test_languages_have_the_same_parts() -> None:
    english, chinese = (text_of(ROOT / name) for name in READMES)
    for mark in (r"^#+(?= )", r"^```", r"^\|[-:]+\|", r"!\["):
        assert len(re.findall(mark, english, re.M)) == len(re.findall(mark, chinese, re.M)) > 0, mark
    assert re.findall(r"^#+(?= )", english, re.M) == re.findall(r"^#+(?= )", chinese, re.M)
    assert [path for _, path in pictures(READMES[0])] == [path for _, path in pictures(READMES[1])]
    assert "](README.zh.md)" in english[:200] and "](README.md)" in chinese[:200]


def test_table_of_cards_is_what_the_command_gives() -> None:
    assert text_of(cards.RESULTS) == cards.markdown(), "run `python -m benchmarks.cards`"
