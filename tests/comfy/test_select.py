"""Choosing faces in a real server: every way, on a group of people."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gpen
from gpen.faces.report import describe
from tests.support.choices import FIRST_TWO, choices, places
from tests.support.graphs import (
    assert_shows,
    find,
    literal,
    load,
    masked,
    model,
    network,
    paste,
    restore,
    say,
    show,
    text,
)
from tests.support.photograph import blurry_group, tensor
from tools.client import Client, Graph, NodeFailed


def test_every_choice(client: Client, shared: Path) -> None:
    people = blurry_group(shared)
    faces = gpen.detect_faces(tensor(people), "mtcnn", threshold=0.6)
    mask = torch.nn.functional.interpolate(FIRST_TWO[None], people.shape[:2], mode="nearest")[0, 0]
    graph = Graph()
    image = load(graph, client, masked(people, mask))
    found = find(graph, image, threshold=0.6)
    nodes = []
    for settings, _ in choices(faces):
        given = {**settings}
        if "mask" in settings:
            given["mask"] = image.out(1)
        if "boxes" in settings:
            given["boxes"] = literal(settings["boxes"])
        selected = graph.add("GPENSelectFaces", faces=found.out(), **given)
        nodes.append((selected, say(graph, selected, 2)))
    run, place = client.run(graph), places(faces)
    for (selected, count), (settings, expected) in zip(nodes, choices(faces), strict=True):
        report = text(run, selected)
        assert report == describe(gpen.select_faces(faces, **settings).all), settings
        chosen = [number for number, line in enumerate(report.splitlines()[1:], 1) if " chosen · " in line]
        assert {place[number] for number in chosen} == expected, settings
        assert text(run, count) == str(len(expected)), settings


def test_so_many_of_each_picture_and_boxes_of_each(client: Client, shared: Path) -> None:
    people = blurry_group(shared)
    graph = Graph()
    found = find(graph, load(graph, client, people, people[:, ::-1]), threshold=0.6)
    two = graph.add("GPENSelectFaces", faces=found.out(), order="largest", count=2)
    corner = {"x": 0, "y": 0, "width": 9, "height": 9}
    boxes = graph.add("GPENSelectFaces", faces=found.out(), boxes=literal([[], [corner]]))
    counts = [say(graph, selected, 2) for selected in (two, boxes)]
    run = client.run(graph)
    assert [text(run, count) for count in counts] == ["4", "1"]
    for selected, frames in ((two, [1, 1, 2, 2]), (boxes, [2])):
        chosen = [line for line in text(run, selected).splitlines()[1:] if " chosen · " in line]
        assert [int(line.split(" in picture ")[1][0]) for line in chosen] == frames


def test_chosen_and_rest_are_all(client: Client, shared: Path, small: Path) -> None:
    people = blurry_group(shared)
    graph = Graph()
    image = load(graph, client, people)
    found = find(graph, image, threshold=0.6)
    selected = graph.add("GPENSelectFaces", faces=found.out(), max_sharpness=20.0)
    # In a row: the one restored face, and the three others restored in the picture that has it.
    first = paste(graph, image, restore(graph, image, selected, small))
    restored = restore(graph, image, selected, small)
    restored.inputs["faces"] = selected.out(1)
    both = paste(graph, first, restored)
    shown = [show(graph, first), show(graph, both)]
    run = client.run(graph)
    one, all_four = (client.pictures(run, node)[0].astype(int) for node in shown)
    columns = np.flatnonzero((np.abs(one - people) > 1).any(axis=(0, 2)))
    assert columns.min() >= 320 and columns.max() < 540
    changed = np.abs(all_four - one) > 1
    assert changed[:, :320].any() and changed[:, 540:680].any() and changed[:, 680:].any()
    assert not changed[:, 350:510].any()


def test_in_one_node(client: Client, shared: Path, small: Path) -> None:
    people = blurry_group(shared)
    settings: dict[str, Any] = {"order": "smallest", "count": 1, "min_size": 50, "max_sharpness": 81.0}
    graph = Graph()
    inputs = {"strength": 1.0, "detector": "mtcnn", "mask": "oval", "threshold": 0.6, **settings}
    image = load(graph, client, people)
    done = graph.add("GPENRestore", model=model(graph, small).out(), image=image.out(), **inputs)
    shown = show(graph, done)
    run = client.run(graph)
    expected = gpen.restore(
        network(small),
        tensor(people),
        gpen.open_detector("mtcnn"),
        detect=gpen.DetectSettings(threshold=0.6),
        select=gpen.SelectSettings(**settings),
    )
    assert_shows(client.pictures(run, shown), expected.image)
    assert text(run, done) == describe(expected.faces)
    assert [str(face.outcome) for face in sorted(expected.faces, key=lambda face: face.box[0])] == [
        "left out: sharper than 81",
        "left out: not among the 1 smallest",
        "restored",
        "left out: smaller than 50 px",
    ]


def test_number_that_is_none_is_an_error(client: Client, shared: Path) -> None:
    graph = Graph()
    found = find(graph, load(graph, client, blurry_group(shared)), threshold=0.6)
    say(graph, graph.add("GPENSelectFaces", faces=found.out(), indices="0"), 2)
    with pytest.raises(NodeFailed, match="as the preview shows them, from 1"):
        client.run(graph)
