"""Where restored pixels go, in a real server: drawn masks and parsed ones, and which of two faces is in front.

The parsers' weights are set by hand: they take what is green for a hat.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import gpen
from tests.support.graphs import assert_shows, find, load, masked, network, paste, restore, show, show_mask, text
from tests.support.parsers import as_parsenet_sees, write_parser
from tests.support.photograph import near_and_far, photograph, tensor, with_hand
from tools.client import Client, Graph
from tools.comfyui import Server


@pytest.fixture(scope="module")
def parsers(server: Server) -> Iterator[dict[str, Path]]:
    folder = server.base / "models" / "facedetection"
    files = {mask: write_parser(mask, folder) for mask in ("parse", "official")}
    yield files
    for file in files.values():
        file.unlink()


def in_library(picture: torch.Tensor, small: Path, **settings: Any) -> gpen.Faces:
    faces = gpen.detect_faces(picture, "mtcnn")
    return gpen.restore_faces(network(small), picture, faces, **settings)


def test_drawn_masks(client: Client, server: Server, small: Path) -> None:
    picture = tensor(photograph())
    allowed = torch.zeros(*photograph().shape[:2])
    allowed[:, :110] = 1
    graph = Graph()
    image = load(graph, client, masked(photograph(), allowed))
    restored = restore(graph, image, find(graph, image), small)
    settings: list[dict[str, Any]] = [
        {},
        {"mask": "box"},
        {"grow": 20.0},
        {"grow": -20.0},
        {"feather": 40.0},
        {"custom_mask": allowed},
    ]
    given = [{**one, "custom_mask": image.out(1)} if "custom_mask" in one else one for one in settings]
    pasted = [paste(graph, image, restored, **one) for one in given]
    shown = [(show(graph, one), show_mask(graph, one)) for one in pasted]
    mark = server.log_mark()
    run = client.run(graph)
    assert "Requested to load GPEN" in (log := server.log(mark))
    assert "BiSeNet" not in log and "ParseNet" not in log, "a parser was loaded for a mask that is drawn"

    faces, masks = in_library(picture, small), []
    for one, nodes in zip(settings, shown, strict=True):
        expected = gpen.paste_faces(picture, faces, **one)
        image_shown, mask_shown = (client.pictures(run, node) for node in nodes)
        assert_shows(image_shown, expected.image, str(one))
        assert_shows(mask_shown, expected.mask[..., None].expand(-1, -1, -1, 3), str(one))
        masks.append(mask_shown[0][..., 0] / 255)
    oval, box, grown, shrunk, soft, left = masks
    assert box.sum() > 1.1 * oval.sum() and grown.sum() > 1.1 * oval.sum() > 1.2 * shrunk.sum()
    assert ((soft > 0.1) & (soft < 0.9)).sum() > 1.5 * ((oval > 0.1) & (oval < 0.9)).sum()
    np.testing.assert_array_equal(left, oval * allowed.numpy())


def test_parsed_masks_leave_in_front_what_is_no_face(client: Client, server: Server, parsers: dict[str, Path]) -> None:
    covered, hand = with_hand(photograph())
    graph = Graph()
    image = load(graph, client, covered)
    # Found without the glove, so that no detector minds it.
    restored = restore(graph, image, find(graph, load(graph, client, photograph())))
    settings: list[dict[str, Any]] = [
        {"mask": "parse"},
        {"mask": "parse", "parts": "face, hat"},
        {"mask": "official", "strength": 0.6},
    ]
    nodes = [show(graph, paste(graph, image, restored, **one)) for one in settings]
    mark = server.log_mark()
    run = client.run(graph)
    for parser in ("BiSeNet", "ParseNet"):
        assert f"Requested to load {parser}" in server.log(mark), "it is to be under ComfyUI's model management"

    faces = gpen.detect_faces(tensor(photograph()), "mtcnn")
    faces = gpen.restore_faces(network("preview"), tensor(covered), faces)
    bisenet = gpen.open_parser("parse", folders={"parser": [parsers["parse"].parent]}, download=False)
    changed = []
    for node, one in zip(nodes, settings, strict=True):
        # ParseNet takes two seconds; what its weights see, NumPy sees as well.
        parser = bisenet if one["mask"] == "parse" else as_parsenet_sees
        expected = gpen.paste_faces(tensor(covered), faces, parser=parser, **one)
        assert_shows(client.pictures(run, node), expected.image, str(one))
        changed.append((np.abs(client.pictures(run, node)[0].astype(int) - covered) > 1).any(axis=2))
    middle = tuple(slice(side.start + 11, side.stop - 11) for side in hand)
    eyes = np.s_[90:110, 85:130]
    for one, there in zip(settings, changed, strict=True):
        assert there[middle].mean() > 0.3 if "parts" in one else not there[middle].any(), str(one)
        assert there[eyes].mean() > 0.7, str(one)


def test_nearer_face_is_in_front(client: Client, small: Path) -> None:
    heads = near_and_far()
    graph = Graph()
    image = load(graph, client, heads)
    found = find(graph, image)
    restored = restore(graph, image, found, small)
    orders = [graph.add("GPENSelectFaces", faces=restored.out(), order=one) for one in ("smallest", "largest")]
    each = [graph.add("GPENSelectFaces", faces=restored.out(), order=one, count=1) for one in ("largest", "smallest")]
    one_way, other_way, *alone = (paste(graph, image, faces, grow=20.0) for faces in (*orders, *each))
    pictures = [show(graph, node) for node in (one_way, other_way, *alone)]
    masks = [show_mask(graph, node) for node in alone]
    run = client.run(graph)
    both, other, near_alone, far_alone = (client.pictures(run, node)[0].astype(int) for node in pictures)
    near, far = (client.pictures(run, node)[0][..., 0] for node in masks)
    np.testing.assert_array_equal(both, other)
    assert ((near > 250) & (far > 250)).sum() > 50, "they should overlap"
    assert np.abs(both - near_alone)[near > 253].max() <= 3
    # Behind the nearer face the other fades out.
    beside = (far > 252) & (near == 0)
    assert (np.abs(both - far_alone).max(axis=2) <= 3)[beside].mean() > 0.5
    assert_shows([both], gpen.paste_faces(tensor(heads), in_library(tensor(heads), small), grow=20).image)


def test_picture_of_another_size(client: Client, small: Path) -> None:
    """Found and restored in the small picture, pasted onto its upscaled copy; then restored there as well."""
    graph = Graph()
    image = load(graph, client, photograph())
    found = find(graph, image)
    large = graph.add("ImageScaleBy", image=image.out(), upscale_method="nearest-exact", scale_by=2.0)
    pasted = paste(graph, large, restore(graph, image, found, small))
    restored_there = paste(graph, large, restore(graph, large, found, small))
    nodes = [show(graph, node) for node in (pasted, restored_there)]
    run = client.run(graph)
    model = network(small)
    large_pixels = cv2.resize(photograph(), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    there = tensor(np.asarray(large_pixels, np.uint8))
    faces = gpen.detect_faces(tensor(photograph()), "mtcnn")
    for node, source in zip(nodes, (tensor(photograph()), there), strict=True):
        expected = gpen.paste_faces(there, gpen.restore_faces(model, source, faces))
        assert_shows(client.pictures(run, node), expected.image)
        x, y = (2 * faces[0].landmarks.mean(0)).astype(int)
        changed = (client.pictures(run, node)[0] != (there[0] * 255).numpy()).any(axis=2)
        assert changed[y - 20 : y + 20, x - 20 : x + 20].mean() > 0.8 and not changed[:, -60:].all(axis=1).any()
    assert text(run, pasted).startswith("1 face found, 1 restored")
