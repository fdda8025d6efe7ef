"""How faces go through the network: the settings alone, which need no PyTorch."""

from dataclasses import dataclass

from ..model.choices import DETAIL
from ..options import Settings, option

PERSPECTIVES = ("auto", "off", "on")
"""When a face is stretched to the mean face: where it is strongly turned, never, always."""


@dataclass(frozen=True)
class RestoreSettings(Settings):
    """How faces go through the network."""

    perspective: str = option(
        PERSPECTIVES[0],
        "Whether a face that looks far to the side or down is stretched to a frontal one for the network, and shrunk "
        "back after, so that both eyes come out even. auto: where it is strongly turned. on: always, but for a "
        "profile.",
        choices=PERSPECTIVES,
        advanced=True,
    )
    detail: str = option(
        "full",
        "half and quarter: a quick look in a part of the time and memory. The network stops before its last steps, and "
        "faces come out blurred. For choosing other settings; the result is made with full.",
        choices=tuple(DETAIL),
        advanced=True,
    )
    tiles: bool = option(
        False,
        "Restore a face that is larger than the model's size at its own size, in tiles: for faces many times that "
        "size, and for blurred ones. Takes 4 to 25 times as long. Off: such a face is restored whole, and Paste Faces "
        "puts back the picture's own detail.",
        advanced=True,
    )
