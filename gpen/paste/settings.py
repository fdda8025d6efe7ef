"""How restored faces go back into their picture: every setting of pasting, with its default."""

from dataclasses import dataclass, replace

from torch import Tensor

from ..errors import SettingError
from .parsers import Parser, classes_of

MASKS = ("oval", "box", "parse", "official")
"""Names of the masks, the default first."""
PARSER_OF_MASK = {"parse": "bisenet", "official": "parsenet"}
"""Which parser a mask needs; the others need none."""
COLORS = ("off", "mild", "full")
LARGE_FACES = ("keep detail", "off")
DEFAULT_PARTS = "face, hair"


@dataclass(frozen=True, eq=False)
class PasteSettings:
    """How restored faces are pasted. Raises `SettingError` for values that cannot be."""

    strength: float = 1.0
    """how much of the restored face is seen, 0..1"""
    mask: str = MASKS[0]
    """what of the crop is pasted, one of `MASKS`; see `masks.py`"""
    parser: Parser | None = None
    """what tells the parts of a face apart, for the masks of `PARSER_OF_MASK`: `gpen.find_parser(mask)`"""
    parts: str = DEFAULT_PARTS
    """for the mask "parse": names of `parsers.PARTS` or "face", with commas between them"""
    custom_mask: Tensor | None = None
    """(B or 1, H, W) in 0..1: where restored pixels may go; of another size than the picture it is stretched"""
    grow: float = 0.0
    """how far the mask's edge is moved outwards, in percent of the face's width, -50..50"""
    feather: float = 0.0
    """how wide the mask's soft edge is, in percent of the face's width, 0..50; 0 is what suits the mask"""
    skin: float = 1.0
    """what remains of the network's smoothing of skin, 0..1; below 1 the picture's own fine texture is laid over"""
    keep_texture: Tensor | None = None
    """(B or 1, H, W) in 0..1: places whose own texture stays whatever `skin` says"""
    color: str = COLORS[0]
    """how far the face's colours are matched to what they were, one of `COLORS`"""
    grain: float = 0.0
    """how much of the noise that the picture has and the restored face lacks is added to the face, 0..1"""
    large_faces: str = LARGE_FACES[0]
    """whether detail of the picture that is too fine for the crop is put back, one of `LARGE_FACES`"""

    first_frame: int = 0
    """the number of the first picture: grain is another one in each frame of a clip, and the same at every run"""

    def of_frame(self, frame: int, frames: int) -> "PasteSettings":
        """The settings of one picture of a batch of `frames`, which is pasted alone.

        Raises `SettingError` where a mask has another number of pictures.
        """

        def alone(mask: Tensor | None) -> Tensor | None:
            if mask is None or mask.ndim == 2 or len(mask) == 1:
                return mask
            if len(mask) != frames:
                raise SettingError(
                    f"expected one mask, or one for each of {frames} pictures, and there are {len(mask)}"
                )
            return mask[frame : frame + 1]

        return replace(
            self,
            custom_mask=alone(self.custom_mask),
            keep_texture=alone(self.keep_texture),
            first_frame=self.first_frame + frame,
        )

    def __post_init__(self) -> None:
        for name, low, high in (
            ("strength", 0, 1),
            ("grow", -50, 50),
            ("feather", 0, 50),
            ("skin", 0, 1),
            ("grain", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingError(f"the {name} must be between {low} and {high}, and it is {value}")
        for what, value, choices in (
            ("mask", self.mask, MASKS),
            ("color", self.color, COLORS),
            ("large_faces", self.large_faces, LARGE_FACES),
        ):
            if value not in choices:
                raise SettingError.unknown(what, value, choices)
        classes_of(self.parts)
        if self.mask in PARSER_OF_MASK and self.parser is None:
            raise SettingError(f"the mask {self.mask!r} needs a parser: give parser=gpen.find_parser({self.mask!r})")
