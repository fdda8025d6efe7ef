"""From a checkpoint's file to a smaller one, and what that costs."""

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import SettingError
from ..model.checkpoint import Checkpoint, check_target, read_checkpoint, write_checkpoint
from ..progress import Progress
from ..restorers.gpen import GPENModel, load_network
from ..weights.catalogue import released, task_of
from .channels import maps
from .prune import parameters, prune, share_of
from .synthetic_faces import synthetic_faces

SAMPLES = 4
"""Synthetic faces that the cost is told by where no others are given; not those that channels are chosen by."""


@dataclass(frozen=True)
class Pruned:
    """What became of a file; as text, a few lines for people."""

    target: Path
    channels: tuple[int, int]
    """Before and after, as the other two."""
    parameters: tuple[int, int]
    bytes: tuple[int, int]
    psnr: float
    """dB between what both networks make of the samples, the mean; infinite where nothing differs."""
    samples: str
    """What they were."""

    def __str__(self) -> str:
        rows = [("channels", *self.channels), ("parameters", *self.parameters), ("bytes", *self.bytes)]
        lines = [f"{name:<12}{before:>14,} → {after:>14,}  ({after / before:.0%})" for name, before, after in rows]
        cost = f"PSNR {self.psnr:.1f} dB" if math.isfinite(self.psnr) else "nothing changed"
        return "\n".join([str(self.target), *lines, f"{cost} against the network as it was, on {self.samples}"])


def prune_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    pruning: str | float = "exact",
    crops: Callable[[int], Iterable[Tensor]] | None = None,
    on_progress: Progress | None = None,
) -> Pruned:
    """Write a pruned copy of a checkpoint as `.safetensors`.

    Args:
        source: a checkpoint that `read_checkpoint` reads.
        target: the new file; one that exists is replaced once the new one is complete.
        pruning: "exact" or a share, as in `prune`.
        crops: side S → aligned faces (S, S, 3) in 0..1 to tell the cost by; synthetic ones where there are none. They
            choose nothing.
        on_progress: as in `prune`.

    Raises `SettingError` for a wrong target or share and where `crops` gives no face, and what `read_checkpoint` and
    `write_checkpoint` raise.
    """
    source, target = Path(source), Path(target)
    check_target(source, target)
    if share_of(pruning) is None:
        raise SettingError("there is nothing to prune; choose exact or a share")
    whole = read_checkpoint(source)
    task = task_of(source, whole.metadata)
    small = prune(whole, pruning, task, on_progress)
    before, after = (load_network(checkpoint, source.stem, task, "fp32") for checkpoint in (whole, small))
    psnr, samples = _cost(before, after, crops)
    release = released(source.name)
    about = {"name": source.stem, "source": source.name}
    about |= {"license": release.terms} if release else {}
    about |= {**small.metadata, "task": task, "pruned_from": small.metadata.get("pruned_from", source.name)}
    about.setdefault("pruned", "exact")
    write_checkpoint(target, small.tensors, about)
    return Pruned(
        target,
        (_channels(whole), _channels(small)),
        (parameters(whole), parameters(small)),
        (source.stat().st_size, target.stat().st_size),
        psnr,
        samples,
    )


def _channels(checkpoint: Checkpoint) -> int:
    return sum(maps(checkpoint.config).values())


def _cost(whole: GPENModel, small: GPENModel, crops: Callable[[int], Iterable[Tensor]] | None) -> tuple[float, str]:
    """The mean PSNR between what both make of faces, and which these are."""
    faces = synthetic_faces(SAMPLES, whole.size, 1) if crops is None else crops(whole.size)
    values = [_psnr(whole.restore(face[None]), small.restore(face[None])) for face in faces]
    if not values:
        raise SettingError("no face was found in the pictures that should tell the cost; give others")
    told = "synthetic faces; --faces tells it on photographs" if crops is None else "faces of the pictures given"
    return sum(values) / len(values), f"{len(values)} {told}"


def _psnr(a: Tensor, b: Tensor) -> float:
    """dB between two pictures in 0..1."""
    return (-10 * torch.log10((a.double() - b.double()).square().mean())).item()
