"""A face larger than the model's crop, in a real server."""

import numpy as np
import torch
from skimage import data

import gpen
from gpen.image.picture import to_uint8
from tools.client import Client, Graph


def test_tiles(client: Client) -> None:
    picture = data.astronaut()[:420, :440].repeat(2, 0).repeat(2, 1)
    graph = Graph()
    image = graph.add("LoadImage", image=client.upload(picture, "large.png"))
    model = graph.add("GPENLoadModel", file="preview", precision="fp32", memory="normal")
    found = graph.add("GPENDetectFaces", image=image.out(), detector="mtcnn", threshold=0.0)
    restored = graph.add("GPENRestoreFaces", model=model.out(), image=image.out(), faces=found.out(), tiles=True)
    pasted = graph.add("GPENPasteFaces", image=image.out(), faces=restored.out(), strength=1.0, mask="oval")
    shown, after = (graph.add("PreviewImage", images=it) for it in (pasted.out(), restored.out(2)))
    run = client.run(graph)
    tensor = torch.from_numpy(picture)[None].float() / 255
    faces = gpen.detect_faces(tensor, "mtcnn")
    faces = gpen.restore_faces(gpen.load_model("preview", device="cpu"), tensor, faces, tiles=True)
    expected = to_uint8(gpen.paste_faces(tensor, faces).image[0])
    assert np.abs(client.pictures(run, shown)[0].astype(int) - expected).max() <= 1
    assert faces[0].restored is not None and len(faces[0].restored) > 256 == len(client.pictures(run, after)[0])
