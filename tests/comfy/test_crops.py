"""Crops of faces in a real server: out to any other node and back in, as boxes, masks and segments."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

import gpen
from gpen.faces.exchange import segments
from gpen.faces.report import describe
from gpen.image.picture import to_uint8
from tests.support.faces import after_of, crop_of
from tests.support.graphs import assert_shows, find, load, network, restore, say, show, text
from tests.support.photograph import group, photograph, tensor, tilted
from tools.client import Client, Graph, Node, NodeFailed, Pixels


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


def test_where_there_is_no_face_the_picture_goes_on(client: Client) -> None:
    graph = Graph()
    image, crops = cut(graph, client, data.coffee()[:128, :128])
    inverted = graph.add("ImageInvert", image=crops.out())
    shown = pasted(graph, image, crops, inverted)
    before = graph.add("PreviewImage", images=image.out())
    run = client.run(graph)
    assert inverted.id not in run.executed
    np.testing.assert_array_equal(client.pictures(run, shown)[0], client.pictures(run, before)[0])


def test_faces_that_were_never_cut_out_are_an_error(client: Client) -> None:
    graph = Graph()
    image, crops = cut(graph, client, photograph())
    pasted(graph, image, crops)
    back = next(node for node in graph.nodes if node.class_type == "GPENReplaceCrops")
    back.inputs["faces"] = next(node for node in graph.nodes if node.class_type == "GPENDetectFaces").out()
    with pytest.raises(NodeFailed, match="use the faces that came with the crops"):
        client.run(graph)


def test_crops_of_several_people_come_back_larger(client: Client, shared: Path) -> None:
    people = tilted(group(shared, (200, 140)), 14)
    graph = Graph()
    image, crops = cut(graph, client, people)
    inverted = graph.add("ImageInvert", image=crops.out())
    larger = graph.add("ImageScaleBy", image=inverted.out(), upscale_method="nearest-exact", scale_by=2.0)
    shown = pasted(graph, image, crops, larger)
    run = client.run(graph)
    assert text(run, crops).startswith("2 faces found")
    given = gpen.face_crops(tensor(people), gpen.detect_faces(tensor(people), "mtcnn"), size=256)
    twice = (1 - given.crops).repeat_interleave(2, 1).repeat_interleave(2, 2)
    expected = gpen.paste_faces(tensor(people), gpen.replace_crops(given.faces, twice))
    assert_shows(client.pictures(run, shown), expected.image)
    inside = expected.mask[0].numpy() > 0.99
    negative = np.abs(client.pictures(run, shown)[0][inside].astype(int) - (255 - people[inside]))
    assert negative.mean() < 12


def test_segments_are_those_of_one_picture(client: Client) -> None:
    graph = Graph()
    _, crops = cut(graph, client, photograph())
    shown = say(graph, crops, 3)
    written = text(client.run(graph), shown)
    given = gpen.face_crops(tensor(photograph()), gpen.detect_faces(tensor(photograph()), "mtcnn"), size=256)
    (height, width), (segment,) = segments(tensor(photograph()), given.faces)
    assert written.startswith(f"(({height}, {width}), [SEG(")
    assert f"crop_region={segment.crop_region}, bbox={segment.bbox}, label='face'" in written
    graph = Graph()
    image = load(graph, client, photograph(), photograph())
    inputs = {"faces": find(graph, image).out(), "image": image.out(), "which": "original", "size": 64}
    say(graph, graph.add("GPENFaceCrops", **inputs), 3)
    with pytest.raises(NodeFailed, match="use boxes or mask, or give the pictures one by one"):
        client.run(graph)


def test_before_and_after_are_what_went_into_the_network_and_came_out(
    client: Client, shared: Path, small: Path
) -> None:
    people = group(shared, (200, 140))
    graph = Graph()
    image = load(graph, client, people)
    restored = restore(graph, image, find(graph, image), small)
    before, after = show(graph, restored, 1), show(graph, restored, 2)
    run = client.run(graph)
    faces = gpen.detect_faces(tensor(people), "mtcnn")
    faces = gpen.restore_faces(network(small), tensor(people), faces)
    assert_shows(client.pictures(run, before), torch.stack([crop_of(face).before for face in faces]))
    assert_shows(client.pictures(run, after), torch.stack([after_of(face) for face in faces]))
    assert len(client.pictures(run, before)) == 2 and text(run, restored) == describe(faces)
