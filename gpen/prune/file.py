"""From a checkpoint's file to a smaller one, and what that costs."""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..by_name import find_detector
from ..errors import SettingError
from ..faces.detect import find_faces
from ..model.checkpoint import Checkpoint, check_target, read_checkpoint, write_checkpoint
from ..restore.faces import restore_faces
from ..restorers.gpen import GPENModel, load_network
from ..weights.catalogue import released, task_of
from .channels import maps
from .prune import Steps, parameters, prune, share_of
from .synthetic_faces import drawn_faces

DRAWN = 4
"""Faces that the cost is told by where no pictures are given; others than those that channels are chosen by."""


@dataclass(frozen=True)
class Shrunk:
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


def shrink(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    pruning: str | float = "exact",
    pictures: Iterable[Tensor] | None = None,
    on_step: Steps | None = None,
) -> Shrunk:
    """Write a pruned copy of a checkpoint as `.safetensors`.

    Args:
        source: a checkpoint that `read_checkpoint` reads.
        target: the new file; one that exists is replaced once the new one is complete.
        pruning: "exact" or a share, as in `prune`.
        pictures: (B, H, W, C) in 0..1, with faces to tell the cost by; drawn ones where there are none. They choose
            nothing.
        on_step: as in `prune`.

    Raises `SettingError` for a wrong target or share and for pictures without a face, and what `read_checkpoint` and
    `write_checkpoint` raise.
    """
    source, target = Path(source), Path(target)
    check_target(source, target)
    if share_of(pruning) is None:
        raise SettingError("there is nothing to prune; choose exact or a share")
    whole = read_checkpoint(source)
    task = task_of(source, whole.metadata)
    small = prune(whole, pruning, task, on_step)
    before, after = (load_network(checkpoint, source.stem, task, "fp32") for checkpoint in (whole, small))
    psnr, samples = _cost(before, after, pictures)
    release = released(source.name)
    about = {"name": source.stem, "source": source.name}
    about |= {"license": release.terms} if release else {}
    about |= {**small.metadata, "task": task, "pruned_from": small.metadata.get("pruned_from", source.name)}
    about.setdefault("pruned", "exact")
    write_checkpoint(target, small.tensors, about)
    return Shrunk(
        target,
        (_channels(whole), _channels(small)),
        (parameters(whole), parameters(small)),
        (source.stat().st_size, target.stat().st_size),
        psnr,
        samples,
    )


def _channels(checkpoint: Checkpoint) -> int:
    return sum(maps(checkpoint.config).values())


def _cost(whole: GPENModel, small: GPENModel, pictures: Iterable[Tensor] | None) -> tuple[float, str]:
    """The mean PSNR between the crops that both restore, and what these are."""
    if pictures is None:
        faces = drawn_faces(DRAWN, whole.network.config.input_size, 1, whole.task)
        crops = (faces if whole.task == "segmentation" else (faces + 1) / 2).movedim(1, 3)
        values = [_psnr(whole.restore(crop[None]), small.restore(crop[None])) for crop in crops]
        return sum(values) / DRAWN, f"{DRAWN} drawn faces; --faces tells it on photographs"
    detector, values = find_detector(), []
    for picture in pictures:
        faces = find_faces(picture, detector)
        both = zip(restore_faces(whole, picture, faces), restore_faces(small, picture, faces), strict=True)
        values += [_psnr(a.restored, b.restored) for a, b in both if a.restored is not None and b.restored is not None]
    if not values:
        raise SettingError("no face was found in the pictures that should tell the cost; give others")
    return sum(values) / len(values), f"{len(values)} faces of the pictures given"


def _psnr(a: Tensor, b: Tensor) -> float:
    """dB between two pictures in 0..1."""
    return (-10 * torch.log10((a.double() - b.double()).square().mean())).item()
