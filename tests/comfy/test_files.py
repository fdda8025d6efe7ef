"""Files where people keep them: fetched with progress and resumed, or in folders of their own."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from tests.support.graphs import only_error
from tests.support.mirror import Mirror
from tests.support.networks import write_small
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
    assert "mine.safetensors" in choices(client)
    client.run(load(client, "mine.safetensors"))


def choices(client: Client) -> list[str]:
    """What Load GPEN Model lists."""
    return client.object_info()["GPENLoadModel"]["input"]["required"]["file"][1]["options"]


def test_files_are_listed_as_in_the_lists_of_core(server: Server, client: Client) -> None:
    folder = server.base / "models" / "gpen"
    below = write_small(folder / "portraits" / "soft.safetensors")
    (folder / "a folder.pth").mkdir()
    (folder / "notes.txt").write_text("no model", encoding="utf-8")
    made = [folder / "notes.txt"]
    if os.name != "nt":
        (folder / "dead.pth").symlink_to(folder / "nowhere.pth")
        os.mkfifo(folder / "pipe.pth")
        made += [folder / "dead.pth", folder / "pipe.pth"]
    try:
        name = str(below.relative_to(folder))
        listed = choices(client)
        assert name in listed
        assert not {"a folder.pth", "dead.pth", "pipe.pth", "notes.txt"} & set(listed)
        client.run(load(client, name))
        # A file that was replaced is loaded again.
        assert not client.run(load(client, name)).executed
        os.utime(below, (1, 1))
        assert "1" in client.run(load(client, name)).executed
    finally:
        for path in made:
            path.unlink()
        (folder / "a folder.pth").rmdir()
        shutil.rmtree(below.parent)


@pytest.mark.parametrize("file", [None, 7, "../soft.safetensors", {"__value__": ["preview"]}])
def test_what_is_no_file_is_refused_in_words(client: Client, file: object) -> None:
    graph = load(client, "preview")
    graph.nodes[0].inputs["file"] = file
    error = only_error(client, graph, graph.nodes[0])
    assert "preview" in error, error


def test_page_lists_no_leftovers_of_a_download(client: Client, elsewhere: Path) -> None:
    with pytest.raises(NodeFailed):
        client.run(load(client, "GPEN-BFR-512.pth"))
    assert list(elsewhere.glob(".*.lock")), "the test shows nothing where no lock is left"
    for key in ("gpen", "facerestore_models", "facedetection"):
        for path in (f"/models/{key}", f"/experiment/models/{key}"):
            listed = [file if isinstance(file, str) else file["name"] for file in client.get(path).json()]
            assert all(Path(name).suffix in {".pth", ".pt", ".safetensors", ".onnx"} for name in listed), listed


def test_output_directory_is_respected(server: Server, client: Client) -> None:
    graph = load(client, "preview")
    client.run(graph)
    assert list((server.base / "pictures").glob("saved*.png"))
    assert np.array(client.pictures(client.run(graph), graph.nodes[-1].id)[0]).shape == (64, 64, 3)
