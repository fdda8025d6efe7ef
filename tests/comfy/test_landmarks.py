"""FACE_LANDMARKS in a real server; 0.3.75 has no node that makes them, so they stand in the prompt."""

import json
from pathlib import Path

import pytest
from skimage import data

from tools.client import Client, Graph, Node, NodeFailed

POINTS = json.loads((Path(__file__).parents[1] / "landmarks" / "astronaut.json").read_text(encoding="utf-8"))


def graph_with(client: Client, **inputs: object) -> tuple[Graph, Node]:
    graph = Graph()
    image = graph.add("LoadImage", image=client.upload(data.astronaut(), "astronaut.png"))
    landmarks = {"frames": [[{"landmarks_xy": POINTS, "score": 0.9}]], "image_size": [512, 512]}
    # A detector that is not on disk: nothing is fetched, for nothing is looked for.
    settings = {"detector": "retinaface_resnet50", "threshold": 0.0, "landmarks": landmarks, **inputs}
    found = graph.add("GPENDetectFaces", image=image.out(), **settings)
    graph.add("PreviewImage", images=found.out(1))
    return graph, found


def test_faces_of_another_node(client: Client) -> None:
    graph, found = graph_with(client)
    first, line = client.run(graph).outputs[found.id]["text"][0].splitlines()
    assert first == "1 face found" and "score 0.90" in line


def test_boxes_beside_them_are_an_error(client: Client) -> None:
    graph, _ = graph_with(client, boxes={"x": 1, "y": 1, "width": 9, "height": 9})
    with pytest.raises(NodeFailed, match="connect one of them"):
        client.run(graph)
