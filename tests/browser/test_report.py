"""What became of each face, as a person reads it on the node."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.screen import Screen
from tests.support.photograph import group
from tools.client import Client
from tools.comfyui import ROOT
from tools.demo import EXAMPLE

SIDES = (200, 190, 180, 170, 160, 150)
"""Of six portraits, in pixels."""
TEMPLATES = ROOT / "workflows"
IN_VIEW = """element => {
    const box = element.firstElementChild.getBoundingClientRect();
    return [...element.firstElementChild.children].filter(row => {
        const { top, bottom } = row.getBoundingClientRect();
        return top >= box.top - 1 && bottom <= box.bottom + 1;
    }).length;
}"""


def read(name: str) -> dict[str, Any]:
    return json.loads((TEMPLATES / f"{name}.json").read_text(encoding="utf-8"))


def run(screen: Screen, name: str) -> None:
    screen.load(read(name))
    screen.press_run()
    screen.wait_for_picture("SaveImage")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_six_faces_are_seven_lines_in_view(screen: Screen, client: Client, shared: Path) -> None:
    client.upload(group(shared, SIDES), EXAMPLE)
    run(screen, "Restore faces (start here)")
    shown = screen.page.locator(".gpen-report")
    expect(shown).to_have_count(1)
    lines = screen.reports()["GPENRestore"].splitlines()
    kinds = {"en": "restored", "zh": "已修复"}
    first = {"en": "6 faces found, 6 restored", "zh": "找到 6 张人脸，已修复 6 张"}
    assert len(lines) == 7 and lines[0] == first[screen.language]
    assert [line.split(" · ")[0] for line in lines[1:]] == [f"#{i} {kinds[screen.language]}" for i in range(1, 7)]
    assert shown.evaluate(IN_VIEW) == 7
    screen.keep(f"six_faces_{screen.language}_{screen.renderer.name}")


def test_more_faces_are_reached_by_scrolling(screen: Screen) -> None:
    screen.load(read("Restore faces (start here)"))
    face = {"picture": 1, "kind": "restored", "why": "", "width": 90, "height": 100, "left": 1, "top": 2, "score": 0.9}
    many = [face | {"number": number, "sharpness": None} for number in range(1, 31)]
    report = {"message": "", "found": 33, "pictures": 1, "tracks": 0, "counts": {"restored": 33}, "left_off": 3}
    told = "facts => app.graph.nodes.find(n => n.type === 'GPENRestore').onExecuted({ gpen_report: [facts] })"
    screen.page.evaluate(told, report | {"faces": many})
    shown = screen.page.locator(".gpen-report")
    last = shown.get_by_text("… and 3 more")
    last.wait_for(state="attached")
    before = shown.evaluate(IN_VIEW)
    scale = screen.page.evaluate("() => app.canvas.ds.scale")
    shown.click()  # in Nodes 2.0 the wheel is the canvas's until a widget has the focus
    screen.page.mouse.wheel(0, 2000)
    screen.page.wait_for_function("() => document.querySelector('.gpen-report').firstElementChild.scrollTop > 0")
    assert 7 <= before < 32 and screen.page.evaluate("() => app.canvas.ds.scale") == scale
    expect(last).to_be_in_viewport()


def test_detect_faces_shows_its_numbered_preview(screen: Screen) -> None:
    run(screen, "Step by step, with all settings")
    address = screen.wait_for_picture("GPENDetectFaces")
    assert screen.page.request.get(address).ok
    assert screen.reports()["GPENDetectFaces"].startswith("1 face found\n#1 found · ")
    assert screen.reports()["GPENPasteFaces"].startswith("1 face found, 1 restored\n#1 restored · ")


def test_report_comes_back_after_the_page_was_opened_again(screen: Screen, client: Client) -> None:
    if "has_intermediate_output" not in client.object_info()["GPENDetectFaces"]:
        pytest.skip("this ComfyUI does not send again what a node said whose result it has kept")
    run(screen, "Step by step, with all settings")
    before = screen.reports()
    screen.open()
    run(screen, "Step by step, with all settings")
    screen.wait_for_picture("GPENDetectFaces")
    assert screen.reports() == before and len(before) == 3


def test_workflow_is_stored_without_the_report(screen: Screen) -> None:
    run(screen, "Restore faces (start here)")
    stored = screen.page.evaluate("() => app.graph.serialize()")
    (node,) = (node for node in stored["nodes"] if node["type"] == "GPENRestore")
    (laid,) = (node for node in read("Restore faces (start here)")["nodes"] if node["type"] == "GPENRestore")
    assert node["widgets_values"] == laid["widgets_values"]
