"""Crops, whole pictures and the networks for other tasks, in a real server."""

import cv2
import numpy as np
import torch
from skimage import data

import gpen
from gpen.image.picture import to_uint8
from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from tests.photograph import photograph
from tools.client import Client, Graph, Node, Pixels
from tools.comfyui import Server


def cut(graph: Graph, client: Client, picture: Pixels) -> tuple[Node, Node]:
    """(the picture, its face crops)"""
    image = graph.add("LoadImage", image=client.upload(picture, "crops.png"))
    found = graph.add("GPENDetectFaces", image=image.out(), detector="mtcnn", threshold=0.0)
    return image, graph.add("GPENFaceCrops", faces=found.out(), image=image.out(), which="restored", size=256)


def pasted(graph: Graph, image: Node, crops: Node, changed: Node | None = None) -> Node:
    changed = changed or crops
    back = graph.add("GPENReplaceCrops", faces=crops.out(4), crops=changed.out())
    paste = graph.add("GPENPasteFaces", image=image.out(), faces=back.out(), strength=1.0, mask="oval")
    return graph.add("PreviewImage", images=paste.out())


def test_any_node_can_work_on_the_crops(client: Client) -> None:
    graph = Graph()
    image, crops = cut(graph, client, photograph())
    before = graph.add("PreviewImage", images=image.out())
    unchanged = pasted(graph, image, crops)
    inverted = pasted(graph, image, crops, graph.add("ImageInvert", image=crops.out()))
    mask = graph.add("PreviewImage", images=graph.add("MaskToImage", mask=crops.out(2)).out())
    run = client.run(graph)
    np.testing.assert_array_equal(client.pictures(run, unchanged)[0], client.pictures(run, before)[0])

    picture = torch.from_numpy(photograph())[None].float() / 255
    given = gpen.face_crops(picture, gpen.detect_faces(picture, "mtcnn"), size=256)
    expected = gpen.paste_faces(picture, gpen.replace_crops(given.faces, 1 - given.crops)).image
    assert np.abs(client.pictures(run, inverted)[0].astype(int) - to_uint8(expected[0])).max() <= 1
    assert 0.05 < (client.pictures(run, mask)[0] > 250).mean() < 0.9
    assert run.outputs[crops.id]["text"][0].startswith("1 face found")


def test_crops_of_no_face_do_not_run(client: Client) -> None:
    graph = Graph()
    image, crops = cut(graph, client, data.coffee()[:128, :128])
    shown = pasted(graph, image, crops)
    mask = graph.add("PreviewImage", images=graph.add("MaskToImage", mask=crops.out(2)).out())
    run = client.run(graph)
    assert shown.id not in run.outputs and mask.id in run.outputs


def test_inpainting_fills_the_mask_alone(server: Server, client: Client) -> None:
    folder = server.base / "models" / "gpen"
    folder.mkdir(parents=True, exist_ok=True)
    shapes = GPENConfig.released(64, 1, 1 / 16, 32, 2).official_shapes()
    # The name it was released under says what it is for.
    write_checkpoint(folder / "GPEN-Inpainting-1024.safetensors", {n: torch.randn(s) for n, s in shapes.items()})

    hole = np.zeros(photograph().shape[:2], np.uint8)
    cv2.line(hole, (90, 110), (150, 120), 255, 7)
    graph = Graph()
    # LoadImage gives what is transparent as a mask.
    transparent = np.dstack([photograph(), 255 - hole])
    image = graph.add("LoadImage", image=client.upload(transparent, "hole.png"))
    model = graph.add("GPENLoadModel", file="GPEN-Inpainting-1024.safetensors", precision="fp32", memory="normal")
    whole = graph.add("GPENRestoreAligned", model=model.out(), image=image.out(), strength=1.0, mask=image.out(1))
    found = graph.add("GPENDetectFaces", image=image.out(), detector="mtcnn", threshold=0.0)
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=image.out(), faces=found.out(), mask=image.out(1))
    paste = graph.add("GPENPasteFaces", image=image.out(), faces=restored.out(), strength=1.0, mask="oval")
    before, *after = (graph.add("PreviewImage", images=node.out()) for node in (image, whole, paste))
    run = client.run(graph)
    for shown in after:
        changed = (client.pictures(run, shown)[0] != client.pictures(run, before)[0]).any(axis=2)
        assert changed[hole > 0].mean() > 0.9 and not changed[hole == 0].any()
