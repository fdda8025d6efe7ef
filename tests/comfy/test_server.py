"""The server itself, and that the pack loads in it."""

import re
from pathlib import Path

import numpy as np
import pytest

from tools.client import Client, Graph, NodeFailed, PromptRefused
from tools.comfyui import PACK_NAME, ComfyUIError, Server


def test_pack_loads(server: Server, client: Client) -> None:
    # One line, with the loading time; an import or an entry point that fails has the pack's name in further lines.
    # Newer versions begin each line with its level, in colour.
    lines = [line for line in server.startup_log.splitlines() if PACK_NAME in line]
    assert len(lines) == 1, server.startup_log
    assert re.search(r"(^|\s)\d+\.\d seconds: ", lines[0]), server.startup_log
    assert "Unable to parse pyproject.toml" not in server.startup_log
    modules = {info["python_module"] for info in client.object_info().values()}
    assert f"custom_nodes.{PACK_NAME}" in modules, "the pack registered no node"


def test_graph_runs_and_is_cached(client: Client) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    graph = Graph()
    loaded = graph.add("LoadImage", image=client.upload(picture, "noise.png"))
    inverted = graph.add("ImageInvert", image=loaded.out())
    shown = graph.add("PreviewImage", images=inverted.out())
    first = client.run(graph)
    assert first.executed == [loaded.id, inverted.id, shown.id]
    # PreviewImage rounds down: half a unit of rounding in float32 can cost a whole one.
    np.testing.assert_allclose(client.pictures(first, shown)[0].astype(int), 255 - picture, atol=1)
    second = client.run(graph)
    assert not second.executed
    assert second.was_cached(inverted)
    client.free()
    assert client.run(graph).executed == first.executed


def test_wrong_input_is_refused(client: Client) -> None:
    graph = Graph()
    empty = graph.add("EmptyImage", width=-1, height=1, batch_size=1, color=0)
    graph.add("PreviewImage", images=empty.out())
    with pytest.raises(PromptRefused) as refused:
        client.run(graph)
    assert list(refused.value.node_errors) == [empty.id]


def test_error_in_a_node_is_reported(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "broken.png"
    file.write_text("not a picture", encoding="utf-8")
    graph = Graph()
    loaded = graph.add("LoadImage", image=client.upload(file, file.name))
    graph.add("PreviewImage", images=loaded.out())
    with pytest.raises(NodeFailed, match="cannot identify image file") as failed:
        client.run(graph)
    assert failed.value.node_id == loaded.id


def test_server_that_dies_says_why(tmp_path: Path) -> None:
    with pytest.raises(ComfyUIError, match="unrecognized arguments: --nonsense"):
        Server(tmp_path, ("--nonsense",)).start()
