"""How restored faces go back into their picture: every setting of pasting."""

from dataclasses import dataclass

from ..options import Settings, option
from .masks import MASKS
from .parts import FACE, PARTS, classes_of

COLORS = ("off", "mild", "full")
LARGE_FACES = ("keep detail", "off")


@dataclass(frozen=True)
class PasteSettings(Settings):
    """How restored faces are pasted."""

    strength: float = option(
        1.0,
        "How much of the restored face is seen: 0 leaves the picture as it was, 1 shows all of it.",
        low=0,
        high=1,
        step=0.05,
    )
    mask: str = option(
        "oval",
        "What of the square crop is pasted. oval: the face with its ears and the top of its hair. box: nearly all of "
        "the square, hair and background included. parse: face and hair, or parts of them, as a small network (fetched "
        "once) finds them, so that hands and hats stay in front. official: what GPEN's own code pastes.",
        choices=tuple(MASKS),
    )
    parts: str = option(
        "face, hair",
        "For mask parse: what is pasted, with commas between. Choose from: face (which is "
        f"{', '.join(FACE)}), {', '.join(PARTS)}.",
        advanced=True,
    )
    grow: float = option(
        0.0,
        "Move the mask's edge outwards, in percent of the face's width; below 0 inwards.",
        low=-50,
        high=50,
        step=1,
        advanced=True,
    )
    feather: float = option(
        0.0,
        "Width of the mask's soft edge, in percent of the face's width. 0: what suits the mask (oval 17, the others "
        "8).",
        low=0,
        high=50,
        step=1,
        advanced=True,
    )
    skin: float = option(
        0.3,
        "How smooth skin becomes. 1: as the network makes it. Less lays the picture's own fine texture over the skin, "
        "0 the most; noise and compression blocks are kept out.",
        low=0,
        high=1,
        step=0.05,
        advanced=True,
    )
    color: str = option(
        COLORS[0],
        "Match the restored face's colours to what they were. mild: their mean. full: how strong they are too.",
        choices=COLORS,
        advanced=True,
    )
    grain: float = option(
        0.0,
        "Give the face this share of the noise that its picture has and it lacks, so that it does not look cleaner "
        "than what is around it.",
        low=0,
        high=1,
        step=0.05,
        advanced=True,
    )
    large_faces: str = option(
        LARGE_FACES[0],
        "keep detail: what the picture shows beyond the model's resolution is put back, noise is not. off: only the "
        "network's own pixels.",
        choices=LARGE_FACES,
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        classes_of(self.parts)
