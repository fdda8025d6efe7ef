"""Face parsers of facexlib behind one small interface: which part of a face each pixel of a crop shows.

"bisenet" is quick and small; "parsenet" is what official GPEN pastes by. Both know the same 19 classes, in
another order.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..errors import CheckpointError, SettingError
from ..faces.detectors import Place, on_cpu
from ..model.checkpoint import read_tensors

Labels = npt.NDArray[np.uint8]
"""(512, 512) of indices into `CLASSES`"""
Parser = Callable[[Tensor], Labels]
"""A crop (S, S, 3) in 0..1 → its labels."""

SIDE = 512  # both were trained at it
STRIP = 64
"""Rows of a map that are computed at once. With fewer, the layers between still take as much as now."""
MARGIN = 4
"""Rows computed on each side of a strip besides, because each 3×3 convolution reads one more: enough for four in a row.
Even, so that steps of two rows fall on the same rows in a strip as in the whole."""


def read_parser(name: str, weights: Path, place: Place = on_cpu, dtype: torch.dtype = torch.float32) -> Parser:
    """Make a parser ready to run.

    Args:
        name: one of `PARSERS`.
        weights: its file.
        place: where the network runs.
        dtype: what it computes in.

    Raises `SettingError` for an unknown name, and `CheckpointError` where the file does not hold that network.
    """
    if name not in PARSERS:
        raise SettingError.unknown("parser", name, PARSERS)
    kind = PARSERS[name]
    network = kind.build()
    try:
        network.load_state_dict(read_tensors(weights)[0])
    except Exception as error:  # whatever torch and pickle raise for a file that is something else
        raise CheckpointError(f"{weights} does not hold {name}: {error}; delete it to fetch it again") from error
    network = network.eval().requires_grad_(False).to(dtype)
    mean, deviation, order = torch.tensor(kind.mean), torch.tensor(kind.deviation), np.array(kind.order, np.uint8)

    def parse(crop: Tensor) -> Labels:
        pixels = cv2.resize(crop.detach().to("cpu", torch.float32).numpy(), (SIDE, SIDE))
        x = ((torch.from_numpy(pixels).clamp(0, 1) - mean) / deviation).permute(2, 0, 1)[None]
        x = x.to(place(network), dtype)
        with torch.inference_mode():
            labels = kind.scores(network, x)[0].argmax(0).to("cpu", torch.uint8).numpy()
        return order[labels]

    return parse


def bisenet_scores(network: Any, x: Tensor) -> Tensor:
    """A prepared crop (1, 3, 512, 512) → how much each of BiSeNet's classes fits each pixel: (1, 19, 512, 512)."""
    return network(x)[0]  # the others are coarser ones, which only training uses


def parsenet_scores(network: Any, x: Tensor) -> Tensor:
    """A prepared crop (1, 3, 512, 512) → how much each class fits each pixel: (1, 19, 512, 512).

    What `network(x)[0]` computes, in half of the memory: 273 instead of 540 MB in float32. The most is for the first
    and the last layers, where maps are as large as the crop: one of 128 channels is 134 MB, and there are several at a
    time, with the copies that padding and convolutions make. So these layers run in strips.
    """
    x = _in_strips(network.encoder[:2], x)
    x = network.encoder[2:](x)
    x = network.decoder[:-1](x + network.body(x))
    # Its picture, `out_img_conv`, is for training only.
    return _in_strips(nn.Sequential(network.decoder[-1], network.out_mask_conv), x)


def _in_strips(layers: nn.Module, x: Tensor) -> Tensor:
    """What `layers(x)` computes, in strips of `STRIP` rows of x; `MARGIN` says for which layers."""
    strips: list[Tensor] = []
    for top in range(0, x.shape[2], STRIP):
        # A strip ends where x does, so that what a layer makes up beyond the border is the same as for the whole.
        above, rows = min(top, MARGIN), slice(max(top - MARGIN, 0), top + STRIP + MARGIN)
        strip = layers(x[:, :, rows])
        scale = strip.shape[3] / x.shape[3]
        strips.append(strip[:, :, int(above * scale) : int((above + STRIP) * scale)])
    return torch.cat(strips, dim=2)


def _bisenet() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies, about their own old spellings
        from facexlib.parsing.bisenet import BiSeNet
    return BiSeNet(num_class=19)


def _parsenet() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from facexlib.parsing.parsenet import ParseNet
    return ParseNet(in_size=SIDE, out_size=SIDE, parsing_ch=19)


@dataclass(frozen=True)
class ParserKind:
    """All that tells one parser from the others."""

    file: str
    """Its name in the catalogue of released files."""
    build: Callable[[], nn.Module]
    scores: Callable[[Any, Tensor], Tensor]
    """(network, a prepared crop (1, 3, 512, 512)) → (1, 19, 512, 512)"""
    mean: tuple[float, float, float]
    """Of its training pictures, RGB in 0..1."""
    deviation: tuple[float, float, float]
    order: tuple[int, ...]
    """Its classes → indices into `CLASSES`."""


PARSERS: dict[str, ParserKind] = {
    "bisenet": ParserKind(
        "parsing_bisenet",
        _bisenet,
        bisenet_scores,
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
        (0, 1, 6, 7, 4, 5, 3, 8, 9, 15, 2, 10, 11, 12, 17, 16, 18, 13, 14),
    ),
    "parsenet": ParserKind(
        "parsing_parsenet", _parsenet, parsenet_scores, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), tuple(range(19))
    ),
}
"""Parser by name."""
