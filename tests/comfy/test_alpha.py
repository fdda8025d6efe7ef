"""A picture with alpha (Join Image with Alpha) keeps it through the nodes."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.graphs import find, load, model, paste, restore, show
from tests.support.photograph import photograph
from tools.client import Client, Graph


@pytest.mark.parametrize("way", ["GPENRestore", "GPENPasteFaces", "GPENRestoreTiled", "GPENRestoreAligned"])
def test_alpha_comes_out_as_it_went_in(client: Client, small: Path, way: str) -> None:
    picture = photograph()
    alpha = np.arange(picture.shape[0] * picture.shape[1]).reshape(picture.shape[:2]).astype(np.uint8)
    graph = Graph()
    loaded = load(graph, client, np.dstack([picture, alpha]))
    image = graph.add("JoinImageWithAlpha", image=loaded.out(), alpha=loaded.out(1))
    if way == "GPENRestore":
        done = graph.add(way, model=model(graph, small).out(), image=image.out(), detector="mtcnn")
    elif way == "GPENPasteFaces":
        done = paste(graph, image, restore(graph, image, find(graph, image), small))
    elif way == "GPENRestoreTiled":
        done = graph.add(way, model=model(graph, small).out(), image=image.out(), overlap=8)
    else:
        done = graph.add(way, model=model(graph, small).out(), image=image.out(), strength=1.0)
    shown = show(graph, done)
    (pixels,) = client.pictures(client.run(graph), shown)
    assert pixels.shape == (*picture.shape[:2], 4)
    # PreviewImage rounds down.
    assert np.abs(pixels[..., 3].astype(int) - alpha).max() <= 1
    assert (pixels[..., :3] != picture).any()
