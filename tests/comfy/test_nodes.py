"""The nodes in a real server: the same picture as the library, cached where nothing changed, stopped when asked."""

import time

import cv2
import numpy as np
import pytest
import torch
from skimage import data

import gpen
from gpen.image.picture import to_uint8
from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from tests.support.photograph import Damage, damaged, face_psnr, photograph
from tools.client import Client, Graph, Interrupted, NodeFailed, Pixels, PromptRefused
from tools.comfyui import Server

NODES = {
    "GPENLoadModel": ["GPEN_MODEL"],
    "GPENDetectFaces": ["GPEN_FACES", "IMAGE", "MASK", "INT", "STRING"],
    "GPENTrackFaces": ["GPEN_FACES", "INT"],
    "GPENSelectFaces": ["GPEN_FACES", "GPEN_FACES", "INT"],
    "GPENRestoreFaces": ["GPEN_FACES", "IMAGE", "IMAGE"],
    "GPENPasteFaces": ["IMAGE", "MASK", "STRING"],
    "GPENFaceCrops": ["IMAGE", "BOUNDING_BOX", "MASK", "SEGS", "GPEN_FACES"],
    "GPENReplaceCrops": ["GPEN_FACES"],
    "GPENRestoreAligned": ["IMAGE"],
    "GPENRestoreTiled": ["IMAGE"],
    "GPENLensDistortion": ["IMAGE"],
    "GPENRestore": ["IMAGE", "GPEN_FACES", "MASK", "STRING"],
    "GPENRestoreVideo": ["VIDEO", "STRING"],
}


BAD = damaged(Damage.NOISE)


def one_node(client: Client, picture: Pixels, **settings: object) -> Graph:
    graph = Graph()
    image = graph.add("LoadImage", image=client.upload(picture, "damaged.png"))
    model = graph.add("GPENLoadModel", file="preview", precision="fp32", memory="normal")
    inputs = {"strength": 1.0, "detector": "mtcnn", "mask": "oval", "threshold": 0.0, **settings}
    restored = graph.add("GPENRestore", model=model.out(), image=image.out(), **inputs)
    graph.add("PreviewImage", images=restored.out())
    return graph


def step_by_step(client: Client, picture: Pixels) -> Graph:
    graph = Graph()
    image = graph.add("LoadImage", image=client.upload(picture, "damaged.png"))
    model = graph.add("GPENLoadModel", file="preview", precision="fp32", memory="normal")
    found = graph.add("GPENDetectFaces", image=image.out(), detector="mtcnn", threshold=0.0)
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=image.out(), faces=found.out())
    pasted = graph.add("GPENPasteFaces", image=image.out(), faces=restored.out(), strength=1.0, mask="oval")
    graph.add("PreviewImage", images=pasted.out())
    return graph


def node(graph: Graph, class_type: str) -> str:
    return next(node.id for node in graph.nodes if node.class_type == class_type)


def test_registered(client: Client) -> None:
    info = client.object_info()
    for name, outputs in NODES.items():
        assert info[name]["output"] == outputs
        assert info[name]["category"] == "image/face/GPEN"


def test_same_picture_as_the_library(client: Client) -> None:
    graph = one_node(client, BAD)
    run = client.run(graph)
    shown = client.pictures(run, node(graph, "PreviewImage"))[0]
    picture = torch.from_numpy(BAD)[None].float() / 255
    done = gpen.restore(gpen.load_model("preview", device="cpu"), picture, gpen.open_detector("mtcnn"))
    # PreviewImage rounds down where the library rounds.
    assert np.abs(shown.astype(int) - to_uint8(done.image[0])).max() <= 1
    assert face_psnr(shown, photograph()) > face_psnr(BAD, photograph()) + 0.3
    text = run.outputs[node(graph, "GPENRestore")]["text"][0]
    assert text.startswith("1 face found, 1 restored") and "score" in text


def test_8_bits_give_nearly_the_same_picture(client: Client) -> None:
    small = one_node(client, BAD)
    small.nodes[1].inputs["precision"] = "fp8"
    graphs = small, one_node(client, BAD)
    pictures = [client.pictures(client.run(graph), node(graph, "PreviewImage"))[0] for graph in graphs]
    assert face_psnr(*pictures) >= 35


def test_quick_look_shows_the_face_blurred(client: Client) -> None:
    graphs = (one_node(client, BAD, detail=detail) for detail in ("quarter", "full"))
    quick, full = (client.pictures(client.run(graph), node(graph, "PreviewImage"))[0] for graph in graphs)
    assert 24 < face_psnr(quick, full) < 40


def test_step_by_step_and_one_node_agree(client: Client) -> None:
    one, many = one_node(client, BAD), step_by_step(client, BAD)
    at_once, in_steps = (client.pictures(client.run(graph), node(graph, "PreviewImage"))[0] for graph in (one, many))
    np.testing.assert_array_equal(at_once, in_steps)


