"""A clip through the nodes: tracked, a missed frame filled in, and lens distortion taken out and put back."""

import numpy as np
import torch

import gpen
from tests.photograph import Damage, damaged, photograph
from tools.client import Client, Graph


def test_clip_through_the_stations(client: Client) -> None:
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
    assert run.outputs[tracked.id]["text"][0].startswith("3 faces found in 1 track, 1 filled in")
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
    assert "3 faces found in 1 track, 3 restored" in client.run(one).outputs[whole.id]["text"][0]
