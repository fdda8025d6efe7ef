"""From a graph to a workflow as the web page stores it: rows of columns, read from left to right.

Who opens it shall read all of it at once, so each graph says where its nodes stand, and a node is as large as either of
the page's two renderers needs it. A wire to the next column is drawn directly; one that goes further is led along the
top of the row, through the page's own reroute points, so that none runs behind a node.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .client import Graph, Node
from .comfyui import PACK_NAME
from .workflow import DISPLAYS, inputs_of, uploads, widgets

WIDTH, NOTE_WIDTH = 285, 310
GAP = 60
"""Between columns, where wires rise and fall."""
TITLE, SLOT, WIDGET, TALL_WIDGET, EDGE = 30, 20, 24, 28, 16
"""Heights in units of the page's canvas; a widget is taller in Nodes 2.0."""
FOOT = 64
"""What Nodes 2.0 adds to a node of a pack: its badge and the button that unfolds advanced inputs."""
PICTURE, REPORT = 260, 130
BELOW = 30
"""Between a node and the title of the next one below."""
LANE, ASIDE = 20, 10
"""Between two wires that are led along the top of a row, and between their falls into the same gap."""
BADGE = 24
"""What the classic renderer draws above the title of a pack's node."""
PICTURED = {"LoadImage", "PreviewImage", "SaveImage", "LoadVideo", "SaveVideo", "ImageCompare", "GPENDetectFaces"}
SILENT = {"GPENLoadModel", "GPENRestoreTiled", "GPENRestoreAligned", "GPENLensDistortion"}
"""Our nodes that do not say what became of each face."""

GROWN = {"GetVideoComponents": 40, "CreateVideo": 28, "CheckpointLoaderSimple": 24}
"""What newer versions of ComfyUI add to the height of these nodes of theirs: sockets, and a line for a missing file."""

Info = dict[str, dict[str, Any]]
"""The server's description of its nodes, by their types."""


@dataclass(frozen=True)
class Note:
    """A text beside the nodes, in Markdown; `elsewhere` is the same in other languages, which the page script reads."""

    text: str
    elsewhere: dict[str, str] = field(default_factory=dict)


Row = Sequence[Sequence[Node | Note]]
"""Columns from left to right, each from top to bottom."""


def to_workflow(
    graph: Graph, info: Info, rows: Sequence[Row], models: Mapping[str, list[dict[str, str]]] | None = None
) -> dict[str, Any]:
    """A graph as the web page would store it.

    Args:
        graph: what runs; inputs that it leaves out get the node's default.
        info: the server's description of its nodes.
        rows: where each node of it stands, and notes.
        models: node id → the model files it needs, as `properties.models` lists them: name, url, directory.
    """
    placed = Placed(graph, info, rows)
    for node_id, files in (models or {}).items():
        placed.nodes[node_id]["properties"]["models"] = files
    return {
        "id": identity(graph),
        "revision": 0,
        "last_node_id": len(placed.nodes) + len(placed.notes),
        "last_link_id": len(placed.links),
        "nodes": [*placed.nodes.values(), *placed.notes],
        "links": placed.links,
        "groups": [],
        "config": {},
        "extra": placed.reroutes(),
        "version": 0.4,
    }


