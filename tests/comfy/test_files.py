"""Files where people keep them: fetched with progress and resumed, or in folders of their own."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from tests.support.mirror import Mirror
from tools.client import Client, Graph, Interrupted, NodeFailed
from tools.comfyui import Server


def load(client: Client, file: str) -> Graph:
    """A graph that loads a model and finds no face to run it on."""
    graph = Graph()
    model = graph.add("GPENLoadModel", file=file, precision="fp32", memory="normal")
    image = graph.add("LoadImage", image=client.upload(data.coffee()[:64, :64], "cup.png"))
    inputs = {"strength": 1.0, "detector": "mtcnn", "mask": "oval", "threshold": 0.0}
    restored = graph.add("GPENRestore", model=model.out(), image=image.out(), **inputs)
    graph.add("SaveImage", images=restored.out(), filename_prefix="saved")
    return graph


def test_fetching_shows_its_progress_and_terms_and_goes_on_after_an_interrupt(
    client: Client, mirror: Mirror, elsewhere: Path
) -> None:
    # Whoever names a folder for these files wants them there.
    file, folder = "GPEN-BFR-256.pth", elsewhere
    shapes = GPENConfig.released(256, 1, 0.5).official_shapes()
    buffer = io.BytesIO()
    torch.save({name: torch.zeros(shape) for name, shape in shapes.items()}, buffer)
    mirror.files[file] = buffer.getvalue()
    asked = len(mirror.asked)
    spec = client.object_info()["GPENLoadModel"]["input"]["required"]["file"][1]
    assert spec["megabytes_to_fetch"][file] == pytest.approx(len(mirror.files[file]) / 1e6, abs=2)
    try:
        mirror.gate.clear()
        run = client.submit(load(client, file))
        client.wait_for_progress(run)
        client.interrupt()
        with pytest.raises(Interrupted):
            client.wait(run)
        node, _, total = run.progress[0]
        assert node == "1" and total == len(mirror.files[file])
        assert not (folder / file).exists() and (folder / f"{file}.part").stat().st_size > 0
        assert any("76 MB" in text and "non-commercial" in text for text in run.texts)

        mirror.gate.set()
        client.run(load(client, file))
        assert (folder / file).read_bytes() == mirror.files[file]
        first, second = (asked_range for _, asked_range in mirror.asked[asked:])
        assert first is None and second is not None and second != "bytes=0-"
        # What is on disk comes before what is still to be fetched, and no longer has a size to fetch.
        spec = client.object_info()["GPENLoadModel"]["input"]["required"]["file"][1]
        assert file not in spec["megabytes_to_fetch"]
        order = [choice in spec["megabytes_to_fetch"] for choice in spec["options"]]
        assert order == sorted(order)
    finally:
        mirror.gate.set()
        mirror.files.clear()
        for path in folder.glob(f"{file}*"):
            path.unlink()


def test_file_that_cannot_be_fetched_says_what_to_do(client: Client, elsewhere: Path) -> None:
    with pytest.raises(NodeFailed) as failed:
        client.run(load(client, "GPEN-BFR-512.pth"))
    advice = f"Download it yourself, name it GPEN-BFR-512.pth and put it into {elsewhere}"
    assert advice in failed.value.message


def test_folder_of_extra_model_paths_is_looked_into(client: Client, elsewhere: Path) -> None:
    config = GPENConfig.released(64, 1, 1 / 16, 32, 2)
    weights = {name: torch.zeros(shape) for name, shape in config.official_shapes().items()}
    write_checkpoint(elsewhere / "mine.safetensors", weights)
    assert "mine.safetensors" in client.object_info()["GPENLoadModel"]["input"]["required"]["file"][1]["options"]
    client.run(load(client, "mine.safetensors"))


def test_output_directory_is_respected(server: Server, client: Client) -> None:
    graph = load(client, "preview")
    client.run(graph)
    assert list((server.base / "pictures").glob("saved*.png"))
    assert np.array(client.pictures(client.run(graph), graph.nodes[-1].id)[0]).shape == (64, 64, 3)
