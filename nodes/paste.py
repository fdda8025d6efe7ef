"""The station where restored faces go back into the picture."""

from typing import Any

import torch
from comfy_api.latest import io

from ..gpen.errors import SettingError
from ..gpen.faces.face import Faces
from ..gpen.faces.report import describe
from ..gpen.paste.compose import paste_faces
from ..gpen.paste.parsers import FACE, PARTS, classes_of
from ..gpen.paste.settings import COLORS, DEFAULT_PARTS, LARGE_FACES, MASKS, PasteSettings
from .bridge import CATEGORY, FacesType, advanced, aliases, check_choices, on_intermediate_device, progress, say
from .files import open_managed_parser


class GPENPasteFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENPasteFaces",
            display_name="Paste Faces (GPEN)",
            category=CATEGORY,
            description="Puts restored faces back where they were. A setting changed here never runs the network.",
            inputs=[
                io.Image.Input(
                    "image", tooltip="The picture to paste into: the one the faces are from, or one of another size."
                ),
                FacesType.Input("faces", tooltip="From Restore Faces (GPEN)."),
                strength_input(),
                mask_input(),
                parts_input(),
                *edge_inputs(),
                skin_input(),
                color_input(),
                *finish_inputs(),
                io.Mask.Input(
                    "custom_mask",
                    optional=True,
                    tooltip="Where restored pixels may go, of the size of the picture; it limits the mask chosen.",
                ),
                io.Mask.Input(
                    "keep_texture",
                    optional=True,
                    tooltip="Places whose texture stays whatever skin says: stubble, wrinkles, freckles.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture with its faces restored."),
                io.Mask.Output(display_name="mask", tooltip="How much of each pixel comes from a restored face."),
            ],
            hidden=[io.Hidden.unique_id],
            **aliases("paste back", "blend faces", "face mask", "人脸贴回"),
        )

    @classmethod
    def validate_inputs(
        cls,
        mask: str | None = None,
        color: str | None = None,
        large_faces: str | None = None,
        parts: str | None = None,
    ) -> bool | str:
        try:
            classes_of(DEFAULT_PARTS if parts is None else parts)
        except SettingError as error:
            return str(error)
        return check_choices(("mask", mask, MASKS), ("color", color, COLORS), ("large_faces", large_faces, LARGE_FACES))

    @classmethod
    def execute(cls, image: torch.Tensor, faces: Faces, strength: float, mask: str, **settings: Any) -> io.NodeOutput:
        paste = PasteSettings(strength=strength, mask=mask, parser=open_managed_parser(mask), **settings)
        pasted = paste_faces(image, faces, paste, on_face=progress())
        return io.NodeOutput(
            on_intermediate_device(pasted.image), on_intermediate_device(pasted.mask), ui=say(_report(faces), cls)
        )


def _report(faces: Faces) -> str:
    if any(face.crops_let_go for face in faces):
        return "nothing to paste: the crops of so long a clip are not kept. Use Restore Faces (GPEN) to get them."
    if len(faces) and all(face.restored is None for face in faces):
        return "nothing to paste: no face is restored. Restore Faces (GPEN) belongs between finding and pasting."
    return describe(faces)


def strength_input() -> io.Float.Input:
    return io.Float.Input(
        "strength",
        default=1.0,
        min=0.0,
        max=1.0,
        step=0.05,
        tooltip="How much of the restored face is seen: 0 leaves the picture as it was, 1 shows all of it.",
    )


def mask_input() -> io.Combo.Input:
    return io.Combo.Input(
        "mask",
        options=list(MASKS),
        default=MASKS[0],
        tooltip="What of the square crop is pasted. oval: the face from hairline to chin. "
        "box: nearly all of the square, hair and background included. parse: the parts chosen below, found by a small "
        "network (fetched once), so that hands and hats stay in front. official: what GPEN's own code pastes.",
    )


# What was added later is optional, so that workflows from before it still run.
def parts_input() -> io.WidgetInput:
    return advanced(
        io.String.Input(
            "parts",
            optional=True,
            default=DEFAULT_PARTS,
            tooltip="For mask parse: what is pasted, with commas between. Choose from: face (which is "
            f"{', '.join(FACE)}), {', '.join(PARTS)}.",
        )
    )


def edge_inputs() -> tuple[io.WidgetInput, io.WidgetInput]:
    """Where the mask ends, and how softly."""
    return (
        advanced(
            io.Float.Input(
                "grow",
                optional=True,
                default=0.0,
                min=-50.0,
                max=50.0,
                step=1.0,
                tooltip="Move the mask's edge outwards, in percent of the face's width; below 0 inwards.",
            )
        ),
        advanced(
            io.Float.Input(
                "feather",
                optional=True,
                default=0.0,
                min=0.0,
                max=50.0,
                step=1.0,
                tooltip="Width of the mask's soft edge, in percent of the face's width. 0: what suits the mask "
                "(oval 17, the others 8).",
            )
        ),
    )


def skin_input() -> io.WidgetInput:
    return advanced(
        io.Float.Input(
            "skin",
            optional=True,
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="How smooth skin becomes. 1: as the network makes it. Less lays the picture's own fine texture "
            "over the skin (0.3 looks natural); noise and compression blocks are kept out.",
        )
    )


def color_input() -> io.WidgetInput:
    return advanced(
        io.Combo.Input(
            "color",
            optional=True,
            options=list(COLORS),
            default=COLORS[0],
            tooltip="Match the restored face's colours to what they were. mild: their mean. full: their contrast too.",
        )
    )


def finish_inputs() -> tuple[io.WidgetInput, io.WidgetInput]:
    """What a restored face takes over from its picture, beside skin and colour."""
    return (
        advanced(
            io.Float.Input(
                "grain",
                optional=True,
                default=0.0,
                min=0.0,
                max=1.0,
                step=0.05,
                tooltip="Give the face this share of the noise that its picture has and it lacks, so that it does not "
                "look cleaner than what is around it.",
            )
        ),
        advanced(
            io.Combo.Input(
                "large_faces",
                optional=True,
                options=list(LARGE_FACES),
                default=LARGE_FACES[0],
                tooltip="keep detail: what the picture shows beyond the model's resolution is put back, noise is not. "
                "off: only the network's own pixels.",
            )
        ),
    )
