"""Pruning as a model is loaded: it shows how far it is, and can be cancelled."""

import numpy as np
import pytest

from tools.client import Client, Graph, Interrupted


def load(client: Client, pruning: str) -> Graph:
    """A graph that loads the preview model and finds no face to run it on."""
    graph = Graph()
    model = graph.add("GPENLoadModel", file="preview", precision="fp32", memory="normal", pruning=pruning)
    image = graph.add("LoadImage", image=client.upload(np.zeros((64, 64, 3), np.uint8), "dark.png"))
    inputs = {"strength": 1.0, "detector": "mtcnn", "mask": "oval", "threshold": 0.0}
    restored = graph.add("GPENRestore", model=model.out(), image=image.out(), **inputs)
    graph.add("PreviewImage", images=restored.out())
    return graph


def test_choosing_channels_shows_its_progress_and_can_be_interrupted(client: Client) -> None:
    run = client.submit(load(client, "25%"))
    client.wait_for_progress(run)
    client.interrupt()
    with pytest.raises(Interrupted):
        client.wait(run)
    steps = [done for node, done, _ in run.progress if node == "1"]
    (total,) = {total for node, _, total in run.progress if node == "1"}
    assert steps == sorted(steps) and steps[-1] < total
