"""From a graph to a workflow as the web page stores it: laid out from left to right, with a note on its left."""

import json
import uuid
from pathlib import Path
from typing import Any

from .client import Graph, Node
from .comfyui import PACK_NAME
from .workflow import uploads, widgets

WIDTH = 330
GAP = 60
TITLE, SLOT, WIDGET, PICTURE = 40, 22, 26, 300
"""Heights in pixels of the page's canvas."""
PICTURED = {"LoadImage", "LoadImageMask", "PreviewImage", "SaveImage", "LoadVideo", "SaveVideo"}
NOTE_WIDTH = 400


def to_workflow(
    graph: Graph, object_info: dict[str, dict[str, Any]], note: str, models: dict[str, list[dict[str, str]]]
) -> dict[str, Any]:
    """A graph as the web page would store it.

    Args:
        graph: what runs; inputs that it leaves out get the node's default.
        object_info: the server's description of its nodes.
        note: Markdown, shown beside the nodes.
        models: node id → the model files it needs, as `properties.models` lists them: name, url, directory.
    """
    nodes = [_node(node, object_info[node.class_type]) for node in graph.nodes]
    by_id = {str(node["id"]): node for node in nodes}
    links = _connect(graph, by_id)
    for node_id, files in models.items():
        by_id[node_id]["properties"]["models"] = files
    _place(graph, by_id)
    nodes.append(_note(len(nodes) + 1, note))
    name = json.dumps(graph.prompt(), sort_keys=True)
    return {
        # The same graph has the same id each time it is written.
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        "revision": 0,
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def write_workflow(path: Path, workflow: dict[str, Any]) -> None:
    """Store a workflow as people's editors and diffs like it."""
    path.write_text(json.dumps(workflow, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _node(node: Node, info: dict[str, Any]) -> dict[str, Any]:
    values: list[Any] = []
    shown = dict(widgets(info))
    for name, options in shown.items():
        value = node.inputs.get(name)
        # What is linked keeps a value of its own, used when the link is cut.
        values.append(_default(info, name, options) if value is None or isinstance(value, list) else value)
        if options.get("control_after_generate"):
            values.append("fixed")
        if uploads(options):
            values.append("image")
    inputs: list[dict[str, Any]] = []
    for name, kind in _inputs(info).items():
        entry: dict[str, Any] = {"localized_name": name, "name": name, "type": kind, "link": None}
        if name in shown:
            entry["widget"] = {"name": name}
        inputs.append(entry)
    sockets = sum("widget" not in entry for entry in inputs)
    height = TITLE + SLOT * max(sockets, len(info["output"])) + WIDGET * len(shown)
    ours = info.get("python_module", "").endswith(PACK_NAME)
    return {
        "id": int(node.id),
        "type": node.class_type,
        "pos": [0, 0],
        "size": [WIDTH, height + (PICTURE if node.class_type in PICTURED else 0)],
        "flags": {},
        "order": int(node.id) - 1,
        "mode": 0,
        "inputs": inputs,
        "outputs": [
            {"localized_name": name, "name": name, "type": kind, "links": []}
            for name, kind in zip(info["output_name"], info["output"], strict=True)
        ],
        # Where ComfyUI's manager finds a node that is missing.
        "properties": {"cnr_id": PACK_NAME if ours else "comfy-core", "Node name for S&R": node.class_type},
        "widgets_values": values,
    }


def _default(info: dict[str, Any], name: str, options: dict[str, Any]) -> Any:
    kind = {**info["input"].get("required", {}), **info["input"].get("optional", {})}[name][0]
    choices = kind if isinstance(kind, list) else options.get("options", [])
    return options.get("default", choices[0] if choices else "")


def _inputs(info: dict[str, Any]) -> dict[str, str]:
    """Name → type of all inputs, in the order of the page."""
    inputs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
    return {name: "COMBO" if isinstance(kind, list) else kind for name, (kind, *_) in inputs.items()}


def _connect(graph: Graph, nodes: dict[str, dict[str, Any]]) -> list[list[Any]]:
    """The links: id, from node, from slot, to node, to slot, type; the nodes get their ids."""
    links: list[list[Any]] = []
    for node in graph.nodes:
        target = nodes[node.id]
        for slot, entry in enumerate(target["inputs"]):
            value = node.inputs.get(entry["name"])
            if isinstance(value, list):
                source, output = nodes[value[0]], value[1]
                link = len(links) + 1
                entry["link"] = link
                source["outputs"][output]["links"].append(link)
                kind = source["outputs"][output]["type"]
                links.append([link, source["id"], output, target["id"], slot, kind])
    return links


def _place(graph: Graph, nodes: dict[str, dict[str, Any]]) -> None:
    """Columns from left to right: a node stands right of all that it reads, and a source beside its first reader."""
    sources = {node.id: [v[0] for v in node.inputs.values() if isinstance(v, list)] for node in graph.nodes}
    column: dict[str, int] = {}
    for node in graph.nodes:  # a graph names only nodes that were added before
        column[node.id] = max((column[source] + 1 for source in sources[node.id]), default=0)
    for node in graph.nodes:
        readers = [column[reader] for reader, read in sources.items() if node.id in read]
        if not sources[node.id] and readers:
            column[node.id] = min(readers) - 1
    below: dict[int, int] = {}
    for node in graph.nodes:
        x = column[node.id]
        entry = nodes[node.id]
        entry["pos"] = [x * (WIDTH + GAP), below.get(x, 0)]
        below[x] = below.get(x, 0) + entry["size"][1] + GAP


def _note(node_id: int, text: str) -> dict[str, Any]:
    lines = sum(1 + len(line) // 52 for line in text.splitlines())
    return {
        "id": node_id,
        "type": "MarkdownNote",
        "pos": [-NOTE_WIDTH - GAP, 0],
        "size": [NOTE_WIDTH, 80 + 22 * lines],
        "flags": {},
        "order": node_id - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [text],
        "color": "#432",
        "bgcolor": "#653",
    }
