"""The aligned portraits, who of them trains and who is only looked at, and what the trainer sees of one of them.

Pictures are (H, W, 3) RGB, float32 in 0..1 unless said otherwise.
"""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gpen.errors import PictureError

from .degrade import LUMINANCE, Picture, degrade
from .tone import group_of, skin_tone

SIZE = 256
"""Side of the crops that the network restores."""
MARGIN = 32
"""What a stored crop shows more on each side, so that it can be turned and shifted without an empty border."""
CACHE = Path(".cache/training")

GREY_SHARE = 0.08
"""How often a picture is black and white."""
MOST_SHOWN = 2.5

SPLITS = ("training", "validation", "held-out")


def split_of(name: str) -> str:
    """Which of `SPLITS` a person belongs to, by a hash of the name alone: adding pictures moves nobody.

    A tenth is held out for the figures we publish; a twentieth decides between ways to train.
    """
    bucket = int.from_bytes(hashlib.sha256(name.strip().lower().encode()).digest()[:4], "big") % 20
    return "held-out" if bucket < 2 else "validation" if bucket < 3 else "training"


def save_crops(folder: Path, names: list[str], crops: npt.NDArray[np.uint8]) -> None:
    """Store crops (N, S + 2·MARGIN, S + 2·MARGIN, 3) and the names of the people in them."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "crops.npy", crops)
    (folder / "names.json").write_text(json.dumps(names, indent=0), encoding="utf-8")


def load_crops(folder: Path, split: str) -> tuple[list[str], npt.NDArray[np.uint8]]:
    """Names and crops of one of `SPLITS`. Raises `PictureError` where `python -m training.prepare` has not run."""
    if not (folder / "names.json").is_file():
        raise PictureError(f"no aligned portraits in {folder}; run `python -m training.prepare` first")
    names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    chosen = [i for i, name in enumerate(names) if split_of(name) == split]
    return [names[i] for i in chosen], np.load(folder / "crops.npy", mmap_mode="r")[chosen]


def centre(crop: npt.NDArray[np.uint8]) -> Picture:
    """The crop exactly as the network meets it in use, without the margin."""
    return crop[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float32) / 255


def augment(crop: npt.NDArray[np.uint8], rng: np.random.Generator) -> Picture:
    """A stored crop, a little turned, scaled, shifted, relit and recoloured, and mirrored half of the time."""
    side = crop.shape[0]
    angle, scale = rng.normal(0, 3), rng.uniform(0.92, 1.1)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, scale)
    matrix[:, 2] += rng.uniform(-6, 6, 2) - MARGIN
    if rng.random() < 0.5:
        matrix[0] = [0, 0, side - 2 * MARGIN - 1] - matrix[0]
    picture = cv2.warpAffine(
        crop, matrix, (side - 2 * MARGIN,) * 2, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
    )
    picture = picture.astype(np.float32) / 255
    gain = rng.uniform(0.9, 1.1) * rng.uniform(0.95, 1.05, 3)
    # A lamp to one side.
    y, x = np.mgrid[-1 : 1 : len(picture) * 1j, -1 : 1 : len(picture) * 1j]
    slope = rng.normal(0, 0.08, 2)
    gain = gain * (1 + slope[0] * x + slope[1] * y)[:, :, None]
    picture = np.clip(picture * gain.astype(np.float32), 0, 1) ** np.float32(rng.uniform(0.8, 1.25))
    if rng.random() < GREY_SHARE:
        picture[:] = (picture @ LUMINANCE)[:, :, None]
    return picture


def balanced(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """How often each person should be shown, as a share of all (N,): skin tones of `tone.GROUPS` equally often, but
    nobody more than `MOST_SHOWN` times as often as without."""
    groups = np.array([group_of(skin_tone(centre(crop))) for crop in crops])
    names, counts = np.unique(groups, return_counts=True)
    often = {name: min(MOST_SHOWN, len(crops) / len(names) / count) for name, count in zip(names, counts, strict=True)}
    shares = np.array([often[group] for group in groups])
    return shares / shares.sum()


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """(degraded, original), each (3, S, S) in -1..1; the n-th pair depends on the seed and on n alone.

    So a run that is resumed sees exactly what it would have seen, with any number of workers.
    """

    def __init__(self, crops: npt.NDArray[np.uint8], seed: int, length: int):
        self.crops, self.seed, self.length = crops, seed, length
        self.until = np.cumsum(balanced(crops))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, n: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(n, len(self.crops))
        order = np.random.default_rng([self.seed, epoch])
        # Evenly spaced places along everybody's shares: in an epoch everybody comes as often as they should, nearly.
        places = (order.random() + order.permutation(len(self.crops))) / len(self.crops)
        person = min(int(np.searchsorted(self.until, places[place])), len(self.crops) - 1)
        rng = np.random.default_rng([self.seed, epoch, int(place)])
        picture = augment(self.crops[person], rng)
        return to_tensor(degrade(picture, rng.random(), rng)), to_tensor(picture)


def to_tensor(picture: Picture) -> Tensor:
    """(H, W, 3) in 0..1 → (3, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))) * 2 - 1


def to_picture(tensor: Tensor) -> Picture:
    """(3, H, W) in about -1..1 → (H, W, 3) in 0..1, clamped."""
    return ((tensor.detach().float().cpu() + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy()
