"""Networks whose output is known."""

from pathlib import Path

import torch
from torch import Tensor

from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from gpen.model.network import GPEN
from gpen.restorers.gpen import GPENModel


class Painter(GPENModel):
    """Gives back one colour whatever it sees, and remembers what it saw as (B, 3, S, S)."""

    def __init__(self, task: str, colour: tuple[float, float, float] = (0.8, 0.4, 0.2)):
        super().__init__(GPEN(GPENConfig.released(64, 1, 1 / 16, 32, 2)).eval(), "painter", task, torch.float32)
        self.colour, self.seen = torch.tensor(colour), torch.zeros(0)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x
        return (self.colour * 2 - 1)[None, :, None, None].expand_as(x)


class Negative(GPENModel):
    """Gives back the negative, and runs out of memory where a batch is larger than `room`."""

    def __init__(self, room: int = 100, error: Exception | None = None, task: str = "restoration"):
        network = GPEN(GPENConfig.released(64, 1, 1 / 16, 32, 2)).eval()
        for weight in network.state_dict().values():
            weight.zero_()  # it is not used, but tells one network from another
        super().__init__(network, "negative", task, torch.float32)
        self.room, self.error, self.runs = room, error or torch.cuda.OutOfMemoryError("CUDA out of memory"), []

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.runs.append((len(x), self.memory))
        if len(x) > self.room:
            raise self.error
        return 1 - x if self.task.name == "segmentation" else -x


def write_small(path: Path) -> Path:
    """Write a network of 64×64 pixels and random numbers, always the same. What it is for follows from its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    shapes = GPENConfig.released(64, 1, 1 / 16, 32, 2).official_shapes()
    write_checkpoint(path, {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()})
    return path


def random_checkpoint(config: GPENConfig, seed: int = 0) -> dict[str, Tensor]:
    """Official tensors as training starts from, but with biases and feature weights that are not zero."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for name, shape in config.official_shapes().items():
        tensor = torch.randn(shape, generator=generator)
        if name.endswith("modulation.bias"):
            tensor = torch.ones(shape)
        elif name.startswith("generator.style"):
            tensor = tensor * 100  # undone by the learning rate multiplier 0.01
        elif name.endswith("bias"):
            tensor = tensor * 0.1
        elif name.endswith("noise.weight"):
            tensor = tensor.abs() * 0.3
        tensors[name] = tensor
    return tensors
