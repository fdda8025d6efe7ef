"""What all networks of PyTorch have in common: a device, room on it, and a check of what they give."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Self

from ..errors import CheckpointError, SettingError
from ..model.tasks import TASKS

MOST_AT_ONCE = 8
ABSURD = 1e6
"""What no network gives whose weights are whole: pictures are about -1..1, and random weights make less than 10."""


class TorchNetwork:
    """A network with its name.

    Args:
        network: in eval mode, its weights loaded.
        name: as shown to people.
        dtype: of the activations.
    """

    network: Any

    def __init__(self, network: nn.Module, name: str, dtype: torch.dtype):
        self.network = network
        self.name = name
        self.dtype = dtype

    @property
    def bits(self) -> str:
        """What it computes in, as shown to people."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return next(self.network.parameters()).device

    def make_ready(self, activation_bytes: int) -> None:
        """Runs before every batch: a place to bring the weights to the device, with so much room beside them.

        Room that is still missing afterwards cannot be made.
        """

    def free_bytes(self) -> float:
        """What the device has left for activations, now or when it is asked for; infinite where nobody can tell."""
        if self.device.type != "cuda":
            return math.inf
        cached = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return torch.cuda.mem_get_info(self.device)[0] + cached

    def _weight_bytes(self) -> int:
        return sum(weight.numel() * weight.element_size() for weight in self.network.parameters())


class TorchModel(TorchNetwork):
    """A network that restores crops of faces.

    Args:
        network, name, dtype: as in `TorchNetwork`.
        task: what it is for, by its name in `TASKS`.
    """

    size: Any
    """Side of the crops it restores, in pixels."""

    def __init__(self, network: nn.Module, name: str, task: str, dtype: torch.dtype):
        super().__init__(network, name, dtype)
        self.task = TASKS[task]

    def __repr__(self) -> str:
        return f"<{self.name}: {self.task.name} of faces of {self.size} px, {self.bits} on {self.device}>"

    def for_parts(self) -> Self:
        """The same model, sharing its weights, for tiles of pictures that `task.finish` finishes as a whole."""
        model = copy.copy(self)
        model.task = self.task.unfinished()
        return model

    def _at_once(self, bytes_of_one: int) -> int:
        # The crops of a batch wait on the CPU; half of the room is left to everything else on the device.
        return int(max(1, min(MOST_AT_ONCE, self.free_bytes() / 2 / bytes_of_one)))

    def _finite(self, output: Tensor) -> Tensor:
        """What the network gave. Raises `CheckpointError` where that is no picture."""
        return finite(output, self.name, self.dtype)


def finite(output: Tensor, name: str, dtype: torch.dtype, of: str = "a face") -> Tensor:
    """What a network gave. Raises `CheckpointError` where that is no picture."""
    # Before anything is clamped, which would make black and white of any number. NaN is not below, either.
    if output.abs().amax() < ABSURD:
        return output
    bits = str(dtype).removeprefix("torch.")
    advice = "" if dtype == torch.float32 else f"it ran in {bits}: load it with precision fp32; if it stays, "
    raise CheckpointError(
        f"{name} made NaN or infinite values of {of}, or near those; {advice}the file is damaged or no "
        "finished training: fetch it again"
    )


def usable(device: str | torch.device | None) -> torch.device:
    """A device by its name; None: the first GPU, or the CPU where there is none.

    Raises `SettingError` where it is not there.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(device)
        torch.empty(0, device=device)
    except (
        RuntimeError,
        AssertionError,
        ImportError,
    ) as error:  # the others where this PyTorch was built without that device
        raise SettingError(
            f"the device {str(device)!r} cannot be used here: {error}; choose another, or cpu"
        ) from error
    return device
