"""An upscaler: a network that spandrel builds and that enlarges any picture."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..model.checkpoint import read_tensors
from ..restorers.kind import Wanted
from ..restorers.through_spandrel import built, check_precision, ready, registry_of
from ..restorers.torch_model import TorchNetwork, finite

PROBE = 64
"""Side of the tile that memory is measured with, in pixels."""
PURPOSES = {
    "Restoration": "cleans pictures and leaves them as large as they are",
    "FaceSR": "restores faces",
    "Inpainting": "fills in holes",
}
"""What networks do that are no upscalers, by what spandrel calls it."""


class Upscaler(TorchNetwork):
    """A network that enlarges pictures.

    Args:
        descriptor: spandrel's, its network in eval mode and in `dtype`.
        name: as shown to people.
        dtype: what it computes in.
    """

    def __init__(self, descriptor: Any, name: str, dtype: torch.dtype):
        super().__init__(descriptor.model, name, dtype)
        self.descriptor = descriptor
        self._bytes_of_pixel = 0.0

    def __repr__(self) -> str:
        return f"<{self.name}: makes pictures {self.scale} times larger, {self.bits} on {self.device}>"

    @property
    def scale(self) -> int:
        """How many times wider and higher it makes a picture."""
        return int(self.descriptor.scale)

    @property
    def whole(self) -> bool:
        """Whether it cuts pictures into tiles itself, so that nobody else should."""
        return self.descriptor.tiling.name == "INTERNAL"

    def enlarge(self, picture: Tensor) -> Tensor:
        """A picture, or a part of one, in a single run: (3, H, W) in 0..1 → (3, sH, sW) float32 in 0..1, on the CPU.

        Raises `CheckpointError` where it gives no picture, or one of another size.
        """
        _, height, width = picture.shape
        with torch.inference_mode():
            x = picture[None].contiguous().to(self.device, self.dtype)
            y = self.descriptor(x)[0].float().cpu()
        expected = (3, height * self.scale, width * self.scale)
        if y.shape != expected:
            raise CheckpointError(
                f"{self.name} made {y.shape[2]}×{y.shape[1]} pixels of {width}×{height}, and should make them "
                f"{self.scale} times as many each way. Choose another upscaler"
            )
        return finite(y, self.name, self.dtype, "the picture").clamp(0, 1)

    def bytes_of_pixel(self) -> float:
        """The most bytes of activations that are alive at one time, for each pixel of a tile; 0 where nobody can tell.

        The network's first run measures it, on a small tile.
        """
        if self.device.type == "cuda" and not self._bytes_of_pixel:
            before = torch.cuda.memory_allocated(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            self.enlarge(torch.zeros(3, PROBE, PROBE))
            self._bytes_of_pixel = (torch.cuda.max_memory_allocated(self.device) - before) / PROBE**2
        return self._bytes_of_pixel

    def bytes_needed(self, tile: int) -> int:
        """The bytes of a card that it takes with one tile of so many pixels each way at work."""
        return self._weight_bytes() + round(self.bytes_of_pixel() * tile**2)


def load_upscaler(path: Path, wanted: Wanted) -> Upscaler:
    """Load an upscaler of any architecture that spandrel knows; its weights are on the CPU.

    Raises `CheckpointError` where the file holds no upscaler, or spandrel is not installed, and `SettingError` for a
    precision that it cannot be run in.
    """
    what = f"{path.stem} is an upscaler, which"
    check_precision(what, wanted, "auto")
    tensors = read_tensors(path)[0]
    registry = registry_of("spandrel", f"{path} is to enlarge pictures, by a network")
    known = next((one.architecture for one in registry.architectures("detection") if one.detect(dict(tensors))), None)
    if known is None:
        raise CheckpointError(f"{path} holds no network that spandrel knows. {EXPECTED}")
    descriptor = built(known.load, tensors, path, known.name)
    if descriptor.purpose != "SR":
        does = PURPOSES.get(descriptor.purpose, "does something else")
        raise CheckpointError(f"{path} is no upscaler: it holds a {known.name} network, which {does}. {EXPECTED}")
    return Upscaler(descriptor, path.stem, ready(descriptor, what, wanted))


EXPECTED = "Expected an upscaler that spandrel can load, such as RealESRGAN_x2plus.pth"
