"""The node that gives crops of faces to other nodes."""

import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..gpen.faces.crops import DEFAULT_SIZE, WHICH, face_crops
from ..gpen.faces.exchange import bounding_boxes, segments
from ..gpen.faces.face import Faces
from ..gpen.faces.preview import box_mask
from ..gpen.faces.report import report_on
from .bridge import CATEGORY, FacesType, aliases, on_intermediate_device, progress, shown, shown_again
from .exchange import BoxesType, SegmentsType


class GPENFaceCrops(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENFaceCrops",
            display_name="Face Crops (GPEN)",
            category=CATEGORY,
            description="Cuts the faces out upright, so that any other node can work on them. "
            "Replace Crops (GPEN) takes them back.",
            inputs=[
                FacesType.Input("faces", tooltip="From Detect Faces (GPEN) or Restore Faces (GPEN)."),
                io.Image.Input("image", tooltip="The picture the faces are cut from. It may be an upscaled copy."),
                io.Combo.Input(
                    "which",
                    options=list(WHICH),
                    default=WHICH[0],
                    tooltip="restored: the restored face where there is one, else the face as it is in the picture. "
                    "original: always the face as it is in the picture.",
                ),
                io.Int.Input(
                    "size",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Side of the square crops in pixels. 0: that of the restored faces, "
                    f"or {DEFAULT_SIZE} where none is restored.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="crops", tooltip="The faces, upright, one picture each."),
                BoxesType.Output(display_name="boxes", tooltip="For each picture a list of the boxes of its faces."),
                io.Mask.Output(display_name="mask", tooltip="1 inside the box of a face, 0 elsewhere."),
                SegmentsType.Output(
                    display_name="segs", tooltip="The same faces for nodes that take SEGS. For a single picture only."
                ),
                FacesType.Output(display_name="faces", tooltip="The faces with these crops, for Replace Crops (GPEN)."),
            ],
            **shown_again(),
            **aliases("crop faces", "SEGS", "face detailer", "bounding box", "人脸裁剪"),
        )

    @classmethod
    def execute(cls, faces: Faces, image: torch.Tensor, which: str = WHICH[0], size: int = 0) -> io.NodeOutput:
        cut = face_crops(image, faces, which=which, size=size, on_progress=progress())
        there = cut.faces.with_faces(face for face in cut.faces if face.crop is not None)
        return io.NodeOutput(
            # Where there is no face, what is connected to its crop does not run, and that is no error.
            on_intermediate_device(cut.crops) if len(cut.crops) else ExecutionBlocker(None),
            bounding_boxes(there),
            on_intermediate_device(box_mask(there)),
            segments(image, there) if there.frames == 1 else ExecutionBlocker(_ONE_PICTURE),
            cut.faces,
            ui=shown(report_on(cut.faces)),
        )


_ONE_PICTURE = (
    "SEGS describe the faces of one picture, and this is a batch of several; "
    "use boxes or mask, or give the pictures one by one."
)
