"""Write a run's averaged weights as a checkpoint that any GPEN loader reads: `python -m training.export`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from gpen.model.checkpoint import write_checkpoint
from gpen.model.layout import to_official

from .data import CACHE
from .train import CONFIG

WEIGHTS = Path(__file__).parents[1] / "gpen/weights/gpen-preview-256.safetensors"
METADATA = {
    "name": "preview",
    "task": "restoration",
    "source": "536 official portraits of members of the 117th United States Congress, works of the United States "
    "government, collected by the us-senate and us-house projects of CivilServiceUSA",
    "license": "MIT",
    "description": "A small GPEN that restores faces at 256x256, trained from scratch for this project. "
    "Try the nodes with it at once; the released GPEN checkpoints restore better.",
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=CACHE / "run", help="folder of the training run")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    settings = parser.parse_args(arguments)

    state = torch.load(settings.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    official = {name: tensor.half() for name, tensor in to_official(CONFIG, state["average"]).items()}
    largest = max(float(tensor.abs().max()) for tensor in official.values())
    write_checkpoint(settings.output, official, METADATA | {"steps": str(state["step"])})
    megabytes = settings.output.stat().st_size / 1e6
    print(f"{settings.output}: step {state['step']}, {megabytes:.2f} MB, largest weight {largest:.1f}")


if __name__ == "__main__":
    main()
