"""All steps in one node, with the few settings most people touch."""

from typing import Any

import torch
from comfy_api.latest import io

from ..gpen.faces.report import report_on
from ..gpen.faces.settings import DetectSettings, SelectSettings, TrackSettings
from ..gpen.options import Settings, options_of
from ..gpen.paste.settings import PasteSettings
from ..gpen.pipeline import restore
from ..gpen.restore.settings import RestoreSettings
from .bridge import (
    CATEGORY,
    FacesType,
    ManagedModel,
    ModelType,
    advanced,
    aliases,
    on_intermediate_device,
    progress,
    report_output,
    shown,
    shown_again,
)
from .detect import detector_input
from .files import open_managed_detector, open_managed_parser
from .widgets import widgets


class GPENRestore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENRestore",
            display_name="Restore Faces, All in One (GPEN)",
            category=CATEGORY,
            description="Finds the faces of a picture, restores them and puts them back.",
            inputs=[
                ModelType.Input("model", tooltip="From Load GPEN Model."),
                io.Image.Input("image", tooltip="The picture whose faces are restored."),
                *widgets(PasteSettings, "strength", "mask", "skin", "color"),
                detector_input(optional=True),
                *widgets(DetectSettings, "threshold", "tiny_faces"),
                *widgets(SelectSettings, "order", "count", "min_size", "max_sharpness", folded=True),
                *widgets(RestoreSettings, "detail"),
                advanced(
                    io.Boolean.Input(
                        "clip",
                        optional=True,
                        default=False,
                        tooltip="Take the batch for the frames of a clip: faces are followed, calmed and faded in and "
                        "out, as Track Faces Through a Clip (GPEN) does with its defaults.",
                    )
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture with its faces restored."),
                FacesType.Output(display_name="faces", tooltip="The faces, restored, to be pasted in another way."),
                io.Mask.Output(display_name="mask", tooltip="How much of each pixel comes from a restored face."),
                report_output(),
            ],
            **shown_again(),
            **aliases(
                "face fix", "fix faces", "face restore", "face enhance", "GFPGAN", "CodeFormer", "人脸修复", "脸部修复"
            ),
        )

    @classmethod
    def execute(
        cls,
        model: ManagedModel,
        image: torch.Tensor,
        detector: str = "auto",
        clip: bool = False,
        **settings: Any,
    ) -> io.NodeOutput:
        def chosen(kind: type[Settings]) -> Any:
            return kind(**{name: settings[name] for name in options_of(kind) if name in settings})

        paste = chosen(PasteSettings)
        done = restore(
            model,
            image,
            open_managed_detector(detector),
            detect=chosen(DetectSettings),
            select=chosen(SelectSettings),
            track=TrackSettings() if clip else None,
            restore=chosen(RestoreSettings),
            paste=paste,
            parser=open_managed_parser(paste.mask),
            on_progress=progress(),
        )
        report = report_on(done.faces)
        return io.NodeOutput(
            on_intermediate_device(done.image),
            done.faces,
            on_intermediate_device(done.mask),
            str(report),
            ui=shown(report),
        )
