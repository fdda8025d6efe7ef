"""FACE_LANDMARKS in a real server; 0.3.75 has no node that makes them, so they stand in the prompt."""

import pytest
from skimage import data

from tests.support.graphs import find, load, show, text
from tests.support.photograph import mesh
from tools.client import Client, Graph, Node, NodeFailed


def graph_with(client: Client, **inputs: object) -> tuple[Graph, Node]:
    graph = Graph()
    landmarks = {"frames": [[{"landmarks_xy": mesh(), "score": 0.9}]], "image_size": [512, 512]}
    image = load(graph, client, data.astronaut())
    # A detector that is not on disk: nothing is fetched, for nothing is looked for.
    found = find(graph, image, detector="retinaface_resnet50", landmarks=landmarks, **inputs)
    show(graph, found, 1)
    return graph, found


def test_faces_of_another_node(client: Client) -> None:
    graph, found = graph_with(client)
    first, line = text(client.run(graph), found).splitlines()
    assert first == "1 face found" and "score 0.90" in line


def test_boxes_beside_them_are_an_error(client: Client) -> None:
    graph, _ = graph_with(client, boxes={"x": 1, "y": 1, "width": 9, "height": 9})
    with pytest.raises(NodeFailed, match="connect one of them"):
        client.run(graph)
