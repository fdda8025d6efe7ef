"""Shapes that are put right for the network, in a real server: faces that look aside, and what a wide lens bent."""

from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

import gpen
from gpen.faces.alignment import template
from tests.support.graphs import assert_shows, find, load, network, paste, restore, show
from tests.support.photograph import Pixels, photograph, tensor, turned_aside
from tools.client import Client, Graph, Node

WIDE = 0.6


def eye_distance(crop: Pixels) -> float:
    """In those of the mean face."""
    (face,) = gpen.detect_faces(tensor(crop), "mtcnn")
    frontal = template(len(crop))
    return float(np.linalg.norm(face.landmarks[1] - face.landmarks[0]) / np.linalg.norm(frontal[1] - frontal[0]))


def test_turned_face_is_stretched_for_the_network(client: Client, shared: Path, small: Path) -> None:
    pictures = turned_aside(shared), photograph()
    perspectives = "off", "on", "auto"
    graph = Graph()
    nodes: list[tuple[Node, Node]] = []
    for picture in pictures:
        image = load(graph, client, picture)
        found = find(graph, image)
        for perspective in perspectives:
            restored = restore(graph, image, found, small, perspective=perspective)
            crops = graph.add("GPENFaceCrops", faces=restored.out(), image=image.out(), which="original", size=256)
            nodes.append((show(graph, crops), show(graph, paste(graph, image, restored))))
    run = client.run(graph)

    in_library = network(small)
    cuts = []
    for picture, of_picture in zip(pictures, (nodes[:3], nodes[3:]), strict=True):
        faces = gpen.detect_faces(tensor(picture), "mtcnn")
        for perspective, (crop, pasted) in zip(perspectives, of_picture, strict=True):
            restored = gpen.restore_faces(in_library, tensor(picture), faces, perspective=perspective)
            assert_shows(client.pictures(run, pasted), gpen.paste_faces(tensor(picture), restored).image, perspective)
            cuts.append(client.pictures(run, crop)[0])
    off, on, auto, *frontal = cuts
    assert eye_distance(off) < 0.9 < eye_distance(on)
    np.testing.assert_array_equal(auto, on)
    np.testing.assert_array_equal(frontal[2], frontal[0])


def test_lens_distortion_is_taken_out_and_put_back(client: Client, small: Path) -> None:
    original = tensor(photograph())
    graph = Graph()

    def lens(image: Node, direction: str) -> Node:
        return graph.add("GPENLensDistortion", image=image.out(), strength=WIDE, direction=direction)

    bent = lens(load(graph, client, photograph()), "put back")
    straight = lens(bent, "take out")
    pasted = paste(graph, straight, restore(graph, straight, find(graph, straight), small), grow=-18.0)
    nodes = [show(graph, node) for node in (bent, straight, lens(pasted, "put back"))]
    run = client.run(graph)

    seen = gpen.correct_lens(original, WIDE, "put back")
    corrected = gpen.correct_lens(seen, WIDE)
    faces = gpen.restore_faces(network(small), corrected, gpen.detect_faces(corrected, "mtcnn"))
    done = gpen.correct_lens(gpen.paste_faces(corrected, faces, grow=-18).image, WIDE, "put back")
    for node, expected in zip(nodes, (seen, corrected, done), strict=True):
        assert_shows(client.pictures(run, node), expected)
    bent_shown, straight_shown, result = (client.pictures(run, node)[0] for node in nodes)
    middle = np.s_[20:-20, 20:-20]
    likeness = [peak_signal_noise_ratio(photograph()[middle], shown[middle]) for shown in (bent_shown, straight_shown)]
    assert likeness[0] < 20 and likeness[1] > 27
    # What is no face is as the lens saw it; the face is another.
    assert peak_signal_noise_ratio(bent_shown[195:-4, 4:-4], result[195:-4, 4:-4]) > 27
    assert np.abs(bent_shown.astype(int) - result)[90:130, 80:140].mean() > 20


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_lens_of_every_picture_of_a_batch(client: Client, strength: float) -> None:
    graph = Graph()
    image = load(graph, client, photograph(), photograph()[::-1])
    shown = show(graph, graph.add("GPENLensDistortion", image=image.out(), strength=strength, direction="take out"))
    expected = gpen.correct_lens(tensor(photograph(), photograph()[::-1]), strength)
    assert_shows(client.pictures(client.run(graph), shown), expected)
