"""The parts of a face that can be told apart, and what a person can choose of them."""

from ..errors import SettingError

CLASSES = (
    *("background", "skin", "nose", "glasses", "left eye", "right eye", "left brow", "right brow", "left ear"),
    *("right ear", "mouth", "upper lip", "lower lip", "hair", "hat", "earring", "necklace", "neck", "cloth"),
)
"""What the numbers of `Labels` mean: the order of ParseNet and of the official code."""

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
