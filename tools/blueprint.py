"""From a graph to a blueprint: one node that people can open and change, in the form of the files in `subgraphs/`."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .client import Graph, Node
from .comfyui import PACK_NAME
from .layout import EDGE, GAP, SLOT, TALL_WIDGET, WIDTH, Info, Placed, Row, identity

INPUT_NODE, OUTPUT_NODE = -10, -20
"""Ids of the ends of a subgraph."""
END_WIDTH = 120
Ends = Sequence[tuple[Node, str]]


@dataclass(frozen=True)
class Blueprint:
    """What a blueprint is, beside the graph inside of it."""

    name: str
    description: str
    category: str
    """Under which the page lists it."""
    rows: Sequence[Row]
    """Where the nodes inside stand."""
    inputs: Mapping[str, Ends] = field(default_factory=dict)
    """Name of each input → the inputs inside that read it, as (node, input name)."""
    outputs: Mapping[str, Ends] = field(default_factory=dict)
    """Name of each output → the one output inside that it hands out, as (node, output name)."""
    widgets: Sequence[tuple[Node, str]] = ()
    """What of the nodes inside can be set from outside, as (node, input name)."""


def to_blueprint(graph: Graph, info: Info, made: Blueprint) -> dict[str, Any]:
    """The workflow of one node, whose definition holds the graph."""
    subgraph = _Subgraph(graph, info, made)
    outside = {
        "id": 1,
        "type": subgraph.entry["id"],
        "pos": [0, 0],
        "size": [WIDTH + 60, SLOT * max(len(made.inputs), len(made.outputs)) + TALL_WIDGET * len(made.widgets) + EDGE],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": subgraph.sockets,
        "outputs": [{"name": end["name"], "type": end["type"], "links": []} for end in subgraph.entry["outputs"]],
        "title": made.name,
        "properties": {
            "cnr_id": PACK_NAME,
            # Older pages show the widgets that are named here, newer ones those that an input leads to.
            "proxyWidgets": [[node.id, name] for node, name in made.widgets],
        },
        "widgets_values": [],
    }
    return {
        "revision": 0,
        "last_node_id": 1,
        "last_link_id": 0,
        "nodes": [outside],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [subgraph.entry]},
        "extra": {},
    }


class _Subgraph:
    """The definition, `entry`, and how its inputs look from outside, `sockets`."""

    def __init__(self, graph: Graph, info: Info, made: Blueprint):
        placed = Placed(graph, info, made.rows)
        self._id = identity(graph)
        self._nodes = placed.nodes
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        self._links = [dict(zip(keys, link, strict=True)) for link in placed.links]
        self.sockets: list[dict[str, Any]] = []
        inputs = [self._input(name, ends) for name, ends in made.inputs.items()]
        inputs += [self._input(name, [(node, name)], widget=True) for node, name in made.widgets]
        outputs = [self._output(index, name, ends) for index, (name, ends) in enumerate(made.outputs.items())]
        right = max(node["pos"][0] + node["size"][0] for node in placed.nodes.values()) + GAP
        self.entry: dict[str, Any] = {
            "id": self._id,
            "version": 1,
            "state": {
                "lastGroupId": 0,
                "lastNodeId": len(self._nodes),
                "lastLinkId": len(self._links),
                "lastRerouteId": 0,
            },
            "revision": 0,
            "config": {},
            "name": made.name,
            "description": made.description,
            "category": made.category,
            "inputNode": _end(INPUT_NODE, -GAP - END_WIDTH, len(inputs)),
            "outputNode": _end(OUTPUT_NODE, right, len(outputs)),
            "inputs": inputs,
            "outputs": outputs,
            "widgets": [],
            "nodes": list(self._nodes.values()),
            "groups": [],
            "links": self._links,
            "extra": {},
        }

    def _input(self, name: str, ends: Ends, widget: bool = False) -> dict[str, Any]:
        index, ids, kind = len(self.sockets), [], ""
        for node, end in ends:
            entry, slot = self._slot(node, "inputs", end)
            kind = entry["type"]
            entry["link"] = self._link((INPUT_NODE, index), (int(node.id), slot), kind)
            ids.append(entry["link"])
        socket: dict[str, Any] = {"name": name, "type": kind, "link": None}
        self.sockets.append(socket | ({"widget": {"name": name}} if widget else {}))
        return self._described("inputs", name, kind, ids)

    def _output(self, index: int, name: str, ends: Ends) -> dict[str, Any]:
        ((node, end),) = ends
        entry, slot = self._slot(node, "outputs", end)
        link = self._link((int(node.id), slot), (OUTPUT_NODE, index), entry["type"])
        entry["links"].append(link)
        return self._described("outputs", name, entry["type"], [link])

    def _slot(self, node: Node, side: str, name: str) -> tuple[dict[str, Any], int]:
        entries = self._nodes[node.id][side]
        slot = next(slot for slot, entry in enumerate(entries) if entry["name"] == name)
        return entries[slot], slot

    def _link(self, origin: tuple[int, int], target: tuple[int, int], kind: str) -> int:
        link = len(self._links) + 1
        self._links.append({"id": link, "origin_id": origin[0], "origin_slot": origin[1]})
        self._links[-1] |= {"target_id": target[0], "target_slot": target[1], "type": kind}
        return link

    def _described(self, side: str, name: str, kind: str, links: list[int]) -> dict[str, Any]:
        unique = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._id} {side} {name}"))
        return {"id": unique, "name": name, "type": kind, "linkIds": links, "localized_name": name, "pos": [0, 0]}


def _end(node_id: int, left: float, slots: int) -> dict[str, Any]:
    return {"id": node_id, "bounding": [left, 0, END_WIDTH, 40 + SLOT * slots]}
