"""One photograph at many scales, tilts and damages through the node that does it all, and through the library."""

from pathlib import Path

import numpy as np

import gpen
from gpen.faces.report import describe
from tests.support.graphs import assert_shows, load, model, network, show, text
from tests.support.photograph import cases, tensor
from tools.client import Client, Graph


def test_same_picture_as_the_library(client: Client, small: Path) -> None:
    graph = Graph()
    loaded = model(graph, small)
    nodes = []
    for case in cases().values():
        inputs = {"strength": 1.0, "detector": "mtcnn", "mask": "oval", "threshold": 0.0}
        image = load(graph, client, case.picture)
        done = graph.add("GPENRestore", model=loaded.out(), image=image.out(), **inputs)
        nodes.append((done, show(graph, done)))
    run, in_library = client.run(graph), network(small)
    for (name, case), (done, shown) in zip(cases().items(), nodes, strict=True):
        expected = gpen.restore(in_library, tensor(case.picture), gpen.open_detector("mtcnn"))
        assert_shows(client.pictures(run, shown), expected.image, name)
        assert text(run, done) == describe(expected.faces), name
        assert text(run, done).startswith("1 face found, 1 restored"), name
        change = client.pictures(run, shown)[0].astype(int) - case.picture
        changed = np.any(np.abs(change) > 8, axis=2)
        x, y = case.eyes.mean(0).astype(int)
        assert changed[y - 4 : y + 5, x - 4 : x + 5].mean() > 0.8 and changed.mean() < 0.5, name
