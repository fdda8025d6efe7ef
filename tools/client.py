"""A small client for a running ComfyUI, and graphs for it to run.

    graph = Graph()
    picture = graph.add("LoadImage", image=client.upload(pixels, "photo.png"))
    saved = graph.add("PreviewImage", images=picture.out())
    run = client.run(graph)
    run.ran(picture), client.pictures(run, saved)

Nodes are named by their ids, which a graph gives in the order of `add`.
"""

import io
import json
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import requests
import websocket
from PIL import Image

Prompt = dict[str, dict[str, Any]]
"""ComfyUI's API format: node id → `{"class_type": …, "inputs": {…}}`."""
Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) RGB or (H, W, 4) RGBA"""
RUN_SECONDS = 300
TEXT_EVENT = 3
"""ComfyUI's number for a text on a node; other binary messages are preview pictures."""


class PromptError(Exception):
    """Base of what can go wrong with a prompt."""


class PromptRefused(PromptError):
    """The server did not accept the prompt. `node_errors` is its answer: node id → what is wrong with its inputs."""

    def __init__(self, answer: dict[str, Any]):
        self.error: dict[str, Any] = answer.get("error", {})
        self.node_errors: dict[str, Any] = answer.get("node_errors", {})
        super().__init__(json.dumps(answer, indent=1, ensure_ascii=False))


class NodeFailed(PromptError):
    """A node raised an exception while it ran."""

    def __init__(self, run: "Run", event: dict[str, Any]):
        self.run = run
        self.node_id: str = event["node_id"]
        self.exception_type: str = event["exception_type"]
        self.message: str = event["exception_message"]
        self.traceback = "".join(event["traceback"])
        super().__init__(f"{event['node_type']}: {self.exception_type}: {self.message}\n{self.traceback}")


class Interrupted(PromptError):
    """The run was cancelled."""

    def __init__(self, run: "Run"):
        self.run = run
        super().__init__("the run was interrupted")


@dataclass(eq=False)
class Node:
    """A node of a `Graph`; change its `inputs` to run the graph again with other settings."""

    id: str
    class_type: str
    inputs: dict[str, Any]

    def out(self, index: int = 0) -> list[Any]:
        """A link to its `index`-th output, to be given as another node's input."""
        return [self.id, index]


class Graph:
    """Builds a prompt node by node."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def add(self, class_type: str, **inputs: Any) -> Node:
        """Add a node; an input is a value or another node's `.out(i)`."""
        node = Node(str(len(self.nodes) + 1), class_type, inputs)
        self.nodes.append(node)
        return node

    def prompt(self) -> Prompt:
        return {node.id: {"class_type": node.class_type, "inputs": dict(node.inputs)} for node in self.nodes}


