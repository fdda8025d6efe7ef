"""A clip through the nodes: tracked, calmed, missed frames filled in, faces faded in and out."""

from pathlib import Path

import cv2
import numpy as np
import torch

import gpen
from tests.support.graphs import assert_shows, find, load, network, paste, restore, show, show_mask, text
from tests.support.photograph import Damage, damaged, photograph, tensor
from tools.client import Client, Graph


def test_clip_step_by_step(client: Client) -> None:
    frames = [damaged(Damage.NOISE), np.full_like(photograph(), 128), damaged(Damage.JPEG)]
    graph = Graph()
    images = [graph.add("LoadImage", image=client.upload(frame, f"frame{i}.png")) for i, frame in enumerate(frames)]
    clip = graph.add("ImageBatch", image1=images[0].out(), image2=images[1].out())
    clip = graph.add("ImageBatch", image1=clip.out(), image2=images[2].out())
    lens = {"strength": 0.0, "direction": "take out"}
    straight = graph.add("GPENLensDistortion", image=clip.out(), **lens)
    model = graph.add("GPENLoadModel", file="preview", precision="fp32", memory="normal")
    found = graph.add("GPENDetectFaces", image=straight.out(), detector="mtcnn", threshold=0.0)
    tracked = graph.add("GPENTrackFaces", faces=found.out(), smoothing=0.5, max_gap=5, fade=3, min_length=1)
    restored = graph.add(
        "GPENRestoreFaces", model=model.out(), image=straight.out(), faces=tracked.out(), perspective="on"
    )
    # The picture's own detail would let the last bits of a landmark be seen.
    plain = {"strength": 1.0, "mask": "oval", "large_faces": "off"}
    pasted = graph.add("GPENPasteFaces", image=straight.out(), faces=restored.out(), **plain)
    shown = graph.add("PreviewImage", images=pasted.out())
    run = client.run(graph)
    # A frame of one grey is a dropped one: the track goes on behind it, and nothing is painted into it.
    assert run.outputs[tracked.id]["text"][0].startswith("2 faces found in 1 track\n")
    pictures = client.pictures(run, shown)

    batch = torch.from_numpy(np.stack(frames)).float() / 255
    faces = gpen.track_faces(gpen.detect_faces(batch, "mtcnn"))
    done = gpen.restore_faces(gpen.load_model("preview", device="cpu"), batch, faces, perspective="on")
    expected = gpen.paste_faces(batch, done, **plain).image.numpy() * 255
    assert np.abs(np.stack(pictures) - expected).max() <= 1.01  # PreviewImage rounds down

    one = Graph()
    one.nodes = [*graph.nodes[:6], model]
    whole = one.add(
        "GPENRestore",
        model=model.out(),
        image=straight.out(),
        strength=1.0,
        detector="mtcnn",
        mask="oval",
        threshold=0.0,
        clip=True,
    )
    one.add("PreviewImage", images=whole.out())
    assert "2 faces found in 1 track, 2 restored" in client.run(one).outputs[whole.id]["text"][0]


def test_face_that_comes_and_goes_is_faded(client: Client, small: Path) -> None:
    # The same scene, but that nobody can be made out in it.
    nobody, somebody = photograph().copy(), photograph()
    nobody[40:190, 40:180] = cv2.GaussianBlur(nobody, (0, 0), 12)[40:190, 40:180]
    frames = nobody, somebody, somebody, nobody, somebody, somebody, somebody, nobody
    graph = Graph()
    clip = load(graph, client, *frames)
    found = find(graph, clip)
    tracked = graph.add("GPENTrackFaces", faces=found.out(), smoothing=0.5, max_gap=2, fade=2, min_length=1)
    pasted = paste(graph, clip, restore(graph, clip, tracked, small))
    shown, masks = show(graph, pasted), show_mask(graph, pasted)
    run = client.run(graph)
    assert text(run, tracked).startswith("6 faces found in 1 track, 1 filled in")
    faces = gpen.track_faces(gpen.detect_faces(tensor(*frames), "mtcnn"), smoothing=0.5, max_gap=2, fade=2)
    faces = gpen.restore_faces(network(small), tensor(*frames), faces)
    assert_shows(client.pictures(run, shown), gpen.paste_faces(tensor(*frames), faces).image)
    most = [mask.max() / 255 for mask in client.pictures(run, masks)]
    np.testing.assert_allclose(most, [0, 1 / 3, 2 / 3, 1, 1, 2 / 3, 1 / 3, 0], atol=0.01)


def test_smoothing_makes_a_face_calm(client: Client, small: Path) -> None:
    """Found in frames with noise, and cut out of frames without: what moves in the crops is the place of the face."""
    noise = np.random.default_rng(0).normal(0, 20, (5, *photograph().shape))
    noisy = (photograph() + noise).clip(0, 255).astype(np.uint8)
    graph = Graph()
    found = find(graph, load(graph, client, *noisy))
    still = load(graph, client, *[photograph()] * 5)
    nodes = []
    for smoothing in (0.0, 1.0):
        tracked = graph.add("GPENTrackFaces", faces=found.out(), smoothing=smoothing, max_gap=0, fade=0, min_length=5)
        nodes.append(show(graph, restore(graph, still, tracked, small), 1))
    run = client.run(graph)
    moved = [np.abs(np.diff(np.stack(client.pictures(run, node)).astype(int), axis=0)).mean() for node in nodes]
    assert moved[1] < moved[0] / 2


def test_what_is_seen_too_seldom_is_left_out(client: Client) -> None:
    graph = Graph()
    found = find(graph, load(graph, client, np.full_like(photograph(), 128), photograph(), 0 * photograph()))
    tracked = graph.add("GPENTrackFaces", faces=found.out(), smoothing=0.5, max_gap=0, fade=0, min_length=2)
    count = graph.add("PreviewAny", source=tracked.out(1))
    run = client.run(graph)
    assert text(run, found).startswith("1 face found") and text(run, count) == "0"
