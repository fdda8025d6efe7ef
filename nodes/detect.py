"""The station that finds faces."""

import torch
from comfy_api.latest import io

from ..gpen.faces.detect import find_faces
from ..gpen.faces.report import describe
from ..gpen.image.preview import box_mask, draw_faces
from .comfy import CATEGORY, FacesType, advanced, check_choices, on_intermediate_device, progress, say
from .files import DETECTOR_CHOICES, open_managed_detector


class GPENDetectFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENDetectFaces",
            display_name="Detect Faces (GPEN)",
            category=CATEGORY,
            description="Finds the faces of a picture, or of each picture of a batch.",
            inputs=[
                io.Image.Input("image", tooltip="The picture to look for faces in."),
                detector_input(),
                threshold_input(),
            ],
            outputs=[
                FacesType.Output(display_name="faces", tooltip="The faces, for Restore Faces (GPEN)."),
                io.Image.Output(display_name="preview", tooltip="The picture with each face framed and numbered."),
                io.Mask.Output(display_name="mask", tooltip="1 inside the box of a face, 0 elsewhere."),
                io.Int.Output(display_name="count", tooltip="How many faces were found."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, detector: str | None = None) -> bool | str:
        return check_choices(("detector", detector, DETECTOR_CHOICES))

    @classmethod
    def execute(cls, image: torch.Tensor, detector: str, threshold: float) -> io.NodeOutput:
        found = find_faces(image, open_managed_detector(detector), threshold or None, on_frame=progress())
        preview, mask = draw_faces(image, found), box_mask(found)
        return io.NodeOutput(
            found,
            on_intermediate_device(preview),
            on_intermediate_device(mask),
            len(found),
            ui=say(describe(found), cls),
        )


def detector_input() -> io.Combo.Input:
    return io.Combo.Input(
        "detector",
        options=list(DETECTOR_CHOICES),
        default="auto",
        tooltip="auto: the best one whose file is on disk; it never downloads. mtcnn is always there. "
        "A detector chosen by name is fetched when the graph runs.",
    )


def threshold_input() -> io.WidgetInput:
    return advanced(
        io.Float.Input(
            "threshold",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="How sure the detector must be. 0: what suits the detector (RetinaFace and MTCNN 0.9, YuNet 0.8). "
            "Lower finds more faces, and more that are none.",
        )
    )
