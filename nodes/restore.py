"""The station where the network runs."""

import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..gpen.faces.alignment import PERSPECTIVES
from ..gpen.faces.face import Faces
from ..gpen.faces.report import describe
from ..gpen.image.picture import resized
from ..gpen.model.strips import DETAIL
from ..gpen.restore.faces import restore_faces
from .aligned import inpaint_mask_input
from .bridge import (
    CATEGORY,
    FacesType,
    ManagedModel,
    ModelType,
    advanced,
    aliases,
    check_choices,
    on_intermediate_device,
    progress,
    say,
)


class GPENRestoreFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENRestoreFaces",
            display_name="Restore Faces (GPEN)",
            category=CATEGORY,
            description="Cuts each face out upright and restores it. Paste Faces (GPEN) puts them back.",
            inputs=[
                ModelType.Input("model", tooltip="From Load GPEN Model."),
                io.Image.Input("image", tooltip="The picture whose faces are restored. It may be an upscaled copy."),
                FacesType.Input("faces", tooltip="From Detect Faces (GPEN): which faces, and where they are."),
                perspective_input(),
                inpaint_mask_input(),
                detail_input(),
                advanced(
                    io.Boolean.Input(
                        "tiles",
                        optional=True,
                        default=False,
                        tooltip="Restore a face that is larger than the model's size at its own size, in tiles: for "
                        "faces many times that size, and for blurred ones. Takes 4 to 25 times as long. "
                        "Off: such a face is restored whole, and Paste Faces puts back the picture's own detail.",
                    )
                ),
            ],
            outputs=[
                FacesType.Output(display_name="faces", tooltip="The same faces, restored."),
                io.Image.Output(display_name="before", tooltip="The faces as they were, cut out upright."),
                io.Image.Output(display_name="after", tooltip="The faces as the network gave them back."),
            ],
            hidden=[io.Hidden.unique_id],
            **aliases("face fix", "face restore", "face enhance", "GFPGAN", "CodeFormer", "人脸修复", "脸部修复"),
        )

    @classmethod
    def validate_inputs(cls, perspective: str | None = None, detail: str | None = None) -> bool | str:
        return check_choices(("perspective", perspective, PERSPECTIVES), ("detail", detail, tuple(DETAIL)))

    @classmethod
    def execute(
        cls,
        model: ManagedModel,
        image: torch.Tensor,
        faces: Faces,
        perspective: str = PERSPECTIVES[0],
        mask: torch.Tensor | None = None,
        detail: str = "full",
        tiles: bool = False,
    ) -> io.NodeOutput:
        faces = restore_faces(
            model,
            image,
            faces,
            perspective=perspective,
            inpaint_mask=mask,
            detail=detail,
            tiles=tiles,
            on_face=progress(),
        )
        before = _batch([face.crop for face in faces if face.crop is not None], model.size)
        after = _batch([face.restored for face in faces if face.restored is not None], model.size)
        return io.NodeOutput(faces, before, after, ui=say(describe(faces), cls))


def detail_input() -> io.WidgetInput:
    return advanced(
        io.Combo.Input(
            "detail",
            optional=True,
            options=list(DETAIL),
            default="full",
            tooltip="half and quarter: a quick look in a part of the time and memory. The network stops before its "
            "last steps, and faces come out blurred. For choosing other settings; the result is made with full. "
            "Not for the preview model, which makes its picture in the very last step.",
        )
    )


def _batch(crops: list[torch.Tensor], size: int) -> torch.Tensor | ExecutionBlocker:
    """(faces, size, size, 3)"""
    if not crops:
        # What is connected to a picture that does not exist does not run, and that is no error.
        return ExecutionBlocker(None)
    # Those that were done in tiles are larger.
    return on_intermediate_device(torch.cat([resized(crop[None], size, size) for crop in crops]))


def perspective_input() -> io.WidgetInput:
    return advanced(
        io.Combo.Input(
            "perspective",
            optional=True,
            options=list(PERSPECTIVES),
            default=PERSPECTIVES[0],
            tooltip="Whether a face that looks far to the side or down is stretched to a frontal one for the network, "
            "and shrunk back after, so that both eyes come out even. auto: where it is strongly turned. on: always, "
            "but for a profile.",
        )
    )
