"""The node that puts restored faces back into the picture."""

from typing import Any, Literal

import torch
from comfy_api.latest import io

from ..gpen.errors import SettingError
from ..gpen.faces.face import Faces
from ..gpen.faces.report import Report, report_on
from ..gpen.paste.compose import paste_faces
from ..gpen.paste.parts import classes_of
from ..gpen.paste.settings import PasteSettings
from .bridge import CATEGORY, FacesType, aliases, on_intermediate_device, progress, report_output, shown, shown_again
from .exchange import mask_or_none
from .files import open_managed_parser
from .widgets import widgets


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
                *widgets(PasteSettings),
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
                report_output(),
            ],
            **shown_again(),
            **aliases("paste back", "blend faces", "face mask", "人脸贴回"),
        )

    @classmethod
    def validate_inputs(cls, parts: str | None = None) -> Literal[True] | str:
        try:
            classes_of(PasteSettings().parts if parts is None else parts)
        except SettingError as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        faces: Faces,
        custom_mask: torch.Tensor | None = None,
        keep_texture: torch.Tensor | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        paste = PasteSettings(**settings)
        pasted = paste_faces(
            image,
            faces,
            paste,
            parser=open_managed_parser(paste.mask),
            custom_mask=mask_or_none(custom_mask, image.shape[1:3]),
            keep_texture=mask_or_none(keep_texture, image.shape[1:3]),
            on_progress=progress(),
        )
        report = _report(faces)
        return io.NodeOutput(
            on_intermediate_device(pasted.image),
            on_intermediate_device(pasted.mask),
            str(report),
            ui=shown(report),
        )


def _report(faces: Faces) -> Report:
    if any(face.outcome.kind == "restored" and face.crop is None for face in faces):
        return Report(
            message="nothing to paste: the crops of so long a clip are not kept. Use Restore Faces (GPEN) to get them."
        )
    if len(faces) and all(face.crop is None or face.crop.after is None for face in faces):
        return Report(
            message="nothing to paste: no face is restored. Restore Faces (GPEN) belongs between finding and pasting."
        )
    return report_on(faces)
