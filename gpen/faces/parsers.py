"""Face parsers of facexlib behind one small interface: which part of a face each pixel of a crop shows.

"bisenet" is quick and small; "parsenet" is what official GPEN pastes by. Both know the same 19 classes, in
another order.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..errors import CheckpointError, SettingError
from .detectors import Place, on_cpu

Labels = npt.NDArray[np.uint8]
"""(512, 512) of indices into `CLASSES`"""
Parser = Callable[[Tensor], Labels]
"""A crop (S, S, 3) in 0..1 → its labels."""

PARSERS = ("bisenet", "parsenet")
SIDE = 512  # both were trained at it

CLASSES = (
    *("background", "skin", "nose", "glasses", "left eye", "right eye", "left brow", "right brow", "left ear"),
    *("right ear", "mouth", "upper lip", "lower lip", "hair", "hat", "earring", "necklace", "neck", "cloth"),
)
"""What the numbers of `Labels` mean: the order of ParseNet and of the official code."""

_BISENET = np.array([0, 1, 6, 7, 4, 5, 3, 8, 9, 15, 2, 10, 11, 12, 17, 16, 18, 13, 14], np.uint8)
# Mean and deviation that each was trained with, RGB in 0..1.
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CENTRED = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

PARTS = {
    "skin": ("skin",),
    "nose": ("nose",),
    "eyes": ("left eye", "right eye"),
    "brows": ("left brow", "right brow"),
    "mouth": ("mouth", "upper lip", "lower lip"),
    "ears": ("left ear", "right ear", "earring"),
    "glasses": ("glasses",),
    "hair": ("hair",),
    "hat": ("hat",),
    "neck": ("neck", "necklace"),
    "cloth": ("cloth",),
}
"""What a person can choose → the classes it stands for."""

FACE = ("skin", "nose", "eyes", "brows", "mouth", "ears", "glasses")
"""What "face" is short for."""


def classes_of(parts: str) -> tuple[int, ...]:
    """Names of `PARTS` or "face", with commas between them → indices into `CLASSES`.

    Raises `SettingError` for a name that is unknown, and where none is given.
    """
    names = [name.strip().lower() for name in parts.split(",") if name.strip()]
    if not names:
        raise SettingError(f"no part of the face is chosen; name some of: face, {', '.join(PARTS)}")
    for name in names:
        if name != "face" and name not in PARTS:
            raise SettingError.unknown("part of the face", name, ("face", *PARTS))
    chosen = {part for name in names for part in (FACE if name == "face" else (name,))}
    return tuple(sorted(CLASSES.index(label) for part in chosen for label in PARTS[part]))


def open_parser(name: str, weights: Path, place: Place = on_cpu, dtype: torch.dtype = torch.float32) -> Parser:
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies, about their own old spellings
        from facexlib.parsing.bisenet import BiSeNet
        from facexlib.parsing.parsenet import ParseNet
    network = BiSeNet(num_class=19) if name == "bisenet" else ParseNet(in_size=SIDE, out_size=SIDE, parsing_ch=19)
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever torch and pickle raise for a file that is something else
        raise CheckpointError(f"{weights} does not hold {name}: {error}; delete it to fetch it again") from error
    network = network.eval().requires_grad_(False).to(dtype)
    mean, deviation = (torch.tensor(row) for row in (_IMAGENET if name == "bisenet" else _CENTRED))

    def parse(crop: Tensor) -> Labels:
        pixels = cv2.resize(crop.detach().to("cpu", torch.float32).numpy(), (SIDE, SIDE))
        x = ((torch.from_numpy(pixels).clamp(0, 1) - mean) / deviation).permute(2, 0, 1)[None]
        labels = _run(network, x.to(place(network), dtype))
        return _BISENET[labels] if name == "bisenet" else labels

    return parse


def _run(network: nn.Module, x: Tensor) -> Labels:
    with torch.inference_mode():
        # The other outputs are pictures and coarser maps that only training uses.
        return network(x)[0][0].argmax(0).to("cpu", torch.uint8).numpy()