def test_second_run_is_cached_and_a_paste_setting_runs_only_the_paste(client: Client) -> None:
    graph = step_by_step(client, BAD)
    client.run(graph)
    assert client.run(graph).executed == []
    paste = next(node for node in graph.nodes if node.class_type == "GPENPasteFaces")
    paste.inputs["strength"] = 0.5
    assert client.run(graph).executed == [paste.id, node(graph, "PreviewImage")]


def test_no_face_passes_the_picture_through(client: Client) -> None:
    rocks = data.coffee()[:128, :128]
    graph = one_node(client, rocks)
    run = client.run(graph)
    np.testing.assert_allclose(client.pictures(run, node(graph, "PreviewImage"))[0].astype(int), rocks, atol=1)
    assert run.outputs[node(graph, "GPENRestore")]["text"] == ["no face found"]


def test_pasting_what_was_not_restored_says_so(client: Client) -> None:
    graph = step_by_step(client, BAD)
    paste = next(node for node in graph.nodes if node.class_type == "GPENPasteFaces")
    paste.inputs["faces"] = next(node for node in graph.nodes if node.class_type == "GPENDetectFaces").out()
    run = client.run(graph)
    assert "no face is restored" in run.outputs[paste.id]["text"][0]


def test_only_the_selected_face_is_restored_and_the_rest_comes_out_too(client: Client) -> None:
    small = np.asarray(cv2.resize(BAD, (110, 110), interpolation=cv2.INTER_AREA), np.uint8)
    two = np.concatenate([BAD, np.pad(small, ((0, 110), (0, 0), (0, 0)))], axis=1)
    graph = step_by_step(client, two)
    by_type = {node.class_type: node for node in graph.nodes}
    image, found, restored = (by_type[name] for name in ("LoadImage", "GPENDetectFaces", "GPENRestoreFaces"))
    # LoadImage's mask of a picture without alpha is no mask.
    selected = graph.add("GPENSelectFaces", faces=found.out(), order="smallest", count=1, mask=image.out(1))
    restored.inputs["faces"] = selected.out()
    run = client.run(graph)
    shown = client.pictures(run, node(graph, "PreviewImage"))[0].astype(int)
    # PreviewImage rounds down where the library rounds.
    assert np.abs(shown[:, :220] - two[:, :220]).max() <= 1 < np.abs(shown[:, 220:] - two[:, 220:]).max()
    first, *lines = run.outputs[selected.id]["text"][0].splitlines()
    assert first == "2 faces found, 1 left out, 1 chosen"
    assert lines[0].startswith("#1 left out") and lines[0].endswith("not among the 1 smallest")
    assert lines[1].startswith("#2 chosen")
    restored.inputs["faces"] = selected.out(1)
    run = client.run(graph)
    shown = client.pictures(run, node(graph, "PreviewImage"))[0].astype(int)
    assert np.abs(shown[:, 220:] - two[:, 220:]).max() <= 1 < np.abs(shown[:, :220] - two[:, :220]).max()


def test_given_boxes_and_further_passes(client: Client) -> None:
    graph = step_by_step(client, np.rot90(BAD))
    found = next(node for node in graph.nodes if node.class_type == "GPENDetectFaces")
    found.inputs |= {"size": "short side 480", "tiny_faces": False, "edges": True, "rotated": True}
    assert "1 face found" in client.run(graph).outputs[found.id]["text"][0]
    found.inputs |= {"boxes": {"x": 20, "y": 30, "width": 90, "height": 100}, "rotated": False}
    assert "#1 found · 90×100 px at (20, 30)" in client.run(graph).outputs[found.id]["text"][0]


def test_every_paste_setting_reaches_the_library(client: Client) -> None:
    graph = step_by_step(client, BAD)
    settings = {"skin": 0.3, "color": "full", "grain": 0.5, "grow": -10.0, "feather": 30.0, "large_faces": "off"}
    next(node for node in graph.nodes if node.class_type == "GPENPasteFaces").inputs |= settings
    shown = client.pictures(client.run(graph), node(graph, "PreviewImage"))[0]
    picture = torch.from_numpy(BAD)[None].float() / 255
    faces = gpen.detect_faces(picture, "mtcnn")
    faces = gpen.restore_faces(gpen.load_model("preview", device="cpu"), picture, faces)
    pasted = gpen.paste_faces(picture, faces, **settings)
    assert np.abs(shown.astype(int) - to_uint8(pasted.image[0])).max() <= 1


def test_strength_zero_gives_the_very_pixels(client: Client) -> None:
    graph = step_by_step(client, BAD)
    paste = next(node for node in graph.nodes if node.class_type == "GPENPasteFaces")
    paste.inputs |= {"strength": 0.0, "skin": 0.0, "grain": 1.0, "color": "full"}
    image = next(node for node in graph.nodes if node.class_type == "LoadImage")
    untouched = graph.add("PreviewImage", images=image.out())
    run = client.run(graph)
    pasted, given = (client.pictures(run, it)[0] for it in (node(graph, "PreviewImage"), untouched))
    np.testing.assert_array_equal(pasted, given)


def test_unknown_part_of_the_face_is_refused(client: Client) -> None:
    graph = step_by_step(client, BAD)
    next(node for node in graph.nodes if node.class_type == "GPENPasteFaces").inputs["parts"] = "face, tail"
    with pytest.raises(PromptRefused, match="tail"):
        client.run(graph)


