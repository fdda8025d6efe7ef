"""Finding faces in a real server: what an upright look at one size misses, in batches, and in boxes."""

import json
from typing import Any

import numpy as np
import pytest
from skimage import data

import gpen
from gpen.faces.exchange import bounding_boxes
from gpen.faces.preview import draw_faces
from gpen.faces.report import describe
from tests.support.graphs import assert_shows, find, literal, load, say, show, show_mask, text
from tests.support.photograph import Pixels, far_away, photograph, tensor
from tools.client import Client, Graph

ROCKS = data.coffee()[:150, :150]
FAR_IN_A_LARGE_PICTURE = far_away(0.2, 110, 1600)
"""Official code looks at it at a width of 1000 pixels."""


@pytest.mark.parametrize(
    ("picture", "settings"),
    [
        (far_away(0.12), {"tiny_faces": True}),
        (far_away(0.12, 100, 100), {"size": "short side 480"}),
        (FAR_IN_A_LARGE_PICTURE, {"size": "full size"}),
        (np.rot90(photograph()), {"rotated": True}),
    ],
    ids=["tiny", "small picture", "large picture", "rotated"],
)
def test_further_look_finds_what_the_first_misses(client: Client, picture: Pixels, settings: dict[str, Any]) -> None:
    graph = Graph()
    image = load(graph, client, picture)
    plain, further = find(graph, image), find(graph, image, **settings)
    counts = [say(graph, node, 3) for node in (plain, further)]
    run = client.run(graph)
    assert [text(run, node) for node in counts] == ["0", "1"]
    assert text(run, plain) == "no face found"
    expected = gpen.detect_faces(tensor(picture), "mtcnn", **settings)
    assert text(run, further) == describe(expected)


def test_pictures_of_a_batch_with_boxes_preview_and_mask_of_each(client: Client) -> None:
    pictures = photograph(), np.full_like(photograph(), 90), photograph()[:, ::-1]
    graph = Graph()
    image = load(graph, client, *pictures)
    found = find(graph, image)
    preview, mask = show(graph, found, 1), show_mask(graph, found, 2)
    crops = graph.add("GPENFaceCrops", faces=found.out(), image=image.out(), which="original", size=64)
    boxes = say(graph, crops, 1)
    run = client.run(graph)
    faces = gpen.detect_faces(tensor(*pictures), "mtcnn")
    assert text(run, found) == describe(faces)
    assert [line.split(" in picture ")[1][0] for line in text(run, found).splitlines()[1:]] == ["1", "3"]
    assert_shows(client.pictures(run, preview), draw_faces(tensor(*pictures), faces))
    white = [(picture[..., 0] > 250).mean() for picture in client.pictures(run, mask)]
    assert white[1] == 0 and min(white[0], white[2]) > 0.05
    assert json.loads(text(run, boxes)) == bounding_boxes(faces)


def test_boxes_of_another_node_are_where_it_looks(client: Client) -> None:
    pictures = np.concatenate([photograph(), photograph()], axis=1), np.concatenate([photograph(), 0 * photograph()], 1)
    graph = Graph()
    image = load(graph, client, *pictures)
    given = [[{"x": 275, "y": 60, "width": 95, "height": 110}], []]
    found = find(graph, image, boxes=literal(given))
    # What goes out as boxes comes back in as boxes.
    crops = graph.add("GPENFaceCrops", faces=found.out(), image=image.out(), which="original", size=64)
    again = find(graph, image, boxes=crops.out(1))
    shown = [show(graph, node, 1) for node in (found, again)]
    run = client.run(graph)
    faces = gpen.detect_faces(tensor(*pictures), "mtcnn", boxes=given)
    assert text(run, found) == describe(faces) == text(run, again)
    assert "1 face found" in text(run, found) and "95×110 px at (275, 60) in picture 1" in text(run, found)
    for node in shown:
        assert_shows(client.pictures(run, node), draw_faces(tensor(*pictures), faces))


def test_box_in_which_no_face_is_seen_says_so(client: Client) -> None:
    graph = Graph()
    found = find(graph, load(graph, client, ROCKS), boxes={"x": 30, "y": 20, "width": 80, "height": 100})
    say(graph, found, 3)
    assert text(client.run(graph), found).endswith("landmarks guessed from its box")


def test_certain_enough(client: Client) -> None:
    graph = Graph()
    image = load(graph, client, photograph())
    counts = [say(graph, find(graph, image, threshold=threshold), 3) for threshold in (0.01, 1.0)]
    run = client.run(graph)
    assert [text(run, node) for node in counts] == ["1", "0"]
