"""A checkpoint → the same network with fewer channels, in the official layout.

Like every checkpoint it tells its channels by its shapes, so that nothing that reads it has to know it was pruned.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import torch
from torch import Tensor

from ..errors import SettingError
from ..model.checkpoint import Checkpoint
from ..model.layout import from_official, to_official
from ..model.precision import Precision
from ..model.tasks import TASKS
from ..progress import Progress
from ..restorers.gpen import build_network
from .channels import maps, select
from .compensate import compensate
from .importance import choose_channels
from .statistics import collect_statistics
from .synthetic_faces import synthetic_faces
from .unused_channels import used_channels

PRUNING = ("none", "exact", "10%", "25%", "50%")
"""What the nodes offer. The library takes any share, as "30%" or 0.3."""

FACES = 8
"""Drawn to choose channels by. For a share of 10 % six to twelve did alike on portraits, three 3 dB worse."""


def prune(
    checkpoint: Checkpoint,
    pruning: str | float = "exact",
    task: str = "restoration",
    on_progress: Progress | None = None,
) -> Checkpoint:
    """Drop channels.

    Args:
        checkpoint: of any size, pruned before or not.
        pruning: "none"; "exact": what cannot change the picture; or a share: also those channels of every layer that
            change it least, "25%" or 0.25. For a share the network runs over `FACES` synthetic faces, on the CPU.
        task: as in `GPENModel`: which kind of pictures the network knows.
        on_progress: called while a share is chosen. Steps are small, for a cancel to take effect at once: a map of
            one of the faces, and then a map whose channels are compared.

    The metadata then says so in `pruned`, after what it said before. Raises `SettingError` for another `pruning`.
    """
    share = share_of(pruning)
    if share is None:
        return checkpoint
    config, weights = checkpoint.config, from_official(checkpoint.config, checkpoint.tensors)
    kept = used_channels(config, weights)
    if share > 0:
        network = build_network(checkpoint, Precision(torch.float32))
        # To compare the channels of all maps takes about as long as a face or two.
        step = _counted(on_progress, (FACES + 1) * len(maps(config)))
        known = TASKS[task]
        pictures = known.prepare(synthetic_faces(FACES, config.input_size, 0), None) * known.span + known.black
        statistics = collect_statistics(network, pictures.movedim(3, 1), step)
        kept = choose_channels(config, weights, statistics, kept, share, step)
        weights = compensate(config, weights, statistics, kept)
    smaller, weights = select(config, weights, kept)
    if share == 0 and smaller == config:
        return checkpoint
    official = to_official(smaller, weights)
    tensors = {name: _stored(tensor, checkpoint.tensors[name].dtype, share == 0) for name, tensor in official.items()}
    said = [*filter(None, [checkpoint.metadata.get("pruned")]), f"{share:.4g}" if share else "exact"]
    return replace(
        checkpoint, tensors=tensors, config=smaller, metadata={**checkpoint.metadata, "pruned": ", ".join(said)}
    )


def share_of(pruning: str | float) -> float | None:
    """ "none" → None, "exact" → 0, a share → above 0 and below 1. Raises `SettingError` for anything else."""
    if isinstance(pruning, str) and pruning in ("none", "exact"):
        return None if pruning == "none" else 0.0
    try:
        share = float(pruning[:-1]) / 100 if isinstance(pruning, str) and pruning.endswith("%") else float(pruning)
    except (TypeError, ValueError):
        share = 0.0
    if not 0 < share < 1:
        raise SettingError(
            f"unknown pruning {pruning!r}; choose none, exact, or a share between 0 and 1 such as 0.25 or 25%"
        )
    return share


def parameters(checkpoint: Checkpoint) -> int:
    """How many numbers a checkpoint holds."""
    return sum(tensor.numel() for tensor in checkpoint.tensors.values())


def _counted(on_progress: Progress | None, total: int) -> Callable[[], None]:
    """What is called after each of `total` steps."""
    done = count(1)
    return lambda: on_progress(next(done), total) if on_progress else None


def _stored(tensor: Tensor, dtype: torch.dtype, exact: bool) -> Tensor:
    """As its checkpoint stored it, unless that would change what must not change.

    Fewer inputs change a layer's equalised scale, and with it all of its numbers, which half precision would round.
    """
    stored = tensor.to(dtype)
    if exact and not torch.allclose(stored.float(), tensor, rtol=1e-6, atol=0):
        return tensor
    return stored if stored.isfinite().all() else tensor