def test_tiles(client: Client) -> None:
    graph = Graph()
    image = graph.add("LoadImage", image=client.upload(BAD, "damaged.png"))
    model = graph.add("GPENLoadModel", file="preview", precision="fp32", memory="low")
    restored = graph.add("GPENRestoreTiled", model=model.out(), image=image.out(), overlap=64)
    shown = graph.add("PreviewImage", images=restored.out())
    picture = client.pictures(client.run(graph), shown)[0]
    assert face_psnr(picture, photograph()) > face_psnr(BAD, photograph())


def test_before_and_after_of_no_face_do_not_run(client: Client) -> None:
    graph = step_by_step(client, data.coffee()[:128, :128])
    restore = next(node for node in graph.nodes if node.class_type == "GPENRestoreFaces")
    shown = graph.add("PreviewImage", images=restore.out(2))
    run = client.run(graph)
    assert shown.id not in run.outputs and node(graph, "PreviewImage") in run.outputs


def test_preview_frames_the_face(client: Client) -> None:
    graph = step_by_step(client, BAD)
    detect = next(node for node in graph.nodes if node.class_type == "GPENDetectFaces")
    shown = graph.add("PreviewImage", images=detect.out(1))
    mask = graph.add("PreviewImage", images=graph.add("MaskToImage", mask=detect.out(2)).out())
    run = client.run(graph)
    framed = client.pictures(run, shown)[0].astype(int)
    # So small a picture is shown at twice its size.
    assert (np.abs(framed - BAD.repeat(2, 0).repeat(2, 1)).max(axis=2) > 60).sum() > 100
    white = (client.pictures(run, mask)[0] > 250).mean()
    assert 0.05 < white < 0.9


@pytest.mark.parametrize(
    ("class_type", "name", "value", "choices"),
    [
        ("GPENLoadModel", "file", "GPEN-BFR-513.pth", ["preview", "GPEN-BFR-512.pth"]),
        ("GPENLoadModel", "file", "../../../etc/passwd", ["preview"]),
        ("GPENLoadModel", "precision", "int4", ["auto", "fp16"]),
        ("GPENRestore", "detector", "yolo", ["auto", "yunet", "mtcnn"]),
        ("GPENRestore", "mask", "star", ["oval", "box"]),
        ("GPENRestore", "detail", "eighth", ["full", "half", "quarter"]),
    ],
)
def test_wrong_value_names_the_choices(
    client: Client, class_type: str, name: str, value: str, choices: list[str]
) -> None:
    graph = one_node(client, BAD)
    next(node for node in graph.nodes if node.class_type == class_type).inputs[name] = value
    with pytest.raises((PromptRefused, NodeFailed)) as refused:
        client.run(graph)
    message = str(refused.value)
    assert value in message and all(choice in message for choice in choices)


def test_value_out_of_range_is_refused(client: Client) -> None:
    with pytest.raises(PromptRefused, match="strength"):
        client.run(one_node(client, BAD, strength=1.5))


def test_damaged_model_file_is_an_error_that_names_it(server: Server, client: Client) -> None:
    folder = server.base / "models" / "gpen"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "broken.pth").write_text("<!doctype html>", encoding="utf-8")
    graph = one_node(client, BAD)
    graph.nodes[1].inputs["file"] = "broken.pth"
    with pytest.raises(NodeFailed, match=r"broken\.pth.*web page"):
        client.run(graph)


def test_unload_models_frees_the_network(server: Server, client: Client) -> None:
    def loads(picture: Pixels) -> int:
        mark = server.log_mark()
        client.run(one_node(client, picture))
        return server.log(mark).count("Requested to load GPEN")

    assert loads(BAD) == 1
    assert loads(np.ascontiguousarray(BAD[:, ::-1])) == 0, "it should still be loaded"
    client.unload_models()
    assert loads(np.ascontiguousarray(BAD[2:])) == 1, "it should have been unloaded"


def test_interrupt_stops_within_a_face(server: Server, client: Client) -> None:
    folder = server.base / "models" / "gpen"
    folder.mkdir(parents=True, exist_ok=True)
    config = GPENConfig.released(1024, 1, 0.5)
    slow = {name: torch.randn(shape) for name, shape in config.official_shapes().items()}
    write_checkpoint(folder / "slow.safetensors", slow)

    def graph(offset: int) -> Graph:
        prompt = one_node(client, np.ascontiguousarray(BAD[offset:]))
        prompt.nodes[1].inputs["file"] = "slow.safetensors"
        return prompt

    client.run(graph(0))  # the model is loaded
    start = time.monotonic()
    client.run(graph(1))
    whole = time.monotonic() - start

    third = graph(2)  # made once: it uploads its picture, and the server must not read half of it
    run = client.submit(third)
    client.wait_for_node(run, node(third, "GPENRestore"))
    client.interrupt()
    start = time.monotonic()
    with pytest.raises(Interrupted):
        client.wait(run)
    assert time.monotonic() - start < whole / 2
    # And the server is none the worse.
    client.run(third)
