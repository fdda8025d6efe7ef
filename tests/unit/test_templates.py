"""The templates as files: each is seen at once, its wires run beside its nodes, and its words are there in Chinese."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

from gpen.faces.face import OutcomeKind
from tools.comfyui import ROOT
from tools.layout import SLOT, TITLE

FILES = sorted((ROOT / "workflows").glob("*.json"))
LISTED = json.loads((ROOT / "web" / "templates.json").read_text(encoding="utf-8"))
WIDEST, HIGHEST = 1900, 1000
"""In units of the canvas, so that the page shows the whole at a size that can be read."""
STEPS = 40
Point = tuple[float, float]
Box = tuple[float, float, float, float]

each = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


def box(node: dict[str, Any]) -> Box:
    """left, top, right, bottom, with its title."""
    (left, top), (width, height) = node["pos"], node["size"]
    return left, top - TITLE, left + width, top + height


def socket(node: dict[str, Any], side: str, slot: int) -> Point:
    """Where a wire begins or ends; inputs with a widget have their socket beside it, further down."""
    left, top, right, _ = box(node)
    return (left if side == "inputs" else right), top + TITLE + SLOT * (slot + 0.7)


def paths(workflow: dict[str, Any]) -> list[tuple[dict[str, Any], list[Point]]]:
    """Each link, with the points that its wire goes through."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    points = {point["id"]: point for point in workflow["extra"].get("reroutes", [])}
    last = {end["id"]: end["parentId"] for end in workflow["extra"].get("linkExtensions", [])}
    found = []
    for link in workflow["links"]:
        through: list[Point] = []
        parent = last.get(link[0])
        while parent is not None:
            through.insert(0, tuple(points[parent]["pos"]))
            assert link[0] in points[parent]["linkIds"]
            parent = points[parent].get("parentId")
        ends = socket(nodes[link[1]], "outputs", link[2]), socket(nodes[link[3]], "inputs", link[4])
        found.append((link, [ends[0], *through, ends[1]]))
    return found


def inside(point: Point, corners: Box) -> bool:
    left, top, right, bottom = corners
    return left + 1 < point[0] < right - 1 and top + 1 < point[1] < bottom - 1


@each
def test_is_seen_at_once(file: Path) -> None:
    lefts, tops, rights, bottoms = zip(*map(box, read(file)["nodes"]), strict=True)
    assert max(rights) - min(lefts) <= WIDEST and max(bottoms) - min(tops) <= HIGHEST


@each
def test_nodes_stand_clear_of_each_other(file: Path) -> None:
    boxes = [box(node) for node in read(file)["nodes"]]
    for i, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]


@each
def test_no_wire_runs_behind_a_node(file: Path) -> None:
    workflow = read(file)
    for link, path in paths(workflow):
        for start, end in pairwise(path):
            on_it = [
                (start[0] + (end[0] - start[0]) * i / STEPS, start[1] + (end[1] - start[1]) * i / STEPS)
                for i in range(STEPS + 1)
            ]
            hidden = [node["type"] for node in workflow["nodes"] for p in on_it if inside(p, box(node))]
            assert not hidden, f"link {link} from {start} to {end} runs behind {set(hidden)}"


@each
def test_note_is_there_in_chinese_and_without_code(file: Path) -> None:
    (note,) = (node for node in read(file)["nodes"] if node["type"] == "MarkdownNote")
    (text,), elsewhere = note["widgets_values"], note["properties"]["gpen_translations"]
    assert text.startswith(f"## {file.stem}\n")
    # In Nodes 2.0 code cannot be read on the colour of a note.
    assert "`" not in text + elsewhere["zh"]


def test_list_for_the_page_names_every_template_once() -> None:
    assert sorted(template["name"] for template in LISTED) == [file.stem for file in FILES]
    assert LISTED[0]["name"] == "Restore faces (start here)"
    assert all(template["titles"]["zh"] for template in LISTED)


def test_thumbnails_are_all_different() -> None:
    pictures = [Image.open(file.with_suffix(".jpg")) for file in FILES]
    assert {picture.size for picture in pictures} == {(400, 400)}
    assert len({picture.tobytes() for picture in pictures}) == len(FILES)


def test_app_shows_widgets_and_results_that_it_has() -> None:
    workflow = read(ROOT / "workflows" / "Restore faces, as an app.json")
    nodes = {str(node["id"]): node for node in workflow["nodes"]}
    app = workflow["extra"]["linearData"]
    for node_id, name in app["inputs"]:
        assert name in [entry["name"] for entry in nodes[node_id]["inputs"] if "widget" in entry]
    assert [nodes[node_id]["type"] for node_id in app["outputs"]] == ["SaveImage"]


def test_small_card_has_the_settings_of_the_readme() -> None:
    workflow = read(ROOT / "workflows" / "On a 2 GB card.json")
    (loader,) = (node for node in workflow["nodes"] if node["type"] == "GPENLoadModel")
    (row,) = (
        line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| 2 GB")
    )
    precision, memory, pruning = (cell.strip(" `") for cell in row.split("|")[3:6])
    assert loader["widgets_values"][1:4] == [precision, memory, pruning]


def test_report_has_words_in_both_languages() -> None:
    english, chinese = (read(ROOT / "locales" / language / "main.json")["gpen"]["report"] for language in ("en", "zh"))
    assert set(english) <= set(chinese)
    assert set(chinese["kinds"]) == set(get_args(OutcomeKind))
