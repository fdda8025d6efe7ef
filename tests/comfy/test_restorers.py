"""Restorers other than GPEN in the graph: listed by what they are, run by the same nodes, refused in words."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data

import gpen
from tests.support.graphs import assert_shows, only_error
from tests.support.photograph import tensor
from tests.support.restorers import shaken, small_restoreformer, write
from tests.unit.test_restorers_onnx import write as write_onnx
from tools.client import Client, Graph, Node, NodeFailed
from tools.comfyui import Server

Put = Callable[[str, Path], Path]


@pytest.fixture
def put(server: Server) -> Iterator[Put]:
    """Puts a file into one of the server's folders of models, for one test."""
    there: list[Path] = []

    def copy(folder: str, file: Path) -> Path:
        target = server.base / "models" / folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        there.append(target)
        return target

    yield copy
    for path in there:
        path.unlink()


@pytest.fixture(scope="module")
def restoreformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("made") / "somebody's.pth", small_restoreformer())


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compact = pytest.importorskip("spandrel.architectures.Compact", reason="spandrel is not installed")
    path = tmp_path_factory.mktemp("made") / "2x.pth"
    torch.save(shaken(compact.Compact(upscale=2, num_feat=8, num_conv=2)).state_dict(), path)
    return path


def listed(client: Client) -> dict[str, Any]:
    return client.object_info()["GPENLoadModel"]["input"]["required"]["file"][1]


def graph_of(client: Client, file: str, **settings: object) -> tuple[Graph, Node, Node]:
    """A graph, its loader, and the node that shows the restored picture."""
    graph = Graph()
    loader = graph.add("GPENLoadModel", file=file, **{"precision": "auto", "memory": "auto", **settings})
    image = graph.add("LoadImage", image=client.upload(data.astronaut(), "astronaut.png"))
    inputs = {"strength": 1.0, "detector": "mtcnn", "mask": "oval", "threshold": 0.0}
    restored = graph.add("GPENRestore", model=loader.out(), image=image.out(), **inputs)
    return graph, loader, graph.add("PreviewImage", images=restored.out())


def said(run: Any, node: Node) -> str:
    return run.outputs[node.id]["text"][0]


def test_listed_by_what_it_is_and_run_as_the_library_does(client: Client, put: Put, restoreformer: Path) -> None:
    file = put("facerestore_models", restoreformer)
    assert listed(client)["terms"][file.name] == "RestoreFormer; Apache-2.0"
    graph, loader, shown = graph_of(client, file.name)
    run = client.run(graph)
    assert said(run, loader).startswith("RestoreFormer, 512 pixels. Terms: Apache License 2.0")
    model = gpen.load_model(file)
    done = gpen.restore(model, tensor(data.astronaut()), "mtcnn", paste=gpen.PasteSettings(mask="oval"))
    assert_shows(client.pictures(run, shown.id), done.image)


def test_terms_stand_beside_what_is_to_be_fetched(client: Client) -> None:
    told = listed(client)
    for file, words in (
        ("GPEN-BFR-512.pth", "GPEN; academic, non-commercial"),
        ("GFPGANv1.4.pth", "GFPGAN; Apache-2.0"),
        ("codeformer.pth", "CodeFormer; S-Lab, non-commercial"),
    ):
        assert file in told["options"] and told["terms"][file] == words
        assert told["megabytes_to_fetch"][file] > 70


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"precision": "fp8"}, "no weights in 8 bits"),
        ({"memory": "low"}, "cannot be run in strips"),
        ({"pruning": "exact"}, "only GPEN networks can be pruned"),
        ({"fidelity": 1.0}, "has no fidelity; leave it at 0.5"),
    ],
)
def test_what_it_cannot_do_is_refused(
    client: Client, put: Put, restoreformer: Path, settings: dict[str, Any], words: str
) -> None:
    graph, loader, _ = graph_of(client, put("facerestore_models", restoreformer).name, **settings)
    with pytest.raises(NodeFailed, match=words) as failed:
        client.run(graph)
    assert failed.value.node_id == loader.id


def test_upscaler_is_named(client: Client, put: Put, upscaler: Path) -> None:
    assert put("facerestore_models", upscaler).name not in listed(client)["options"]
    put("gpen", upscaler)
    graph, _, _ = graph_of(client, upscaler.name)
    with pytest.raises(NodeFailed, match="a network of the architecture RealESRGAN Compact, such as upscalers have"):
        client.run(graph)


def test_restorer_in_another_folder_is_named(client: Client, put: Put, restoreformer: Path) -> None:
    file = put("upscale_models", restoreformer)
    graph, loader, _ = graph_of(client, file.name)
    error = only_error(client, graph, loader)
    if "holds a RestoreFormer network" not in error:
        assert file.name in error  # newer versions of ComfyUI look at the list themselves
    else:
        assert "move it to" in error and "facerestore_models" in error


def test_onnx_is_run_and_said_to_be_outside_of_management(client: Client, put: Put, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    file = put("facerestore_models", write_onnx(tmp_path / "gpen_bfr_64.onnx"))
    assert listed(client)["terms"][file.name].startswith("ONNX; academic, non-commercial")
    graph, loader, shown = graph_of(client, file.name)
    run = client.run(graph)
    assert "onnxruntime on CPUExecutionProvider, whose memory is outside of ComfyUI's management" in said(run, loader)
    (picture,) = client.pictures(run, shown.id)
    assert np.abs(np.asarray(picture).astype(int) - data.astronaut()).max() > 20
