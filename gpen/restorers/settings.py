"""What only some restorers know: the settings alone, which need no PyTorch."""

from dataclasses import dataclass
from typing import Any

from ..faces.alignment import ALIGNMENTS
from ..options import Settings, option, options_of

VALUES = ("-1..1", "0..1")
"""How a network counts from black to white."""


@dataclass(frozen=True)
class RestorerSettings(Settings):
    """What only some restorers know; see `Restorer.options`."""

    fidelity: float = option(
        0.5,
        "For CodeFormer: how closely it keeps to the face it sees. 0: the finest face, and perhaps another person's. "
        "1: the same person, with less mended.",
        low=0.0,
        high=1.0,
        step=0.05,
        advanced=True,
    )
    template: str = option(
        "auto",
        "For .onnx files: how faces lie in its crops. gpen: as GPEN's. ffhq: as those of GFPGAN, CodeFormer and "
        "RestoreFormer. auto: as the file or its name tells.",
        choices=("auto", *ALIGNMENTS),
        advanced=True,
    )
    values: str = option(
        "auto",
        "For .onnx files: how it counts from black to white. auto: as the file tells, or -1..1 where its name is that "
        "of a known restorer.",
        choices=("auto", *VALUES),
        advanced=True,
    )

    def changed(self) -> dict[str, Any]:
        """What is not at its default, by name."""
        options = options_of(RestorerSettings)
        return {name: value for name in options if (value := getattr(self, name)) != options[name].default}
