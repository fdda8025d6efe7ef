"""A real server: prompts with any value in any input, many prompts in a row, and interrupts in every node."""

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import graphs
from tests.support.photograph import photograph
from tools.client import Client, Graph, Interrupted, NodeFailed, PromptRefused
from tools.comfyui import Server

from .conftest import Trials, of

SECONDS = 5.0
WILD = (0, -1, 1e300, -1e300, 999_999, 20_000, 10**400, "", "x", "字", None, True, [], {}, "9" * 5000)
BOX = ("x", "y", "width", "height")


def value(told: Any, rng: random.Random) -> Any:
    """A value for an input as `/object_info` describes it: mostly one that it takes."""
    kind, *more = told
    limits = more[0] if more else {}
    if rng.random() < 0.1:
        return _literal(rng.choice(WILD))
    if isinstance(kind, list) or kind == "COMBO":
        return rng.choice(kind if isinstance(kind, list) else limits["options"])
    match kind:
        case "INT":
            return rng.randint(int(limits.get("min", 0)), int(min(limits.get("max", 99), 99)))
        case "FLOAT":
            return rng.uniform(limits.get("min", 0), min(limits.get("max", 9), 99))
        case "BOOLEAN":
            return rng.random() < 0.5
        case "BOUNDING_BOX":
            boxes = [{key: rng.choice([rng.uniform(-50, 300), *WILD]) for key in BOX} for _ in range(rng.randrange(3))]
            return _literal(boxes)
        case "FACE_LANDMARKS":
            points = [[rng.uniform(0, 300), rng.uniform(0, 300)] for _ in range(478)]
            size = [rng.choice([220, 1, *WILD]) for _ in range(2)]
            return {"frames": [[{"landmarks_xy": points, "score": rng.choice([0.9, *WILD])}]], "image_size": size}
    return limits.get("default", "")


def _literal(given: Any) -> Any:
    return graphs.literal(given) if isinstance(given, list) else given


def some_prompt(nodes: dict[str, dict[str, Any]], name: str, photo: str, rng: random.Random) -> Graph:
    """A graph with one of our nodes, its inputs linked or given, and what shows its outputs."""
    graph = Graph()
    image = graph.add("LoadImage", image=photo)
    model = graph.add("GPENLoadModel", file="small.safetensors", precision="fp32", memory="normal")
    faces = graphs.find(graph, image)
    made = {"IMAGE": image.out(), "MASK": image.out(1), "GPEN_MODEL": model.out(), "GPEN_FACES": faces.out()}
    given: dict[str, Any] = {}
    inputs = nodes[name]["input"]
    for part, needed in (("required", True), ("optional", False)):
        for key, told in inputs.get(part, {}).items():
            if needed or rng.random() < 0.6:
                given[key] = made[told[0]] if str(told[0]) in made else value(told, rng)
    if name == "GPENLoadModel":
        given["file"] = rng.choice(["small.safetensors", "preview", "../secret.pth", "/etc/passwd", "none.pth"])
    if given.get("detector") not in (None, "auto", "mtcnn"):
        given["detector"] = "mtcnn"  # the others' files are not on this server
    node = graph.add(name, **given)
    for index, kind in enumerate(nodes[name]["output"]):
        if kind == "IMAGE":
            graphs.show(graph, node, index)
        elif kind == "MASK":
            graphs.show_mask(graph, node, index)
        else:
            graphs.say(graph, node, index)
    return graph


def busy(server: Server) -> float:
    """How many seconds the server has worked so far: other programs on the machine do not count."""
    assert server._process is not None
    times = psutil.Process(server._process.pid).cpu_times()
    return times.user + times.system


def work_of(graph: Graph, client: Client, server: Server) -> float:
    """Runs a prompt → seconds of the server's work. Raises where it fails with an error that is not ours."""
    begun = busy(server)
    try:
        client.run(graph, seconds=60)
    except NodeFailed as failed:
        check_named(failed)
    return busy(server) - begun


def check_named(failed: NodeFailed) -> None:
    """Raises where a node failed with an error that is not ours."""
    assert ".gpen.errors." in failed.exception_type, f"{failed.exception_type}: {failed.message}"


@pytest.fixture
def ours(client: Client) -> dict[str, dict[str, Any]]:
    """The descriptions of our nodes that take pictures, models and faces."""
    films = ("GPENRestoreVideo",)
    return {name: told for name, told in client.object_info().items() if name.startswith("GPEN") and name not in films}


def test_prompts(client: Client, server: Server, small: Path, ours: dict[str, Any], trials: Trials) -> None:
    """Prompts with any value in any input, through a real server."""
    rng, photo = random.Random(0), client.upload(photograph(), "photo.png")
    for number in range(of(30, 1000)):
        name = sorted(ours)[number % len(ours)]
        graph = some_prompt(ours, name, photo, rng)
        with trials.trial(f"{name}: {graph.nodes[3].inputs!r:.300}", PromptRefused):
            if (took := work_of(graph, client, server)) > SECONDS * 2:
                # On a busy machine threads that wait for each other count as work: only what stays slow is.
                client.free()
                took = work_of(graph, client, server)
            assert took < SECONDS * 2, f"{took:.1f} s"  # the server's own work is in it
            server.check_alive()
    trials.check(of(30, 1000))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_grows(client: Client, server: Server, small: Path, trials: Trials) -> None:
    """Prompts of ten nodes in a row, without growth of memory and open files."""
    photo, process = client.upload(photograph(), "photo.png"), server._process
    assert process is not None
    count = of(40, 1000)

    def state() -> tuple[float, int]:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list(Path(f"/proc/{process.pid}/fd").iterdir()))

    settled = (0.0, 0)
    for number in range(count):
        graph = Graph()
        image = graph.add("LoadImage", image=photo)
        faces = graph.add("GPENSelectFaces", faces=graphs.find(graph, image).out(), order="largest", count=0)
        faces = graph.add("GPENTrackFaces", faces=faces.out())
        restored = graphs.restore(graph, image, faces, small)
        pasted = graphs.paste(graph, image, restored, strength=(number % 97) / 97)
        graphs.show(graph, pasted)
        graphs.show_mask(graph, pasted)
        with trials.trial(str(number)):
            client.run(graph)
        if number == count // 4:
            settled = state()
    memory, files = (after - before for after, before in zip(state(), settled, strict=True))
    with trials.trial(f"memory grew by {memory:.0f} MB, open files by {files}"):
        assert memory < 150
        assert files < 5
    trials.check(count)


def test_interrupt(client: Client, server: Server, small: Path, trials: Trials) -> None:
    """Interrupts at any moment of a prompt that runs all steps."""
    rng, photo = random.Random(0), client.upload(photograph(), "photo.png")
    for number in range(of(6, 60)):
        graph = Graph()
        image = graph.add("LoadImage", image=photo)
        image = graph.add("ImageScaleBy", image=image.out(), upscale_method="bilinear", scale_by=2 + number / 1000)
        faces = graphs.find(graph, image)
        restored = graphs.restore(graph, image, faces)  # the preview network, which takes its time
        graphs.show(graph, graphs.paste(graph, image, restored))
        run = client.submit(graph)
        wanted = rng.choice(graph.nodes[1:])
        with trials.trial(f"at {wanted.class_type}", Interrupted):
            client.wait_for_node(run, wanted)
            time.sleep(rng.uniform(0, 0.3))
            client.interrupt()
            begun = busy(server)
            try:
                client.wait(run)
            finally:
                took = busy(server) - begun
                assert took < 2, f"{took:.1f} s"
    trials.check(of(6, 60))
