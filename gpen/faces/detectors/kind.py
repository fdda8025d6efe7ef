"""What every detector is to the rest: pictures in, faces out, and a row that says how it differs from its like."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ...errors import DetectorError
from ..face import Face

if TYPE_CHECKING:
    import torch
    from torch import nn

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB in 0..255"""
Pictures = npt.NDArray[np.uint8]
"""(B, H, W, 3) RGB in 0..255"""

Place: TypeAlias = "Callable[[nn.Module], torch.device]"
"""Puts a network where it is to run and says which device that is."""


def on_cpu(network: "nn.Module") -> "torch.device":
    """The `Place` of someone who has said nothing about devices."""
    import torch

    network.to("cpu")
    return torch.device("cpu")


@dataclass(frozen=True)
class DetectorKind:
    """All that tells a detector from its like; one row of the table `DETECTORS`."""

    name: str
    threshold: float
    """How sure it should be of a face where nobody says otherwise, 0..1."""
    open: Callable[["DetectorKind", Path | None, Place], "Detector"] | None = None
    """Makes it ready to run: from its row, its file of weights, and where a torch network runs."""
    file: str | None = None
    """The name of its weights in the catalogue; None where they come with its package."""
    largest_face: float = math.inf
    """In pixels of what it looks at: of larger faces it sees parts, or nothing, and they are looked for in a smaller
    copy of the picture."""
    second_looks: int = 0
    """How often it looks again, inside the aligned crop of a face and the mirror image of it, where its landmarks have
    not settled before; 0 where they are no better for it."""
    confirmed_below: float = 0.0
    """What it is less sure of is a face only if the second look sees one, too."""

    def needed(self, weights: Path | None) -> Path:
        """The file of weights. Raises `DetectorError` where there is none."""
        if weights is None:
            raise DetectorError(
                f"the detector {self.name!r} needs its file of weights, {self.file}, and none was given"
            )
        return weights


class Detector(Protocol):
    """Finds the faces of pictures."""

    @property
    def kind(self) -> DetectorKind:
        """Its row."""
        ...

    @property
    def at_once(self) -> int:
        """How many pictures of a batch are best looked at together."""
        ...

    def __call__(self, pictures: Pictures, threshold: float) -> list[list[Face]]:
        """The faces of each picture with a score of at least `threshold`, in its pixels."""
        ...
