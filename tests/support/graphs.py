"""Graphs that several tests of the nodes begin with, and how their pictures are compared with the library's."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gpen
from gpen.image.picture import to_uint8
from gpen.restorers.protocol import Restorer
from tools.client import Client, Graph, Node, NodeFailed, Pixels, PromptRefused, Run


def load(graph: Graph, client: Client, *pictures: Pixels) -> Node:
    """A batch of pictures (H, W, 3), or one with a mask: what is transparent in (H, W, 4) is white in it."""
    batch, *others = (
        graph.add("LoadImage", image=client.upload(np.ascontiguousarray(picture), f"{len(graph.nodes)}-{number}.png"))
        for number, picture in enumerate(pictures)
    )
    for other in others:
        batch = graph.add("ImageBatch", image1=batch.out(), image2=other.out())
    return batch


def masked(picture: Pixels, mask: Tensor) -> Pixels:
    """A picture whose mask (H, W) LoadImage gives beside it."""
    return np.dstack([picture, 255 - (mask * 255).round().to(torch.uint8).numpy()])


def literal(value: list[Any]) -> dict[str, Any]:
    """A list as an input: ComfyUI would take it for a link."""
    return {"__value__": value}


def find(graph: Graph, image: Node, **settings: object) -> Node:
    return graph.add("GPENDetectFaces", image=image.out(), **{"detector": "mtcnn", "threshold": 0.0, **settings})


def model(graph: Graph, file: Path | str = "preview") -> Node:
    """A network of the server."""
    name = file if isinstance(file, str) else file.name
    return graph.add("GPENLoadModel", file=name, precision="fp32", memory="normal")


def network(file: Path | str) -> Restorer:
    """The same for the library, on the same device."""
    return gpen.load_model(file, precision="fp32")


def restore(graph: Graph, image: Node, faces: Node, file: Path | str = "preview", **settings: object) -> Node:
    return graph.add(
        "GPENRestoreFaces", model=model(graph, file).out(), image=image.out(), faces=faces.out(), **settings
    )


def paste(graph: Graph, image: Node, faces: Node, **settings: object) -> Node:
    settings = {"strength": 1.0, "mask": "oval", **settings}
    return graph.add("GPENPasteFaces", image=image.out(), faces=faces.out(), **settings)


def show(graph: Graph, images: Node, index: int = 0) -> Node:
    return graph.add("PreviewImage", images=images.out(index))


def show_mask(graph: Graph, masks: Node, index: int = 1) -> Node:
    return show(graph, graph.add("MaskToImage", mask=masks.out(index)))


def say(graph: Graph, source: Node, index: int) -> Node:
    """Shows anything as a text."""
    return graph.add("PreviewAny", source=source.out(index))


def text(run: Run, node: Node) -> str:
    return run.outputs[node.id]["text"][0]


def assert_shows(shown: Iterable[Pixels], expected: Tensor, what: str = "") -> None:
    """The pictures of a PreviewImage are the library's (B, H, W, 3), but that it rounds down where we round."""
    pixels = np.stack(list(shown)).astype(int)
    assert pixels.shape == expected.shape, what
    assert np.abs(pixels - to_uint8(expected)).max() <= 1, what


def only_error(client: Client, graph: Graph, node: Node) -> str:
    """What a person reads of a graph in which one node has one wrong value.

    Newer versions of ComfyUI check what is chosen beforehand; in older ones the node says it when it runs.
    """
    with pytest.raises((PromptRefused, NodeFailed)) as caught:
        client.run(graph)
    if isinstance(caught.value, NodeFailed):
        assert caught.value.node_id == node.id, caught.value
        return caught.value.message.partition("\n")[0]
    assert isinstance(caught.value, PromptRefused) and list(caught.value.node_errors) == [node.id], caught.value
    (error,) = caught.value.node_errors[node.id]["errors"]
    return f"{error['message']}: {error['details']}"
