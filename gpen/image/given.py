"""Pictures as people have them: tensors, arrays of numpy, Pillow's, and files that were read."""

from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import PictureError

if TYPE_CHECKING:
    from PIL import Image


class WithPixels(Protocol):
    """What holds pixels, as `PictureFile` does."""

    @property
    def rgb(self) -> Tensor:
        """(B, H, W, 3) in 0..1"""
        ...


GivenPicture: TypeAlias = "Tensor | npt.NDArray[np.generic] | Image.Image | WithPixels"
"""What is taken for a picture wherever a tensor is."""


def as_tensor(picture: GivenPicture) -> Tensor:
    """What is taken for a picture wherever a tensor is → (B, H, W, C) floats in 0..1; a tensor is returned itself.

    Args:
        picture: a tensor (B, H, W, C) in 0..1; an array (H, W), (H, W, C) or (B, H, W, C), of whole numbers from 0 to
            255 (uint8) or 65535 (uint16) or of floats in 0..1, in the order RGB; a picture of Pillow; or what
            `read_picture` returned.

    Raises `PictureError` for anything else.
    """
    if isinstance(picture, Tensor):
        return picture
    if isinstance(picture, np.ndarray):
        return _of_array(picture)
    if hasattr(picture, "getbands"):  # Pillow's, which need not be imported for it
        return _of_pillow(cast("Image.Image", picture))
    rgb = getattr(picture, "rgb", None)
    if isinstance(rgb, Tensor):
        return rgb
    raise PictureError(
        "expected a picture as a torch tensor (batch, height, width, 3), an array of numpy (height, width, 3), "
        f"a picture of Pillow, or one that was read from a file; got {type(picture).__name__}"
    )


def _of_array(array: npt.NDArray[np.generic]) -> Tensor:
    if array.dtype in (np.uint8, np.uint16):
        values = array.astype(np.float32) / np.iinfo(array.dtype).max
    elif np.issubdtype(array.dtype, np.floating):
        values = array.astype(np.float32)
    else:
        raise PictureError(f"expected an array of uint8, uint16 or floats in 0..1, got {array.dtype}")
    if values.ndim == 2:
        values = values[..., None]
    return torch.from_numpy(np.ascontiguousarray(values if values.ndim == 4 else values[None]))


def _of_pillow(image: "Image.Image") -> Tensor:
    if image.mode.startswith("I;16"):
        return _of_array(np.asarray(image).astype(np.uint16))
    clear = "A" in image.mode or "a" in image.mode or "transparency" in image.info
    return _of_array(np.asarray(image.convert("RGBA" if clear else "RGB")))
