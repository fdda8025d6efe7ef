"""Many crops through the network: in batches as large as memory allows, each cut out only when its batch is on."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from ..errors import OutOfMemory, unless_out_of_memory
from ..restorers.protocol import Restorer


def restore_in_batches(
    model: Restorer, cuts: Sequence[Callable[[], Tensor]], batch: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Restore what each of `cuts` cuts out, one after the other: (crop, restored), both (S, S, 3) in 0..1.

    A crop may have a fourth channel, its inpaint mask; see `Restorer.restore`.
    `batch` is how many go through the network at once, by default what suits the device. Where memory runs out it is
    halved, and one crop that does not fit is run in low memory. Raises `OutOfMemory` where even that does not fit.
    """
    batch = batch or model.pictures_at_once()
    done = 0
    while done < len(cuts):
        crops = [cut() for cut in cuts[done : done + batch]]
        restored = unless_out_of_memory(partial(_restored, model, crops))
        if restored is not None:
            done += len(crops)
            yield from zip((crop[..., :3] for crop in crops), restored, strict=True)
        elif len(crops) > 1:
            batch = len(crops) // 2
        elif (smaller := model.in_low_memory()) is not None:
            model = smaller
        else:
            raise OutOfMemory(
                f"not enough memory for one face at {model.size}×{model.size}; "
                "close other programs, choose a lower precision or a smaller model"
            )


def _restored(model: Restorer, crops: list[Tensor]) -> list[Tensor]:
    return list(model.restore(torch.stack(crops)))
