"""From a graph to a workflow as the web page stores it: laid out from left to right, with a note on its left."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .client import Graph, Node
from .comfyui import PACK_NAME
from .workflow import inputs_of, uploads, widgets

WIDTH = 330
GAP = 60
TITLE, SLOT, WIDGET, PICTURE = 40, 22, 26, 300
"""Heights in pixels of the page's canvas."""
INPUT_NODE, OUTPUT_NODE = -10, -20
"""Ids of the ends of a subgraph."""
PICTURED = {"LoadImage", "LoadImageMask", "PreviewImage", "SaveImage", "LoadVideo", "SaveVideo"}
NOTE_WIDTH = 400
Slots = Mapping[str, list[tuple[Node, str]]]


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
    by_id, links = _laid_out(graph, object_info)
    for node_id, files in models.items():
        by_id[node_id]["properties"]["models"] = files
    nodes = [*by_id.values(), _note(len(by_id) + 1, note)]
    return {
        "id": _id(graph),
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


def to_blueprint(
    graph: Graph, object_info: dict[str, dict[str, Any]], name: str, inputs: Slots, outputs: Slots
) -> dict[str, Any]:
    """A graph as a node of its own, a subgraph, in the form of the files in `subgraphs/`.

    Args:
        graph: what runs inside.
        object_info: the server's description of its nodes.
        name: of the node.
        inputs: name of each input of the node → the inputs inside that read it, as (node, input name).
        outputs: name of each output of the node → the one output inside that it hands out, as (node, output name).
    """
    nodes, links = _laid_out(graph, object_info)
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    inner = [dict(zip(keys, link, strict=True)) for link in links]

    def slot(side: str, index: int, name: str, ends: list[tuple[Node, str]]) -> dict[str, Any]:
        ids, kind = [], ""
        for node, end in ends:
            entries = nodes[node.id][side]
            entry = next(entry for entry in entries if entry["name"] == end)
            here, there = (node.id, entries.index(entry)), (INPUT_NODE if side == "inputs" else OUTPUT_NODE, index)
            origin, target = (there, here) if side == "inputs" else (here, there)
            kind, link = entry["type"], len(inner) + 1
            inner.append({"id": link, "origin_id": int(origin[0]), "origin_slot": origin[1]})
            inner[-1] |= {"target_id": int(target[0]), "target_slot": target[1], "type": kind}
            ids.append(link)
            if side == "inputs":
                entry["link"] = link
            else:
                entry["links"].append(link)
        identity = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{_id(graph)} {side} {name}"))
        return {"id": identity, "name": name, "type": kind, "linkIds": ids, "localized_name": name, "pos": [0, 0]}

    first = [slot("inputs", index, name, ends) for index, (name, ends) in enumerate(inputs.items())]
    last = [slot("outputs", index, name, ends) for index, (name, ends) in enumerate(outputs.items())]
    right = max(node["pos"][0] for node in nodes.values()) + WIDTH + GAP
    subgraph = {
        "id": _id(graph),
        "version": 1,
        "state": {"lastGroupId": 0, "lastNodeId": len(nodes), "lastLinkId": len(inner), "lastRerouteId": 0},
        "revision": 0,
        "config": {},
        "name": name,
        "inputNode": {"id": INPUT_NODE, "bounding": [-GAP - 120, 0, 120, 40 + 20 * len(first)]},
        "outputNode": {"id": OUTPUT_NODE, "bounding": [right, 0, 120, 40 + 20 * len(last)]},
        "inputs": first,
        "outputs": last,
        "widgets": [],
        "nodes": list(nodes.values()),
        "groups": [],
        "links": inner,
        "extra": {},
    }
    outside = {
        "id": 1,
        "type": subgraph["id"],
        "pos": [0, 0],
        "size": [WIDTH, TITLE + SLOT * max(len(first), len(last))],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [{"name": entry["name"], "type": entry["type"], "link": None} for entry in first],
        "outputs": [{"name": entry["name"], "type": entry["type"], "links": []} for entry in last],
        "properties": {},
        "widgets_values": [],
    }
    return {
        "revision": 0,
        "last_node_id": 1,
        "last_link_id": 0,
        "nodes": [outside],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [subgraph]},
        "extra": {},
    }


def write_workflow(path: Path, workflow: dict[str, Any]) -> None:
    """Store a workflow as people's editors and diffs like it."""
    path.write_text(json.dumps(workflow, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _id(graph: Graph) -> str:
    """The same graph has the same id each time it is written."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(graph.prompt(), sort_keys=True)))


def _laid_out(
    graph: Graph, object_info: dict[str, dict[str, Any]]
) -> tuple[dict[str, dict[str, Any]], list[list[Any]]]:
    """The nodes by their ids, connected and placed, and their links."""
    nodes = {node.id: _node(node, object_info[node.class_type]) for node in graph.nodes}
    links = _connect(graph, nodes)
    _place(graph, nodes)
    return nodes, links


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
    kind = inputs_of(info)[name][0]
    choices = kind if isinstance(kind, list) else options.get("options", [])
    return options.get("default", choices[0] if choices else "")


def _inputs(info: dict[str, Any]) -> dict[str, str]:
    """Name → type of all inputs, in the order of the page."""
    return {name: "COMBO" if isinstance(kind, list) else kind for name, (kind, *_) in inputs_of(info).items()}


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
