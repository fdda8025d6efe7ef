"""The station where restored faces go back into the picture."""

import torch
from comfy_api.latest import io

from ..gpen.faces.face import Faces
from ..gpen.faces.report import describe
from ..gpen.image.paste import MASKS, paste_faces
from .comfy import CATEGORY, FacesType, check_choices, on_intermediate_device, progress, say


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
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture with its faces restored."),
                io.Mask.Output(display_name="mask", tooltip="How much of each pixel comes from a restored face."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, mask: str | None = None) -> bool | str:
        return check_choices(("mask", mask, MASKS))

    @classmethod
    def execute(cls, image: torch.Tensor, faces: Faces, strength: float, mask: str) -> io.NodeOutput:
        pasted = paste_faces(image, faces, strength=strength, mask=mask, on_face=progress())
        return io.NodeOutput(
            on_intermediate_device(pasted.image), on_intermediate_device(pasted.mask), ui=say(_report(faces), cls)
        )


def _report(faces: Faces) -> str:
    if any(face.fate.startswith("restored: ") for face in faces):
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
        "box: nearly all of the square, hair and background included.",
    )
