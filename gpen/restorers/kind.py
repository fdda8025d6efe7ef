"""A row of the table of restorers: all that tells one kind from the others, and what one is opened with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..faces.alignment import FFHQ_ALIGNMENT, Alignment
from .protocol import Restorer
from .settings import RestorerSettings


@dataclass(frozen=True)
class Wanted:
    """How a restorer is to be opened."""

    precision: str = "auto"
    """One of `PRECISIONS`."""
    memory: str = "auto"
    """One of `gpen.MEMORY`."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where it will run."""
    best: torch.dtype | None = None
    """What "auto" stands for there; see `choose_precision`."""
    settings: RestorerSettings = field(default_factory=RestorerSettings)


def plainly(descriptor: Any, x: Tensor, settings: RestorerSettings) -> Tensor:
    """Run a network of spandrel's as spandrel says, picture by picture: (B, 3, S, S) in 0..1, in and out."""
    return torch.cat([descriptor(one[None]) for one in x])


@dataclass(frozen=True)
class RestorerKind:
    """One kind of restorer. The fields after `options` are for networks that spandrel builds."""

    name: str
    """As shown to people."""
    terms: str
    """The terms of use of its released weights, as far as they are known."""
    open: Callable[["RestorerKind", Path, Wanted], Restorer] | None = None
    """(its row, its file, how) → the restorer, its weights on the CPU. None for GPEN, which `by_name` opens itself."""
    marks: tuple[str, ...] = ()
    """Parts of tensors' names that together only its files have."""
    suffix: str = ""
    """What its files end in, where that tells more than tensors do."""
    alignment: Alignment = FFHQ_ALIGNMENT
    size: int = 512
    """Side of the crops it restores, in pixels."""
    options: tuple[str, ...] = ()
    """Names of the `RestorerSettings` that it has."""
    architecture: str = ""
    """What spandrel calls it, where that is not its name."""
    package: str = "spandrel"
    """Which package builds or runs it; empty where this one does."""
    run: Callable[[Any, Tensor, RestorerSettings], Tensor] = plainly
    """(spandrel's descriptor, crops (B, 3, s, s) in 0..1, options) → (B, 3, S, S) in 0..1, not clamped."""
    bytes_of_one: int = 1 << 30
    """The most bytes of activations of one crop in float32 that are alive at one time, as measured."""
