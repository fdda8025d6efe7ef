"""From a workflow as the web page stores it to a prompt that the server runs.

The server takes prompts only; the web page makes them out of workflows. Here is as much of that as the templates of
this pack need, so that the demo and the tests run the very files that people open.
"""

import json
from pathlib import Path
from typing import Any

from .client import Prompt

DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
"""A combo of newer versions whose choice decides which further inputs there are; in prompts these are "combo.input"."""
DISPLAYS = {"IMAGECOMPARE"}
"""Kinds of inputs that only show something: no socket, no value in a workflow, but the server asks for one."""
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", DYNAMIC}
NOTES = {"Note", "MarkdownNote"}


class WorkflowError(Exception):
    """A workflow uses something that is not read here, or does not fit the nodes of the server."""


def read_workflow(path: Path) -> dict[str, Any]:
    """A workflow file as the web page stores it."""
    return json.loads(path.read_text(encoding="utf-8"))


def to_prompt(workflow: dict[str, Any], object_info: dict[str, dict[str, Any]]) -> Prompt:
    """A workflow → the prompt that the web page would send.

    Args:
        workflow: plain nodes, links and notes; no subgraphs, primitives, reroutes, nor muted or bypassed nodes.
        object_info: the server's description of its nodes.

    Raises `WorkflowError` where it has something else, or values that do not fit a node's inputs.
    """
    links = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    nodes = [node for node in workflow["nodes"] if node["type"] not in NOTES]
    return {
        str(node["id"]): {"class_type": node["type"], "inputs": _inputs(node, links, object_info)} for node in nodes
    }


def _inputs(
    node: dict[str, Any], links: dict[int, list[Any]], object_info: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    what = f"node {node['id']} ({node['type']})"
    if node["type"] not in object_info:
        raise WorkflowError(f"{what}: the server has no such node")
    if node.get("mode"):
        raise WorkflowError(f"{what} is muted or bypassed")
    # Values are stored without names, in the order of the node's inputs; those of linked inputs are stored as well.
    values = list(node.get("widgets_values", []))
    info = object_info[node["type"]]
    inputs = _widget_values(what, info, values)
    inputs |= {name: "" for name, (kind, *_) in inputs_of(info).items() if isinstance(kind, str) and kind in DISPLAYS}
    if values:
        raise WorkflowError(f"{what} has values left over, {values}: store the workflow again")
    linked = {entry["name"]: links[entry["link"]] for entry in node.get("inputs", []) if entry["link"] is not None}
    return inputs | linked


def _widget_values(what: str, info: dict[str, Any], values: list[Any], prefix: str = "") -> dict[str, Any]:
    """Take the values of a node's widgets off the list."""
    inputs: dict[str, Any] = {}
    optional = info["input"].get("optional", {})
    for name, options in widgets(info):
        if not values and name in optional and "default" in options:
            inputs[prefix + name] = options["default"]  # as the page does for what came after the workflow was stored
            continue
        if not values:
            raise WorkflowError(f"{what} has no value for its input {prefix + name!r}: store the workflow again")
        value = inputs[prefix + name] = values.pop(0)
        if options.get("control_after_generate"):
            values.pop(0)  # what the page does with a seed between two runs
        if uploads(options):
            values.pop(0)  # the upload button
        for choice in options.get("options", ()):
            if isinstance(choice, dict) and choice["key"] == value:
                inputs |= _widget_values(what, {"input": choice["inputs"]}, values, f"{prefix}{name}.")
    return inputs


def inputs_of(info: dict[str, Any]) -> dict[str, list[Any]]:
    """Name → type and options of all inputs of a node, in the order of the page."""
    return {**info["input"].get("required", {}), **info["input"].get("optional", {})}


def widgets(info: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The inputs of a node that have a widget, in their order, with their options."""
    found = []
    for name, (kind, *rest) in inputs_of(info).items():
        options = rest[0] if rest else {}
        # Old nodes give a list of choices as the kind.
        seen = not options.get("forceInput") and not options.get("hidden")
        if (isinstance(kind, list) or kind in WIDGETS) and seen:
            found.append((name, options))
    return found


def uploads(options: dict[str, Any]) -> bool:
    """Whether a widget has a button beside it that uploads a file."""
    return any(options.get(kind) for kind in ("image_upload", "video_upload", "audio_upload"))
