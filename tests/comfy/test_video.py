"""A film through its node: the library's film, from file to file, stopped when asked and gone on with."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("av")

import gpen
from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from tests.support import films
from tests.support.graphs import network, say, text
from tools.client import Client, Graph, Interrupted, Node, NodeFailed
from tools.comfyui import Server

FRAMES, SIDE = 5, 220


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head that a hand holds, with a tone."""
    return films.write_film(tmp_path_factory.mktemp("film") / "film.mp4", films.shaken(FRAMES, SIDE))


def graph(client: Client, film: Path, model: str, **settings: object) -> tuple[Graph, Node, Node]:
    """Load Video → our node → Save Video, and what our node reports."""
    made = Graph()
    video = made.add("LoadVideo", file=client.upload(film, film.name))
    return made, *restored(made, video, model, **settings)


def restored(made: Graph, video: Node, model: str, **settings: object) -> tuple[Node, Node]:
    loaded = made.add("GPENLoadModel", file=model, precision="fp32", memory="normal")
    settings = {"detector": "mtcnn", **settings}
    node = made.add("GPENRestoreVideo", model=loaded.out(), video=video.out(), **settings)
    made.add("SaveVideo", video=node.out(), filename_prefix="video/restored", format="auto", codec="auto")
    return node, say(made, node, 1)


def saved(server: Server) -> Path:
    """What Save Video wrote last."""
    return max((server.base / "pictures" / "video").glob("restored_*"), key=lambda path: path.stat().st_mtime_ns)


def left(server: Server) -> list[Path]:
    """What lies in the temp folder beside finished films."""
    return [
        path for path in (server.base / "temp").glob("*gpen*") if path.suffix == ".gpen-parts" or "source" in path.name
    ]


def test_is_the_film_of_the_library(server: Server, client: Client, small: Path, film: Path, tmp_path: Path) -> None:
    made, node, said = graph(client, film, small.name, strength=0.75, smoothing=0.25, min_size=20)
    run = client.run(made)
    done = gpen.restore_video(
        network(small),
        film,
        tmp_path / "out.mp4",
        detector="mtcnn",
        select=gpen.SelectSettings(min_size=20),
        track=gpen.TrackSettings(smoothing=0.25),
        paste=gpen.PasteSettings(strength=0.75),
    )
    assert len(done.faces) == FRAMES, "the test shows nothing where no face is found"
    result = saved(server)
    shown, expected, before = (films.pixels_of(path).astype(int) for path in (result, done.path, film))
    # The last bits of a random network differ from process to process, and an encoder makes more of them.
    assert np.abs(shown - expected).mean() < np.abs(shown - before).mean() / 50
    assert films.sound_of(result) == films.sound_of(film)
    assert films.stamps_of(result) == films.stamps_of(film)
    assert text(run, said) == f"{FRAMES} frames, {FRAMES} faces in 1 tracks" == run.outputs[node.id]["text"][0]
    steps = [(value, most) for who, value, most in run.progress if who == node.id]
    assert steps[-1] == (2 * FRAMES, 2 * FRAMES) and len(set(steps)) > FRAMES
    assert left(server) == []


def test_same_work_is_cached(client: Client, small: Path, film: Path) -> None:
    made, node, _ = graph(client, film, small.name)
    client.run(made)
    assert not client.run(made).ran(node)


def test_frames_of_other_nodes_are_taken(server: Server, client: Client, small: Path, film: Path) -> None:
    made = Graph()
    parts = made.add("GetVideoComponents", video=made.add("LoadVideo", file=client.upload(film, film.name)).out())
    video = made.add("CreateVideo", images=parts.out(), audio=parts.out(1), fps=25.0)
    _, said = restored(made, video, small.name)
    assert text(client.run(made), said).startswith(f"{FRAMES} frames, {FRAMES} faces")
    assert len(films.pixels_of(saved(server))) == FRAMES and films.sound_of(saved(server))
    assert left(server) == []


def test_interrupt_stops_within_a_face_and_the_next_run_goes_on(server: Server, client: Client, film: Path) -> None:
    config = GPENConfig.released(512, 1, 0.5)
    weights = {name: torch.randn(shape) for name, shape in config.official_shapes().items()}
    write_checkpoint(server.base / "models" / "gpen" / "slow film.safetensors", weights)
    made, node, _ = graph(client, film, "slow film.safetensors", smoothing=0.0)
    run = client.submit(made)
    while not any(who == node.id and value > FRAMES for who, value, _ in run.progress):  # a frame is written
        client.wait_for_progress(run)
        client._receive(time.monotonic() + 60)
    started = time.monotonic()
    client.interrupt()
    with pytest.raises(Interrupted):
        client.wait(run)
    stopped = time.monotonic() - started
    assert [path.suffix for path in left(server)] == [".gpen-parts"]
    started = time.monotonic()
    run = client.run(made)
    assert stopped < (time.monotonic() - started) / 2
    values = [value for who, value, _ in run.progress if who == node.id]
    assert min(values) > FRAMES, "the faces were looked for again"
    assert len(films.pixels_of(saved(server))) == FRAMES and left(server) == []


def test_a_file_that_is_no_film_is_named(client: Client, small: Path, tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("no film")
    made, node, _ = graph(client, tmp_path / "words.mp4", small.name)
    with pytest.raises(NodeFailed) as failed:
        client.run(made)
    assert failed.value.node_id == node.id and "words.mp4" in failed.value.message