def write_workflow(path: Path, workflow: dict[str, Any]) -> None:
    """Store a workflow as people's editors and diffs like it."""
    path.write_text(json.dumps(workflow, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def identity(graph: Graph) -> str:
    """The same graph has the same id each time it is written."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(graph.prompt(), sort_keys=True)))


class Placed:
    """The nodes of a graph by their ids, connected and placed, its links and its notes."""

    def __init__(self, graph: Graph, info: Info, rows: Sequence[Row]):
        self.nodes = {node.id: node_entry(node, info[node.class_type]) for node in graph.nodes}
        self.links = _connect(graph, self.nodes)
        self.notes: list[dict[str, Any]] = []
        self._cell: dict[int, tuple[int, int]] = {}  # node id → its row and column
        self._tops: list[float] = []
        self._lefts: list[list[float]] = []
        """Of each row, where its columns begin."""
        missing = set(self.nodes) - {
            entry.id for row in rows for column in row for entry in column if isinstance(entry, Node)
        }
        if missing:
            raise ValueError(f"nodes without a place: {sorted(missing)}")
        top = 0.0
        for index, row in enumerate(rows):
            top = self._place_row(index, row, top)

    def _place_row(self, index: int, row: Row, top: float) -> float:
        """Stand the nodes of a row below `top`; returns where the next row begins."""
        lanes = len(list(self._led(index, row)))
        top += TITLE + (BADGE + LANE * lanes if lanes else 0)
        self._tops.append(top)
        self._lefts.append([])
        left, bottom = 0.0, top
        for column, entries in enumerate(row):
            width = NOTE_WIDTH if any(isinstance(entry, Note) for entry in entries) else WIDTH
            self._lefts[-1].append(left)
            bottom = max(bottom, self._place_column(entries, (index, column), (left, top), width))
            left += width + GAP
        return bottom + BELOW

    def _place_column(
        self, entries: Sequence[Node | Note], cell: tuple[int, int], corner: tuple[float, float], width: float
    ) -> float:
        left, top = corner
        for entry in entries:
            shown = self._note(entry) if isinstance(entry, Note) else self.nodes[entry.id]
            self._cell[shown["id"]] = cell
            shown["pos"] = [left, top]
            shown["size"] = [width, shown["size"][1]]
            top += shown["size"][1] + BELOW + TITLE
        return top - BELOW - TITLE

    def _note(self, note: Note) -> dict[str, Any]:
        entry = note_entry(len(self.nodes) + len(self.notes) + 1, note)
        self.notes.append(entry)
        return entry

    def _led(self, index: int, row: Row) -> Iterator[tuple[int, int]]:
        """The outputs, as (node id, slot), of which a wire runs along the top of a row."""
        columns = {
            int(entry.id): column for column, entries in enumerate(row) for entry in entries if isinstance(entry, Node)
        }
        seen: set[tuple[int, int]] = set()
        for _, source, slot, target, *_ in self.links:
            direct = source in columns and columns[source] + 1 == columns.get(target)
            if target in columns and not direct and (source, slot) not in seen:
                seen.add((source, slot))
                yield source, slot

    def reroutes(self) -> dict[str, Any]:
        """The points through which wires are led, as the page stores them in `extra`."""
        lanes: dict[tuple[int, int, int], list[list[Any]]] = {}
        for link in self.links:
            (row, column), (to_row, to_column) = self._cell[link[1]], self._cell[link[3]]
            if (row, column + 1) != (to_row, to_column):
                lanes.setdefault((link[1], link[2], to_row), []).append(link)
        points: list[dict[str, Any]] = []
        ends: list[dict[str, int]] = []
        lane_of_row: dict[int, int] = {}
        for (source, _, row), links in lanes.items():
            lane = lane_of_row[row] = lane_of_row.get(row, 0) + 1
            y = self._tops[row] - TITLE - BADGE - LANE * lane + LANE // 2
            aside = ASIDE * ((lane + 1) % 3 - 1)
            self._lead(links, (self._right_of(source), y), aside, points, ends)
        return {"reroutes": points, "linkExtensions": ends} if points else {}

    def _right_of(self, node_id: int) -> float:
        row, column = self._cell[node_id]
        lefts = self._lefts[row]
        end = lefts[column + 1] - GAP if column + 1 < len(lefts) else lefts[column] + WIDTH
        return end + GAP / 2

    def _left_of(self, node_id: int) -> float:
        row, column = self._cell[node_id]
        return self._lefts[row][column] - GAP / 2

    def _lead(
        self,
        links: list[list[Any]],
        start: tuple[float, float],
        aside: float,
        points: list[dict[str, Any]],
        ends: list[dict[str, int]],
    ) -> None:
        """One lane: from the gap behind the source to the gap before each target, the nearest first."""
        left, y = start
        stops = sorted(links, key=lambda link: abs(self._left_of(link[3]) - left))
        parent = None
        falls = [(self._left_of(link[3]), stops[i:]) for i, link in enumerate(stops)]
        for x, through in ((left, stops), *falls):
            x += aside
            if parent is not None and points[-1]["pos"] == [x, y]:
                continue
            point: dict[str, Any] = {"id": len(points) + 1, "pos": [x, y], "linkIds": [link[0] for link in through]}
            if parent is not None:
                point["parentId"] = parent
            points.append(point)
            parent = point["id"]
        for link in stops:
            last = max(point["id"] for point in points if link[0] in point["linkIds"])
            ends.append({"id": link[0], "parentId": last})


def node_entry(node: Node, info: dict[str, Any]) -> dict[str, Any]:
    """A node of a graph as the page stores it, not yet placed nor connected."""
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
    ours = info.get("python_module", "").endswith(PACK_NAME)
    return {
        "id": int(node.id),
        "type": node.class_type,
        "pos": [0, 0],
        "size": [WIDTH, _height(node, info)],
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


def _height(node: Node, info: dict[str, Any]) -> int:
    """What the taller of both renderers takes: the classic one shows advanced inputs, Nodes 2.0 has larger widgets."""
    shown = dict(widgets(info))
    sockets = max(len(inputs_of(info)) - len(shown), len(info["output"])) * SLOT
    buttons = sum(uploads(options) for options in shown.values())
    several = sum(WIDGET for options in shown.values() if options.get("multiline"))
    plain = sum(not options.get("advanced") for options in shown.values())
    ours = info.get("python_module", "").endswith(PACK_NAME)
    foot, report = (FOOT * ours, REPORT * (ours and node.class_type not in SILENT))
    height = sockets + EDGE + max(WIDGET * (len(shown) + buttons), TALL_WIDGET * plain + foot) + 4 * several
    return height + PICTURE * (node.class_type in PICTURED) + report + GROWN.get(node.class_type, 0)


def _default(info: dict[str, Any], name: str, options: dict[str, Any]) -> Any:
    kind = inputs_of(info)[name][0]
    choices = kind if isinstance(kind, list) else options.get("options", [])
    return options.get("default", choices[0] if choices else "")


def _inputs(info: dict[str, Any]) -> dict[str, str]:
    """Name → type of all inputs, in the order of the page."""
    kinds = {name: "COMBO" if isinstance(kind, list) else kind for name, (kind, *_) in inputs_of(info).items()}
    return {name: kind for name, kind in kinds.items() if kind not in DISPLAYS}


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


def note_entry(node_id: int, note: Note) -> dict[str, Any]:
    """A note as the page stores it; its translations travel with it until the page script has chosen one."""
    lines = sum(1 + len(line) // 46 for line in note.text.splitlines())
    return {
        "id": node_id,
        "type": "MarkdownNote",
        "pos": [0, 0],
        "size": [NOTE_WIDTH, 44 + 15 * lines],
        "flags": {},
        "order": node_id - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {"gpen_translations": note.elsewhere} if note.elsewhere else {},
        "widgets_values": [note.text],
        "color": "#432",
        "bgcolor": "#653",
    }
