"""How much of a restored face is seen, in a real server: strength, skin, texture, colour, grain, and large faces."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import gpen
from tests.support.graphs import assert_shows, find, load, masked, network, paste, restore, show
from tests.support.photograph import Pixels, portrait, scaled, tensor
from tools.client import Client, Graph

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "half": {"strength": 0.5},
    "skin": {"skin": 0.0},
    "texture": {"keep_texture": None},
    "grain": {"grain": 1.0},
    "detail": {"large_faces": "keep detail"},
}


def fine(picture: Pixels, where: np.ndarray) -> float:
    """How strong fine texture is there, in grey levels."""
    plane = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(plane - cv2.GaussianBlur(plane, (0, 0), 3))[where].mean())


def test_every_setting_of_how_a_large_face_is_pasted(client: Client, shared: Path) -> None:
    picture = scaled(portrait(shared), 0.8)
    height, width, _ = picture.shape
    left = torch.zeros(height, width)
    left[:, : width // 2] = 1
    graph = Graph()
    image = load(graph, client, masked(picture, left))
    restored = restore(graph, image, find(graph, image))
    nodes = []
    for one in SETTINGS.values():
        given = {**one, "keep_texture": image.out(1)} if "keep_texture" in one else one
        nodes.append(show(graph, paste(graph, image, restored, **{"large_faces": "off", "skin": 1.0, **given})))
    run = client.run(graph)

    faces = gpen.detect_faces(tensor(picture), "mtcnn")
    faces = gpen.restore_faces(network("preview"), tensor(picture), faces)
    shown: dict[str, Pixels] = {}
    for (name, one), node in zip(SETTINGS.items(), nodes, strict=True):
        given = {**one, "keep_texture": left} if "keep_texture" in one else one
        pasted = gpen.paste_faces(tensor(picture), faces, **{"large_faces": "off", "skin": 1.0, **given})
        assert_shows(client.pictures(run, node), pasted.image, name)
        shown[name] = client.pictures(run, node)[0]
    inside = gpen.paste_faces(tensor(picture), faces).mask[0].numpy() > 0.99
    strength = {name: fine(pixels, inside) for name, pixels in shown.items()}
    assert strength["skin"] > 1.05 * strength["plain"] and strength["grain"] >= strength["plain"]
    half_way = (shown["plain"].astype(float) + picture) / 2
    assert np.abs(shown["half"] - half_way).max() <= 2
    kept = np.abs(shown["texture"].astype(int) - shown["plain"]).max(axis=2)
    assert kept[:, width // 2 + 2 :].max() <= 1 and (kept[:, : width // 2] > 3).mean() > 0.01
    errors = {name: np.square(shown[name].astype(float) - picture)[inside].mean() for name in ("plain", "detail")}
    assert errors["detail"] < errors["plain"] / 3


def test_colours_are_matched(client: Client, shared: Path, small: Path) -> None:
    """The small network's colours are far from those of any face."""
    picture = scaled(portrait(shared), 0.4)
    graph = Graph()
    image = load(graph, client, picture)
    restored = restore(graph, image, find(graph, image), small)
    colors = "off", "mild", "full"
    nodes = [show(graph, paste(graph, image, restored, color=color)) for color in colors]
    run = client.run(graph)
    faces = gpen.detect_faces(tensor(picture), "mtcnn")
    faces = gpen.restore_faces(network(small), tensor(picture), faces)
    inside = gpen.paste_faces(tensor(picture), faces).mask[0].numpy() > 0.99
    off: list[float] = []
    for color, node in zip(colors, nodes, strict=True):
        shown = client.pictures(run, node)
        assert_shows(shown, gpen.paste_faces(tensor(picture), faces, color=color).image, color)
        off.append(float(np.abs((shown[0].astype(float) - picture)[inside].mean(axis=0)).sum()))
    assert max(off[1:]) < off[0] / 2
