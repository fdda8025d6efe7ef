"""The networks for other tasks, and whole pictures, in a real server: random numbers in files of the released names."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import gpen
from tests.support.graphs import assert_shows, find, load, masked, model, network, paste, restore, show
from tests.support.networks import write_small
from tests.support.photograph import Pixels, photograph, tensor, tilted
from tools.client import Client, Graph, NodeFailed
from tools.comfyui import Server


@pytest.fixture(scope="module")
def released(server: Server) -> dict[str, Path]:
    """Small networks whose task follows from their names."""
    names = {
        "colorization": "GPEN-Colorization-1024",
        "inpainting": "GPEN-Inpainting-1024",
        "segmentation": "GPEN-Seg2face-512",
    }
    folder = server.base / "models" / "gpen"
    return {task: write_small(folder / f"{name}.safetensors") for task, name in names.items()}


def grey(picture: Pixels) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(int)


def face_map() -> Pixels:
    """A coloured map of the parts of a face, as Seg2face takes it."""
    parts = np.zeros((160, 160, 3), np.uint8)
    cv2.ellipse(parts, (80, 85), (50, 65), 0, 0, 360, (204, 0, 0), cv2.FILLED)
    for x in (60, 100):
        cv2.circle(parts, (x, 70), 8, (51, 51, 255), cv2.FILLED)
    cv2.ellipse(parts, (80, 115), (20, 8), 0, 0, 360, (102, 204, 0), cv2.FILLED)
    return parts


def test_whole_pictures_of_any_shape_and_tilt(client: Client, small: Path) -> None:
    pictures = photograph(), tilted(photograph(), 20)[:, 40:], photograph()[60:190]
    graph = Graph()
    loaded = model(graph, small)
    nodes = []
    for picture in pictures:
        image = load(graph, client, picture)
        whole = graph.add("GPENRestoreAligned", model=loaded.out(), image=image.out(), strength=0.7)
        nodes.append(show(graph, whole))
    run, in_library = client.run(graph), network(small)
    for node, picture in zip(nodes, pictures, strict=True):
        expected = gpen.restore_aligned(in_library, tensor(picture), strength=0.7)
        assert_shows(client.pictures(run, node), expected)
        assert (np.abs(client.pictures(run, node)[0].astype(int) - picture).max(axis=2) > 1).mean() > 0.9


def test_tiles(client: Client, small: Path) -> None:
    graph = Graph()
    picture = photograph()[60:160, 60:170]
    image = load(graph, client, picture)
    tiled = graph.add("GPENRestoreTiled", model=model(graph, small).out(), image=image.out(), overlap=16)
    shown = show(graph, tiled)
    expected = gpen.restore_tiled(network(small), tensor(picture), overlap=16)
    assert_shows(client.pictures(client.run(graph), shown), expected)


def test_colorization_keeps_the_luminance(client: Client, released: dict[str, Path]) -> None:
    """Of a whole picture and of a face in it."""
    old = np.repeat(grey(photograph())[..., None], 3, axis=2).astype(np.uint8)
    graph = Graph()
    image = load(graph, client, old)
    loaded = model(graph, released["colorization"])
    whole = graph.add("GPENRestoreAligned", model=loaded.out(), image=image.out(), strength=1.0)
    face = paste(graph, image, restore(graph, image, find(graph, image), released["colorization"]), large_faces="off")
    nodes = [show(graph, node) for node in (whole, face)]
    run, in_library = client.run(graph), network(released["colorization"])
    faces = gpen.restore_faces(in_library, tensor(old), gpen.detect_faces(tensor(old), "mtcnn"))
    coloured, pasted = (client.pictures(run, node) for node in nodes)
    assert_shows(coloured, gpen.restore_aligned(in_library, tensor(old)))
    assert_shows(pasted, gpen.paste_faces(tensor(old), faces, large_faces="off").image)
    assert np.abs(grey(coloured[0]) - old[..., 0]).max() <= 1
    for (shown,), share in ((coloured, 0.6), (pasted, 0.1)):
        assert (np.ptp(shown.astype(int), axis=2) > 10).mean() > share, "it has no colour"


def test_inpainting_fills_the_mask_alone(client: Client, released: dict[str, Path]) -> None:
    torn = np.zeros(photograph().shape[:2], np.uint8)
    cv2.line(torn, (90, 110), (150, 120), 255, 7)
    mask = torch.from_numpy(torn).float() / 255
    graph = Graph()
    image = load(graph, client, masked(photograph(), mask))
    loaded = model(graph, released["inpainting"])
    whole = graph.add("GPENRestoreAligned", model=loaded.out(), image=image.out(), strength=1.0, mask=image.out(1))
    restored = restore(graph, image, find(graph, image), released["inpainting"], mask=image.out(1))
    before, *after = (show(graph, node) for node in (image, whole, paste(graph, image, restored)))
    run, in_library = client.run(graph), network(released["inpainting"])
    picture = tensor(photograph())
    faces = gpen.restore_faces(in_library, picture, gpen.detect_faces(picture, "mtcnn"), inpaint_mask=mask)
    expected = gpen.restore_aligned(in_library, picture, inpaint_mask=mask), gpen.paste_faces(picture, faces).image
    for node, of_library in zip(after, expected, strict=True):
        shown = client.pictures(run, node)
        assert_shows(shown, of_library)
        changed = (shown[0] != client.pictures(run, before)[0]).any(axis=2)
        assert changed[torn > 0].mean() > 0.9 and not changed[torn == 0].any()


def test_segmentation_reads_a_map_as_it_is(client: Client, released: dict[str, Path], small: Path) -> None:
    graph = Graph()
    image = load(graph, client, face_map())
    nodes = []
    for file in (released["segmentation"], small):
        whole = graph.add("GPENRestoreAligned", model=model(graph, file).out(), image=image.out(), strength=1.0)
        nodes.append(show(graph, whole))
    run = client.run(graph)
    shown = [client.pictures(run, node)[0] for node in nodes]
    for pixels, file in zip(shown, (released["segmentation"], small), strict=True):
        assert_shows([pixels], gpen.restore_aligned(network(file), tensor(face_map())))
    # The same numbers in another file: what differs is that black is 0 to the one and -1 to the other.
    assert (np.abs(shown[0].astype(int) - shown[1]) > 5).any(axis=2).mean() > 0.5


def test_tiles_and_masks_are_refused_where_they_make_no_sense(
    client: Client, released: dict[str, Path], small: Path
) -> None:
    graph = Graph()
    image = load(graph, client, photograph())
    tiled = graph.add(
        "GPENRestoreTiled", model=model(graph, released["colorization"]).out(), image=image.out(), overlap=0
    )
    show(graph, tiled)
    with pytest.raises(NodeFailed, match="is for colorization and must see a face as a whole"):
        client.run(graph)
    graph = Graph()
    image = load(graph, client, masked(photograph(), torch.ones(220, 220)))
    inputs = {"image": image.out(), "strength": 1.0, "mask": image.out(1)}
    show(graph, graph.add("GPENRestoreAligned", model=model(graph, small).out(), **inputs))
    with pytest.raises(NodeFailed, match="small is for restoration; leave the mask out"):
        client.run(graph)
