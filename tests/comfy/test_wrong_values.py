"""One wrong value is one error, in words that say what could stand there."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.support.graphs import find, load, model, only_error
from tools.client import Client, Graph

NOTHING = np.full((64, 64, 3), 128, np.uint8)


def test_a_choice_that_is_none(client: Client, small: Path) -> None:
    """Each combo of each node, one after the other."""
    checked = 0
    for kind, info in client.object_info().items():
        if not kind.startswith("GPEN"):
            continue
        described = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        for name, (type_, *rest) in described.items():
            if type_ != "COMBO":
                continue
            graph = Graph()
            image = load(graph, client, NOTHING)
            video = graph.add("CreateVideo", images=image.out(), fps=25.0)
            sources = {"GPEN_MODEL": model(graph, small), "IMAGE": image, "GPEN_FACES": find(graph, image)}
            sources["VIDEO"] = video
            inputs: dict[str, Any] = {}
            for other, (other_type, *other_rest) in info["input"].get("required", {}).items():
                source = sources.get(other_type)
                inputs[other] = source.out() if source else other_rest[0]["default"]
            node = graph.add(kind, **{**inputs, name: "nonsense"})
            graph.add("PreviewAny", source=node.out())
            said = only_error(client, graph, node)
            assert said.startswith(("Value not in list: ", "unknown ")) and "nonsense" in said, (kind, name, said)
            options = rest[0]["options"]
            assert options[-1] in said or f"list of length {len(options)}" in said, (kind, name, said)
            checked += 1
    assert checked >= 15, checked


def test_parts_that_are_none(client: Client) -> None:
    graph = Graph()
    image = load(graph, client, NOTHING)
    node = graph.add("GPENPasteFaces", image=image.out(), faces=find(graph, image).out(), parts="face, elbow")
    graph.add("PreviewImage", images=node.out())
    assert "elbow" in only_error(client, graph, node)
