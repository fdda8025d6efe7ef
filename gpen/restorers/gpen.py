"""A network that is ready to restore faces, and how it comes from a checkpoint."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import Self

from ..errors import SettingError
from ..faces.alignment import GPEN_ALIGNMENT
from ..model import ops as casting_ops
from ..model.checkpoint import Checkpoint
from ..model.choices import DETAIL, MEMORY
from ..model.layout import converted
from ..model.memory import activation_bytes
from ..model.network import GPEN
from ..model.precision import Precision, StoredIn8Bits, choose_precision, in_8_bits
from ..model.strips import run_in_strips
from ..model.tasks import is_inpainted
from .settings import RestorerSettings
from .torch_model import TorchModel, usable


class GPENModel(TorchModel):
    """A GPEN network with its name and its task. Calling it runs the bare network.

    Args:
        network: in eval mode, its weights loaded.
        name: as shown to people.
        task: what it is for, by its name in `TASKS`.
        dtype: of the activations.
        memory: one of `MEMORY`; "auto" is "low" where "normal" does not fit into the free memory of the device.
    """

    network: GPEN
    alignment = GPEN_ALIGNMENT
    settings = RestorerSettings()
    """It has none of these options."""

    def __init__(self, network: GPEN, name: str, task: str, dtype: torch.dtype, memory: str = "auto"):
        if memory not in MEMORY:
            raise SettingError.unknown("memory", memory, MEMORY)
        super().__init__(network, name, task, dtype)
        self.memory = memory
        self.detail = "full"

    @property
    def size(self) -> int:
        """Side of the crops it restores, in pixels."""
        return self.network.config.size

    def __call__(self, x: Tensor) -> Tensor:
        """(B, 3, input_size, input_size) in -1..1 → (B, 3, size, size) float32, about -1..1 and not clamped.

        With less detail than "full" the picture that comes out has half or a quarter of the side.
        """
        memory = self._make_ready_for(len(x))
        with torch.inference_mode():
            return run_in_strips(self.network, x.to(self.device, self.dtype), memory, self.detail)

    def in_low_memory(self) -> Self | None:
        """The same model, sharing its weights, run in strips whatever the free memory; None where it already is."""
        if self.memory == "low":
            return None
        model = copy.copy(self)
        model.memory = "low"
        return model

    def at_detail(self, detail: str) -> Self:
        """The same model, sharing its weights, for a quick look: "half" and "quarter" take a part of time and memory.

        Raises `SettingError` for what is not in `DETAIL`.
        """
        if detail not in DETAIL:
            raise SettingError.unknown("detail", detail, DETAIL)
        model = copy.copy(self)
        model.detail = detail
        return model

    def pictures_at_once(self) -> int:
        """How many crops are best run as one batch: a GPU is busy with a few, a CPU with one."""
        if self.device.type == "cpu":
            return 1
        # Others' weights are sent away for the sake of one picture, and not for a larger batch.
        return self._at_once(self.activation_bytes(1, self._make_ready_for(1)))

    def bytes_needed(self) -> int:
        """The bytes of a card that it takes with one face at work."""
        return self._weight_bytes() + self.activation_bytes(1, "low" if self.memory == "low" else "normal")

    def activation_bytes(self, pictures: int, memory: str) -> int:
        """The most bytes of activations that are alive at one time; see `memory.activation_bytes`."""
        in_8_bits = isinstance(self.network.to_latent, StoredIn8Bits)
        return activation_bytes(
            self.network.config, pictures, self.dtype, memory, self.device.type, self.detail, in_8_bits
        )

    def _make_ready_for(self, pictures: int) -> str:
        """Make room for a batch → "normal" or "low": how it is to be run in the room there is then."""
        if self.memory == "auto":
            normal = self.activation_bytes(pictures, "normal")
            self.make_ready(normal)
            if normal < self.free_bytes():
                return "normal"
        memory = "low" if self.memory == "auto" else self.memory
        # Once more where "normal" was too much: more of the weights may stay on the device beside "low".
        self.make_ready(self.activation_bytes(pictures, memory))
        return memory

    def restore(self, crops: Tensor) -> Tensor:
        """Aligned faces (B, S, S, 3) in 0..1 → the same faces restored, in 0..1, on the CPU.

        A fourth channel is an inpaint mask. Raises `SettingError` where less detail than "full" is
        asked for, and the network has nothing to show by then, `CheckpointError` where it gives NaN or infinity, or
        values near that.
        """
        task = self.task
        crops, mask = crops[..., :3], is_inpainted(crops[..., 3:]).float() if crops.shape[3] == 4 else None
        x = task.prepare(crops, mask).movedim(3, 1)
        if (side := self.network.config.input_size) != self.size:
            x = F.interpolate(x, (side, side), mode="area")
        restored = (self._finite(self(x * task.span + task.black).cpu()) - task.black) / task.span
        if restored.shape[3] != self.size:
            # How much of the picture an octave adds is the training's choice; some networks add all of it in the last.
            if restored.std((2, 3)).mean() < crops.std((1, 2)).mean() / 4:
                raise SettingError(
                    f"{self.name} has not drawn anything by detail {self.detail!r}: it makes its picture in its last "
                    "step. Choose detail full; with memory low it takes little, too"
                )
            # Like any other result, in the crop's own pixels.
            restored = F.interpolate(restored, (self.size, self.size), mode="bicubic")
        return task.finish(crops, restored.clamp(0, 1).movedim(1, 3), mask)


def build_network(checkpoint: Checkpoint, precision: Precision, ops: Any = casting_ops) -> GPEN:
    """A checkpoint → its network on the CPU, weights stored in that precision, layers from `ops`."""
    with torch.device("meta"):  # memory only for the weights that are loaded, once
        network = GPEN(checkpoint.config, ops, in_8_bits(ops) if precision.in_8_bits else ops)
    network.requires_grad_(False)  # integers could not have gradients
    state: dict[str, Tensor] = {}
    for name, tensor in converted(checkpoint.config, checkpoint.tensors):
        path, _, leaf = name.rpartition(".")
        layer = network.get_submodule(path)
        if leaf == "weight" and isinstance(layer, StoredIn8Bits):
            state.update({f"{path}.{part}": value for part, value in layer.stored(tensor).items()})
        else:
            # Squares of weights are outside the range of fp16 where the weights are large or small.
            squares = precision.dtype == torch.float16 and path.endswith("energy")
            state[name] = tensor.to(torch.bfloat16 if squares else precision.dtype)
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval()


def load_network(
    checkpoint: Checkpoint,
    name: str,
    task: str,
    precision: str = "auto",
    memory: str = "auto",
    device: str | torch.device | None = "cpu",
) -> GPENModel:
    """A checkpoint → a model on a device.

    Args:
        checkpoint: as read from a file.
        name: as shown to people.
        task: what it is for, as in `GPENModel`.
        precision: one of `PRECISIONS`; see `choose_precision`.
        memory: as in `GPENModel`.
        device: where it stays; see `usable`.

    Raises `SettingError` for an unknown precision or memory, and for a device that is not there.
    """
    device = usable(device)
    chosen = choose_precision(precision, device)
    return GPENModel(build_network(checkpoint, chosen).to(device), name, task, chosen.dtype, memory)
