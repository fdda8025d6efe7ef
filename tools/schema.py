"""What a release promises to people's workflows: `python -m tools.schema` writes every node's inputs and outputs, as a
real ComfyUI tells them, to tests/workflows/v<version>/schema.json."""

import json
import tempfile
from pathlib import Path
from typing import Any

from gpen.version import __version__

from .client import Client
from .comfyui import ROOT, Server
from .workflow import inputs_of

FILE = ROOT / "tests" / "workflows" / f"v{__version__}" / "schema.json"
KEPT = ("default", "min", "max")


def promise(info: dict[str, Any]) -> dict[str, Any]:
    """A node's inputs in their order, with what a stored workflow depends on, and its outputs.

    Files are no promise: which there are differs from disk to disk.
    """
    inputs: dict[str, Any] = {}
    for name, (kind, *rest) in inputs_of(info).items():
        told = rest[0] if rest else {}
        inputs[name] = {"type": kind, **{fact: told[fact] for fact in KEPT if fact in told}}
        if "options" in told and name != "file":
            inputs[name]["choices"] = told["options"]
    return {"inputs": inputs, "outputs": info["output"]}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server, Client(server.url) as client:
        ours = {name: promise(info) for name, info in client.object_info().items() if name.startswith("GPEN")}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(ours, indent=1) + "\n", encoding="utf-8")
    print(f"{FILE.relative_to(ROOT)}: {len(ours)} nodes")


if __name__ == "__main__":
    main()
