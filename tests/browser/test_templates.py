"""Templates as a person opens them: shown, opened, run, and shared in a saved picture."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from gpen.weights.catalogue import released
from tests.browser.screen import Renderer, Screen
from tests.support.photograph import Damage, damaged
from tools.client import Client, Prompt, PromptRefused
from tools.comfyui import PACK_NAME, ROOT, Server
from tools.demo import EXAMPLE, WORKFLOW
from tools.workflow import to_prompt

# The one that opens as an app leaves the page without a graph to look at, so it comes last.
TEMPLATES = sorted((ROOT / "workflows").glob("*.json"), key=lambda file: ("as an app" in file.stem, file.name))
BLUEPRINTS = sorted((ROOT / "subgraphs").glob("*.json"))
RELEASED = sorted((ROOT / "tests" / "workflows").glob("*/template.json"))
LISTED = json.loads((ROOT / "web" / "templates.json").read_text(encoding="utf-8"))
FIRST = LISTED[0]["name"]
READABLE = 0.65
"""The zoom at which a page of 1600×1000 pixels shows a whole template; below 0.6 it leaves out what is written."""
ROUNDING = 12
"""In units of the canvas: less than what lies between two nodes."""
SHOWS = ("SaveImage", "PreviewImage", "SaveVideo")


def read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_template_browser_to_picture_on_the_node(screen: Screen) -> None:
    screen.command("Comfy.BrowseTemplates")
    screen.dialog().get_by_text(re.compile(f"{PACK_NAME}|GPEN")).first.click()
    known = screen.page.evaluate("() => Object.keys(LiteGraph.registered_node_types)")
    names = [
        template["titles"].get(screen.language, template["name"])
        for template in LISTED
        if set(template["needs"]) <= set(known)
    ]
    cards = screen.page.locator("[data-testid^=template-workflow-]")
    screen.page.get_by_test_id(f"template-workflow-{names[-1]}").wait_for()
    shown = cards.evaluate_all("cards => cards.map(card => card.dataset.testid.replace('template-workflow-', ''))")
    assert shown == names, "in their order, with what they are called in this language"
    screen.page.wait_for_function("() => [...document.images].every(image => image.complete)")
    assert cards.locator("img").evaluate_all("images => images.every(image => image.naturalWidth > 0)")
    screen.keep(f"template_browser_{screen.language}_{screen.renderer.name}")
    screen.page.get_by_test_id(f"template-workflow-{names[0]}").click()
    screen.page.wait_for_function("() => app.graph.nodes.some(node => node.type === 'GPENRestore')")
    note = "() => app.graph.nodes.find(node => node.type === 'MarkdownNote').widgets[0].value"
    assert names[0] in screen.page.evaluate(note)
    screen.press_run()
    screen.wait_for_picture("SaveImage")


def test_template_brings_the_picture_that_it_names(screen: Screen, server: Server) -> None:
    (server.base / "input" / EXAMPLE).unlink()
    choices = "LiteGraph.registered_node_types.LoadImage.nodeData.input.required.image"
    screen.page.evaluate(f"() => {{ const s = {choices}; (Array.isArray(s[0]) ? s[0] : s[1].options).length = 0; }}")
    screen.load(read(WORKFLOW))
    assert (server.base / "input" / EXAMPLE).read_bytes() == (ROOT / "web" / EXAMPLE).read_bytes()
    screen.forgive()


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.stem)
def test_template_runs_as_the_page_converts_it(screen: Screen, server: Server, client: Client, file: Path) -> None:
    workflow = read(file)
    known = screen.page.evaluate("() => Object.keys(LiteGraph.registered_node_types)")
    if missing := {node["type"] for node in workflow["nodes"]} - set(known):
        pytest.skip(
            f"this ComfyUI has no {', '.join(sorted(missing))}, and its template browser does not list this one"
        )
    screen.load(workflow)
    prompt = screen.prompt()
    screen.keep(f"{file.stem}_{screen.renderer.name}")
    if _draws_as_today(screen):
        assert screen.page.evaluate("() => app.canvas.ds.scale") >= READABLE
        assert not _too_large(screen, workflow), "a node is larger than what was laid out for it"
    _provide_inputs(client, server, prompt)
    with _stand_ins(server, prompt):
        try:
            run = client.run(prompt)
        except PromptRefused as refused:
            # Other packs' and core's models need not be at hand; then the workflow says where they are.
            named = {model["name"] for node in _nodes(workflow) for model in node["properties"].get("models", [])}
            problems = [problem for node in refused.node_errors.values() for problem in node["errors"]]
            assert problems
            for problem in problems:
                assert problem["type"] == "value_not_in_list" and problem["extra_info"]["received_value"] in named
            screen.forgive()
            return
    for node_id, node in prompt.items():
        if node["class_type"] in SHOWS:
            assert run.outputs[node_id]["images"], f"node {node_id} ({node['class_type']}) shows nothing"


def _draws_as_today(screen: Screen) -> bool:
    """Whether nodes have the size that templates are laid out for: the first versions of Nodes 2.0 made them larger."""
    major, minor, *_ = screen.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '0.0.0'").split(".")
    return screen.renderer is Renderer.CLASSIC or (int(major), int(minor)) >= (1, 40)


def _too_large(screen: Screen, workflow: dict[str, Any]) -> dict[str, float]:
    """Node type → by how much it is higher on the page than stored, where that is more than a rounding."""
    measure = """nodes2 => Object.fromEntries(app.graph.nodes.map(node => {
        const shown = nodes2 && document.querySelector(`[data-node-id="${node.id}"]`);
        return [node.id, shown ? shown.offsetHeight - LiteGraph.NODE_TITLE_HEIGHT : node.size[1]];
    }))"""
    heights = screen.page.evaluate(measure, screen.renderer is Renderer.NODES_2)
    stored = {str(node["id"]): node for node in workflow["nodes"]}
    more = {node["type"]: heights[key] - node["size"][1] for key, node in stored.items()}
    return {kind: height for kind, height in more.items() if height > ROUNDING}


@pytest.mark.parametrize("file", BLUEPRINTS, ids=lambda file: file.stem)
def test_blueprint_is_listed_and_runs_as_a_node(screen: Screen, client: Client, file: Path) -> None:
    listed = client.get("/global_subgraphs").json().values()
    assert file.stem in {entry["name"] for entry in listed if entry["source"] == "custom_node"}
    screen.load(read(file))
    connect = """() => {
        const [node] = app.graph.nodes;
        const [load, save] = ["LoadImage", "SaveImage"].map(type => LiteGraph.createNode(type));
        app.graph.add(load);
        app.graph.add(save);
        load.pos = [-400, 0];
        save.pos = [500, 0];
        load.connect(0, node, 0);
        node.connect(0, save, 0);
    }"""
    screen.page.evaluate(connect)
    screen.page.evaluate("() => { app.graph.nodes[0].widgets.find(w => w.name.endsWith('strength')).value = 0.5; }")
    prompt = screen.prompt()
    (paste,) = (node for node in prompt.values() if node["class_type"] == "GPENPasteFaces")
    assert paste["inputs"]["strength"] == 0.5
    (loader,) = (node for node in prompt.values() if node["class_type"] == "LoadImage")
    loader["inputs"]["image"] = client.upload(damaged(Damage.NOISE), EXAMPLE)
    screen.keep(file.stem)
    (saver,) = (name for name, node in prompt.items() if node["class_type"] == "SaveImage")
    assert client.pictures(client.run(prompt), saver)


def test_demo_converts_as_the_page_does(screen: Screen, client: Client) -> None:
    screen.load(read(WORKFLOW))
    sent = screen.prompt()
    for node in sent.values():
        del node["_meta"]  # titles, which the server does not read
    assert to_prompt(read(WORKFLOW), client.object_info()) == sent


def test_saved_picture_dropped_on_the_page_brings_the_graph_back(screen: Screen) -> None:
    screen.load(read(ROOT / "workflows" / f"{FIRST}.json"))
    screen.set("GPENRestore", "strength", 0.6)
    sent = screen.prompt()
    screen.press_run()
    picture = screen.page.request.get(screen.wait_for_picture("SaveImage")).body()
    assert Image.open(io.BytesIO(picture)).format == "PNG"
    screen.clear()
    assert screen.prompt() == {}
    screen.drop("restored.png", picture)
    screen.page.wait_for_function("() => app.graph.nodes.some(node => node.type === 'GPENRestore')")
    assert screen.prompt() == sent


@pytest.mark.parametrize("file", RELEASED, ids=lambda file: file.parent.name)
def test_workflow_of_an_earlier_release_keeps_its_settings(screen: Screen, file: Path) -> None:
    screen.load(read(file))
    prompt = screen.prompt()
    for node_id, node in read(file.with_name("template.prompt.json")).items():
        assert prompt[node_id]["class_type"] == node["class_type"]
        kept = {name: prompt[node_id]["inputs"].get(name) for name in node["inputs"]}
        assert kept == node["inputs"]


def _nodes(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    inner = workflow.get("definitions", {}).get("subgraphs", [])
    return [*workflow["nodes"], *(node for subgraph in inner for node in subgraph["nodes"])]


def _provide_inputs(client: Client, server: Server, prompt: Prompt) -> None:
    """A photograph or a clip under every name that the template loads."""
    for node in prompt.values():
        if node["class_type"] == "LoadImage":
            client.upload(damaged(Damage.NOISE), node["inputs"]["image"])
        elif node["class_type"] == "LoadVideo":
            path = server.base / "input" / node["inputs"]["file"]
            picture = np.ascontiguousarray(damaged(Damage.NOISE)[..., ::-1])
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5, picture.shape[1::-1])
            for _ in range(2):
                writer.write(picture)
            writer.release()


@contextmanager
def _stand_ins(server: Server, prompt: Prompt) -> Iterator[None]:
    """Small networks of random numbers in the place of the released ones that the template loads."""
    written = []
    config = GPENConfig.released(64, 1, 1 / 16, 32, 2)
    for node in prompt.values():
        release = released(node["inputs"]["file"]) if node["class_type"] == "GPENLoadModel" else None
        if release is not None:
            path = server.base / "models" / "gpen" / f"{release.name}.safetensors"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_checkpoint(path, {name: torch.randn(shape) for name, shape in config.official_shapes().items()})
            written.append(path)
    try:
        yield
    finally:
        for path in written:
            path.unlink()
