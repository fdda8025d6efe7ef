"""How a picture is enlarged."""

from dataclasses import dataclass

from ..errors import SettingError
from ..options import Settings, option

LEAST_TILE = 32
"""Pixels. Smaller ones would be mostly their surroundings."""


@dataclass(frozen=True)
class UpscaleSettings(Settings):
    """How a picture is enlarged."""

    scale: float = option(
        0.0,
        "How many times wider and higher the picture becomes, from 1. 0: as the upscaler makes it; any other size is "
        "made from that by resizing (Lanczos).",
        low=0,
        high=16,
        step=0.5,
    )
    tile: int = option(
        0,
        f"Side of the tiles that go through the upscaler, in pixels of the picture, from {LEAST_TILE}. 0: what memory "
        "has room for.",
        low=0,
        high=8192,
        step=32,
        advanced=True,
        flag="background-tile",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.scale < 1:
            raise SettingError(f"an upscaler enlarges, so the scale must be 1 or more, or 0; it is {self.scale}")
        if 0 < self.tile < LEAST_TILE:
            raise SettingError(f"the tile must be {LEAST_TILE} pixels or more, or 0; it is {self.tile}")
