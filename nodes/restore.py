"""The node where the network runs."""

from typing import Any

import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..gpen.faces.face import Faces
from ..gpen.faces.report import report_on
from ..gpen.image.picture import resized
from ..gpen.restore.faces import restore_faces
from ..gpen.restore.settings import RestoreSettings
from .bridge import (
    CATEGORY,
    FacesType,
    ManagedModel,
    ModelType,
    aliases,
    on_intermediate_device,
    progress,
    shown,
    shown_again,
)
from .exchange import mask_or_none
from .whole import inpaint_mask_input
from .widgets import widgets


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
                *widgets(RestoreSettings, "perspective"),
                inpaint_mask_input(),
                *widgets(RestoreSettings, "detail", "tiles"),
            ],
            outputs=[
                FacesType.Output(display_name="faces", tooltip="The same faces, restored."),
                io.Image.Output(display_name="before", tooltip="The faces as they were, cut out upright."),
                io.Image.Output(display_name="after", tooltip="The faces as the network gave them back."),
            ],
            **shown_again(),
            **aliases("face fix", "face restore", "face enhance", "GFPGAN", "CodeFormer", "人脸修复", "脸部修复"),
        )

    @classmethod
    def execute(
        cls,
        model: ManagedModel,
        image: torch.Tensor,
        faces: Faces,
        mask: torch.Tensor | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        faces = restore_faces(
            model,
            image,
            faces,
            RestoreSettings(**settings),
            inpaint_mask=mask_or_none(mask, image.shape[1:3]),
            on_progress=progress(),
        )
        crops = [face.crop for face in faces if face.crop is not None]
        before = _batch([crop.before for crop in crops], model.size)
        after = _batch([crop.latest for crop in crops], model.size)
        return io.NodeOutput(faces, before, after, ui=shown(report_on(faces)))


def _batch(crops: list[torch.Tensor], size: int) -> torch.Tensor | ExecutionBlocker:
    """(faces, size, size, 3)"""
    if not crops:
        # What is connected to a picture that does not exist does not run, and that is no error.
        return ExecutionBlocker(None)
    # Those that were done in tiles are larger.
    return on_intermediate_device(torch.cat([resized(crop[None], size, size) for crop in crops]))
