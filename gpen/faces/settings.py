"""How faces are looked for, chosen and followed: the settings alone, which need neither PyTorch nor a detector."""

import re
from dataclasses import dataclass

from ..errors import SettingError
from ..options import Settings, option

SIZES = ("long side 1000", "short side 480", "full size")
"""The size at which a picture is looked at. The first is official code's."""

ORDERS = (
    "as found",
    "largest",
    "smallest",
    "leftmost",
    "rightmost",
    "most central",
    "least central",
    "most certain",
    "least certain",
    "blurriest",
    "sharpest",
)
"""What comes first. Sizes and places are those in the picture."""


@dataclass(frozen=True)
class DetectSettings(Settings):
    """How faces are looked for; by default as official code does."""

    threshold: float = option(
        0.0,
        "How sure the detector must be of a face. 0 stands for what suits the detector: 0.9 for RetinaFace and MTCNN, "
        "0.8 for YuNet. 0.5 is lower than these: it finds more faces, and more that are none. 0.95 is stricter.",
        low=0,
        high=1,
        step=0.01,
        advanced=True,
        called="detection threshold",
    )
    size: str = option(
        SIZES[0],
        "The size at which the picture is looked at. long side 1000: large pictures are made smaller, as by the "
        "official code. short side 480: small pictures are enlarged as well. full size: slow, and finds the smallest "
        "faces of a large picture.",
        choices=SIZES,
        advanced=True,
        called="size for detection",
        flag="detection-size",
    )
    tiny_faces: bool = option(
        False,
        "Look a second time, at twice the size and in tiles: for faces of some 10 pixels in a crowd. Takes about five "
        "times as long.",
        advanced=True,
    )
    edges: bool = option(
        False,
        "Look a second time with the picture continued beyond its edges: for faces that an edge cuts.",
        advanced=True,
    )
    rotated: bool = option(
        False,
        "Look at the picture turned by 90, 180 and 270 degrees as well: for people who lie and pictures on their side. "
        "Takes four times as long.",
        advanced=True,
    )


@dataclass(frozen=True)
class SelectSettings(Settings):
    """Which faces of each picture are kept; by default all. Everything is measured in the picture."""

    order: str = option(
        ORDERS[0],
        "Which faces come first, by size, place, the detector's score or sharpness in the picture. It matters where "
        "count keeps only some.",
        choices=ORDERS,
        called="order of faces",
    )
    count: int = option(
        0,
        "How many faces of each picture are kept, the first in order. 0: all. 3 is a good value on a card with 4 GB.",
        low=0,
        high=1000,
    )
    indices: str = option("", "Numbers as the preview of Detect Faces shows them, such as 1, 3-5. Empty: all.")
    min_size: int = option(
        0, "Only faces that are at least so many pixels wide, and high. 0: no limit.", low=0, high=16384
    )
    max_size: int = option(
        0,
        "Only faces that are at most so many pixels wide, or high where that is less. 0: no limit.",
        low=0,
        high=16384,
    )
    min_percent: float = option(
        0.0,
        "Only faces of at least this size, in percent of the picture's shorter side. 0: no limit.",
        low=0,
        high=100,
        step=0.5,
        advanced=True,
    )
    max_percent: float = option(
        0.0,
        "Only faces of at most this size, in percent of the picture's shorter side. 0: no limit.",
        low=0,
        high=100,
        step=0.5,
        advanced=True,
    )
    max_sharpness: float = option(
        0.0,
        "Only the damaged faces: those whose sharpness, as the preview and the report say it, is at most this. "
        "Clean portraits have 55 to 80; blurred by 1.5 % of the face's width, noisy, or as a JPEG of 30 they have less "
        "than 45. 0: no limit.",
        low=0,
        high=100,
        step=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        read_numbers(self.indices)
        for what, least, most in (
            ("size", self.min_size, self.max_size),
            ("percentage", self.min_percent, self.max_percent),
        ):
            if 0 < most < least:
                raise SettingError(
                    f"the least {what} of a face is {least:g} and the largest {most:g}: no face can be chosen"
                )


@dataclass(frozen=True)
class TrackSettings(Settings):
    """How faces are followed through a clip."""

    smoothing: float = option(
        0.5,
        "How calm a face becomes: its place is smoothed over time, and noise is kept out of its crop where nothing "
        "moves. Looks ahead as far as back, so nothing lags. 0 leaves it as found.",
        low=0,
        high=1,
        step=0.05,
    )
    max_gap: int = option(
        5, "Most frames in a row in which a face may have been missed; they are filled in.", low=0, high=100
    )
    fade: int = option(
        3, "Frames over which a face that appears in mid-clip fades in, and one that goes fades out.", low=0, high=100
    )
    min_length: int = option(
        1,
        "Faces found in fewer frames are left out: most of those are none. 1 keeps all.",
        low=1,
        high=1000,
        advanced=True,
    )


def read_numbers(text: str) -> set[int]:
    """Read "1, 3-5" → {1, 3, 4, 5}. Raises `SettingError` for anything else; faces are numbered from 1."""
    numbers: set[int] = set()
    for part in filter(None, re.split(r"[,;\s]+", re.sub(r"\s*[-–]\s*", "-", text.strip()))):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last:
            raise SettingError(
                f"cannot read {part!r} as the number of a face: expected numbers as the preview shows them, from 1, "
                "such as 1, 3-5"
            )
        numbers |= set(range(first, last + 1))
    return numbers