@dataclass
class Run:
    """What the server told about one prompt."""

    prompt_id: str
    cached: list[str] = field(default_factory=list)
    """Nodes whose result was kept from an earlier run."""
    executed: list[str] = field(default_factory=list)
    """Nodes that ran, in their order."""
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What output nodes showed, e.g. `{"images": [{"filename": …, "subfolder": …, "type": …}]}`."""
    progress: list[tuple[str, int, int]] = field(default_factory=list)
    """Each step of a progress bar: node, value, maximum."""
    texts: list[str] = field(default_factory=list)
    """What nodes said while they ran."""
    _error: PromptError | None = None
    _ended: bool = False

    def ran(self, node: Node) -> bool:
        return node.id in self.executed

    def was_cached(self, node: Node) -> bool:
        return node.id in self.cached


class Client:
    """Talks to the server at `url`; close it, or use it in a `with` statement."""

    def __init__(self, url: str):
        self.url = url
        self._id = uuid.uuid4().hex
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy between here and this machine's own server
        self._socket = websocket.create_connection(f"{url.replace('http', 'ws', 1)}/ws?clientId={self._id}")
        self._runs: dict[str, Run] = {}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()
        self._http.close()

    def object_info(self) -> dict[str, dict[str, Any]]:
        """Node id → its inputs, outputs and descriptions, as the web page gets them."""
        return self.get("/object_info").json()

    def run(self, graph: Graph | Prompt, seconds: float = RUN_SECONDS) -> Run:
        """Submit a graph and wait for its end. Raises `PromptRefused`, `NodeFailed` or `Interrupted`."""
        return self.wait(self.submit(graph), seconds)

    def submit(self, graph: Graph | Prompt) -> Run:
        """Queue a graph and come back at once. Raises `PromptRefused`."""
        prompt = graph.prompt() if isinstance(graph, Graph) else graph
        reply = self._http.post(f"{self.url}/prompt", json={"prompt": prompt, "client_id": self._id}, timeout=60)
        if reply.status_code == 400:
            raise PromptRefused(reply.json())
        reply.raise_for_status()
        run = Run(reply.json()["prompt_id"])
        self._runs[run.prompt_id] = run
        return run

    def wait(self, run: Run, seconds: float = RUN_SECONDS) -> Run:
        """Wait until a run that `submit` gave has ended. Raises `NodeFailed`, `Interrupted` or `TimeoutError`."""
        deadline = time.monotonic() + seconds
        while not run._ended:
            self._receive(deadline)
        if run._error is not None:
            raise run._error
        return run

    def wait_for_node(self, run: Run, node: Node | str, seconds: float = RUN_SECONDS) -> None:
        """Wait until a node of the run has begun (or the run has ended)."""
        deadline = time.monotonic() + seconds
        while (node if isinstance(node, str) else node.id) not in run.executed and not run._ended:
            self._receive(deadline)

    def wait_for_progress(self, run: Run, seconds: float = RUN_SECONDS) -> None:
        """Wait until a progress bar of the run has moved (or the run has ended), so that it can be interrupted."""
        deadline = time.monotonic() + seconds
        while not run.progress and not run._ended:
            self._receive(deadline)

    def interrupt(self) -> None:
        """Cancel what runs now."""
        self._post("/interrupt", json={})

    def unload_models(self) -> None:
        """Take all models off the card; cached results are kept."""
        self._free(unload_models=True)

    def free(self) -> None:
        """Unload all models and forget all cached results."""
        self._free(unload_models=True, free_memory=True)

    def _free(self, **what: bool) -> None:
        self._post("/free", json=what)
        # The server does it between two prompts at some time; after this one it has been done.
        graph = Graph()
        graph.add("PreviewImage", images=graph.add("EmptyImage", width=1, height=1, batch_size=1, color=0).out())
        self.run(graph)

    def upload(self, picture: Pixels | Path, name: str) -> str:
        """Put a picture (a file, or pixels to be stored as PNG) into the input folder → the name LoadImage knows."""
        if isinstance(picture, Path):
            data = picture.read_bytes()
        else:
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "PNG")
            data = buffer.getvalue()
        return self._post("/upload/image", files={"image": (name, data)}, data={"overwrite": "true"}).json()["name"]

    def pictures(self, run: Run, node: Node | str) -> list[Pixels]:
        """The pictures that a node (SaveImage, PreviewImage, …) of a run showed."""
        shown = run.outputs[node if isinstance(node, str) else node.id]["images"]
        return [np.array(Image.open(io.BytesIO(self.get("/view", **picture).content))) for picture in shown]

    def get(self, path: str, **query: Any) -> requests.Response:
        """GET any path of the server. Raises `requests.HTTPError`."""
        reply = self._http.get(f"{self.url}{path}", params=query, timeout=60)
        reply.raise_for_status()
        return reply

    def _post(self, path: str, **content: Any) -> requests.Response:
        reply = self._http.post(f"{self.url}{path}", timeout=60, **content)
        reply.raise_for_status()
        return reply

    def _receive(self, deadline: float) -> None:
        """Take one message off the socket and note it down with its run."""
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            message = self._socket.recv()
        except websocket.WebSocketTimeoutException:
            raise TimeoutError("ComfyUI did not finish the prompt in time") from None
        if isinstance(message, bytes):
            self._hear(message)
            return
        event = json.loads(message)
        data = event["data"]
        run = self._runs.get(data.get("prompt_id"))
        if run is None:
            return
        match event["type"]:
            case "execution_cached":
                run.cached = list(data["nodes"])
            case "executing" if data["node"] is None:
                # Sent last, when the outputs are in the history.
                run._ended = True
            case "executing" if data["node"] not in run.executed:
                run.executed.append(data["node"])
            case "progress":
                run.progress.append((data["node"], data["value"], data["max"]))
            case "executed":
                run.outputs[data["node"]] = data["output"] or {}
            case "execution_error":
                run._error = NodeFailed(run, data)
            case "execution_interrupted":
                run._error = Interrupted(run)

    def _hear(self, message: bytes) -> None:
        """Note down what a node says. The message does not tell its prompt: it is of those that have not ended."""
        event, length = (int.from_bytes(message[at : at + 4], "big") for at in (0, 4))
        if event == TEXT_EVENT:
            for run in self._runs.values():
                if not run._ended:
                    run.texts.append(message[8 + length :].decode("utf-8", "replace"))
