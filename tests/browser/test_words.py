"""What a person reads on the page: help, their own language, sizes, and errors."""

import json
from pathlib import Path

import pytest

from tests.browser.screen import Screen
from tools.comfyui import ROOT

DOCS = ROOT / "web" / "docs"
PAGES = sorted(DOCS.glob("*/en.md"))
ONE_NODE = json.loads((ROOT / "workflows" / "Restore faces (start here).json").read_text(encoding="utf-8"))


def alone(screen: Screen, node_type: str) -> None:
    """A graph of one node, selected."""
    add = """type => {
        const node = LiteGraph.createNode(type);
        app.graph.add(node);
        node.pos = [300, 300];
        app.canvas.selectNode(node);
    }"""
    screen.page.evaluate(add, node_type)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_help_panel_shows_our_page(screen: Screen, page: Path) -> None:
    node_type = page.parent.name
    alone(screen, node_type)
    screen.page.get_by_test_id("info-button").click()
    shown = screen.page.locator(".node-help-content")
    title = (DOCS / node_type / f"{screen.language}.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    shown.get_by_role("heading", name=title).wait_for()
    assert shown.locator("img").evaluate_all("all => all.every(image => image.complete && image.naturalWidth > 0)")


@pytest.mark.parametrize("language", ["zh"])
def test_chinese(screen: Screen) -> None:
    words = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
    screen.load(ONE_NODE)
    titles = screen.page.evaluate("() => Object.fromEntries(app.graph.nodes.map(node => [node.type, node.title]))")
    for node_type in ("GPENLoadModel", "GPENRestore"):
        assert titles[node_type] == words[node_type]["display_name"]
    labels = "() => app.graph.nodes.find(n => n.type === 'GPENRestore').widgets.map(widget => widget.label)"
    assert words["GPENRestore"]["inputs"]["strength"]["name"] in screen.page.evaluate(labels)
    names = "() => Object.fromEntries(Object.values(LiteGraph.registered_node_types).map(n => [n.type, n.title]))"
    registered = screen.page.evaluate(names)
    for node_type, texts in words.items():
        assert registered[node_type] == texts["display_name"]
    categories = (
        "() => Object.fromEntries(Object.values(LiteGraph.registered_node_types).map(n => [n.type, n.category]))"
    )
    shown = screen.page.evaluate(categories)
    assert {shown[node_type] for node_type in words} == {"图像/人脸/GPEN"}
    assert _label(screen, "GPENRestore", "mask") == words["GPENRestore"]["inputs"]["mask"]["options"]["oval"]


def test_model_to_be_fetched_shows_its_size(screen: Screen) -> None:
    screen.load(ONE_NODE)
    assert _label(screen, "GPENLoadModel", "file") == "preview"
    screen.set("GPENLoadModel", "file", "GPEN-BFR-512.pth")
    assert "284 MB" in _label(screen, "GPENLoadModel", "file")
    (loader,) = (node for node in screen.prompt().values() if node["class_type"] == "GPENLoadModel")
    assert loader["inputs"]["file"] == "GPEN-BFR-512.pth"


def test_wrong_value_as_a_person_sees_it(screen: Screen) -> None:
    screen.load(ONE_NODE)
    screen.set("GPENLoadModel", "file", "GPEN-BFR-513.pth")
    screen.press_run()
    shown = screen.errors()
    assert "Load GPEN Model" in shown
    # Newer cores check the choices themselves; their pages list what is missing, or name the input that is wrong.
    ours = "GPEN-BFR-513.pth" in shown and "choose one of: preview" in shown
    assert ours or "Missing Models" in shown or ("Invalid input" in shown and "Load GPEN Model - file" in shown)
    screen.forgive()


def test_missing_file_as_a_person_sees_it(screen: Screen) -> None:
    screen.load(ONE_NODE)
    screen.set("GPENLoadModel", "file", "GPEN-BFR-512.pth")
    screen.press_run()
    shown = screen.errors()
    assert "GPEN-BFR-512 could not be downloaded" in shown and "put it into" in shown
    screen.forgive()


def _label(screen: Screen, node_type: str, widget: str) -> str:
    shown = """([type, name]) => app.graph.nodes.find(node => node.type === type)
        .widgets.find(widget => widget.name === name)._displayValue"""
    return screen.page.evaluate(shown, [node_type, widget])
