"""Networks that spandrel builds, which every ComfyUI brings along; here it is imported when one is opened.

Spandrel reads the file's tensors, not the file: that is read as GPEN's are, without running what a pickle says.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import Self

from ..errors import CheckpointError, SettingError, is_out_of_memory
from ..model.checkpoint import read_tensors
from ..model.choices import PRECISIONS
from ..model.precision import DTYPES
from .kind import RestorerKind, Wanted
from .protocol import check_settings, not_in_strips, only_full_detail
from .settings import RestorerSettings
from .torch_model import TorchModel

TRAINING = "vqvae."
"""What the names of RestoreFormer's tensors begin with where a file holds its training as well."""


class SpandrelModel(TorchModel):
    """A network that spandrel built, as a restorer of faces.

    Args:
        descriptor: spandrel's, its network in eval mode and in `dtype`.
        kind: its row in the table.
        name: as shown to people.
        dtype: what it computes in.
        settings: its options.
    """

    def __init__(self, descriptor: Any, kind: RestorerKind, name: str, dtype: torch.dtype, settings: RestorerSettings):
        super().__init__(descriptor.model, name, "restoration", dtype)
        self.descriptor = descriptor
        self.kind = kind
        self.settings = settings
        self.alignment = kind.alignment

    @property
    def size(self) -> int:
        """Side of the crops it restores, in pixels."""
        return self.kind.size

    def in_low_memory(self) -> Self | None:
        """None: it is run whole, and in nothing less."""
        return None

    def at_detail(self, detail: str) -> Self:
        """Itself. Raises `SettingError` for less detail than "full", which it cannot give."""
        only_full_detail(self.name, detail)
        return self

    def pictures_at_once(self) -> int:
        """How many crops are best run as one batch: a GPU is busy with a few, a CPU with one."""
        if self.device.type == "cpu":
            return 1
        self.make_ready(self.activation_bytes(1))
        return self._at_once(self.activation_bytes(1))

    def activation_bytes(self, pictures: int) -> int:
        """The most bytes of activations that are alive at one time, after what one crop was measured to take."""
        return self.kind.bytes_of_one * pictures * self.dtype.itemsize // 4

    def bytes_needed(self) -> int:
        """The bytes of a card that it takes with one face at work."""
        return self._weight_bytes() + self.activation_bytes(1)

    def restore(self, crops: Tensor) -> Tensor:
        """Aligned faces (B, S, S, 3) in 0..1 → the same faces restored, in 0..1, on the CPU; see `Restorer`.

        Raises `CheckpointError` where it gives no picture, or one of another size.
        """
        # Colours outermost, as these networks were written for; some take a view of it that knows no other order.
        x = crops.movedim(3, 1).contiguous()
        if (side := self.size // self.descriptor.scale) != self.size:
            x = F.interpolate(x, (side, side), mode="area")
        self.make_ready(self.activation_bytes(len(x)))
        with torch.inference_mode():
            y = self.kind.run(self.descriptor, x.to(self.device, self.dtype), self.settings).float().cpu()
        if y.shape[1:] != (3, self.size, self.size):
            raise CheckpointError(
                f"{self.name} made {y.shape[3]}×{y.shape[2]} pixels of a face of {self.size}×{self.size}: it is no "
                f"{self.kind.name} network for faces of that size. Choose another file"
            )
        return self.task.finish(crops, self._finite(y).clamp(0, 1).movedim(1, 3), None)


def open_spandrel(kind: RestorerKind, path: Path, wanted: Wanted) -> SpandrelModel:
    """Open a restorer of one of the kinds that spandrel knows.

    Raises `CheckpointError` where the file does not hold that network, or what reads it is not installed, and
    `SettingError` for what it cannot do.
    """
    what = f"{path.stem} is a {kind.name} network, which"
    check_settings(what, wanted.settings, kind.options)
    not_in_strips(what, wanted.memory)
    check_precision(what, wanted, "another precision, or a GPEN network")
    descriptor = _described(kind, path, _without_training(read_tensors(path)[0]))
    dtype = ready(descriptor, what, wanted)
    return SpandrelModel(descriptor, kind, path.stem, dtype, wanted.settings)


def check_precision(what: str, wanted: Wanted, instead: str) -> None:
    """Raise `SettingError` for a precision that is none, or that no network has which spandrel builds."""
    if wanted.precision not in PRECISIONS:
        raise SettingError.unknown("precision", wanted.precision, PRECISIONS)
    if wanted.precision == "fp8":
        raise SettingError(f"{what} has no weights in 8 bits; choose {instead}")


def what_spandrel_sees(tensors: Mapping[str, Tensor]) -> str | None:
    """What a file's tensors are the network of, as far as spandrel knows and is there."""
    try:
        registry = import_module("spandrel").MAIN_REGISTRY
    except ImportError:
        return None
    found = (one.architecture for one in registry.architectures("detection") if one.detect(dict(tensors)))
    known = next(found, None)
    return known and f"a network of the architecture {known.name}, such as upscalers have"


def _without_training(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    own = {name.removeprefix(TRAINING): value for name, value in tensors.items() if name.startswith(TRAINING)}
    return own or dict(tensors)


def _described(kind: RestorerKind, path: Path, tensors: dict[str, Tensor]) -> Any:
    registry = registry_of(kind.package, f"{path} holds a {kind.name} network")
    wanted = kind.architecture or kind.name
    architecture = next(one.architecture for one in registry if one.architecture.id == wanted)
    return built(architecture.load, tensors, path, kind.name)


def registry_of(package: str, what: str) -> Any:
    """The architectures of spandrel, or of its extra package.

    Raises `CheckpointError` where it is not installed; `what` is what is to be built.
    """
    try:
        module = import_module(package)
    except ImportError as error:
        raise CheckpointError(
            f"{what}, which the package {package} builds, and that is not installed "
            f"here: pip install {package.replace('_', '-')}, or choose another file"
        ) from error
    return module.MAIN_REGISTRY if package == "spandrel" else module.EXTRA_REGISTRY


def built(load: Callable[[dict[str, Tensor]], Any], tensors: Mapping[str, Tensor], path: Path, name: str) -> Any:
    """Spandrel's descriptor of the network that tensors are, by an architecture's `load`; `name` is the architecture's.

    Raises `CheckpointError` where they do not fit it, and for a network that is not for pictures of three colours.
    """
    try:
        descriptor = load(dict(tensors))
    except Exception as error:  # whatever torch and spandrel raise for tensors that do not fit
        if is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path} looks like a {name} network, but not one that spandrel can build: {reason}. Choose another file"
        ) from error
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise CheckpointError(f"{path} holds a network that is not for pictures of three colours. Choose another file")
    return descriptor


def ready(descriptor: Any, what: str, wanted: Wanted) -> torch.dtype:
    """Get a network ready to run, on the CPU → what it computes in. Raises `SettingError` where that cannot be."""
    dtype = _dtype(descriptor, what, wanted)
    descriptor.model.eval().requires_grad_(False).to(dtype)
    return dtype


def _dtype(descriptor: Any, what: str, wanted: Wanted) -> torch.dtype:
    """What it computes in: half precision only where spandrel says that it can, and bf16 only where asked for."""
    able = {"fp32": True, "fp16": descriptor.supports_half, "bf16": descriptor.supports_bfloat16}
    if wanted.precision == "auto":
        best = wanted.best or (torch.float16 if wanted.device.type == "cuda" else torch.float32)
        return torch.float16 if best == torch.float16 and able["fp16"] else torch.float32
    if not able[wanted.precision]:
        choices = ", ".join(name for name, can in able.items() if can)
        raise SettingError(f"{what} cannot be run in {wanted.precision}; choose auto, {choices}")
    return DTYPES[wanted.precision]
