"""The node that takes crops of faces back from other nodes."""

import torch
from comfy_api.latest import io

from ..gpen.faces.crops import replace_crops
from ..gpen.faces.face import Faces
from ..gpen.faces.report import report_on
from .bridge import CATEGORY, FacesType, aliases, shown, shown_again


class GPENReplaceCrops(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENReplaceCrops",
            display_name="Replace Crops (GPEN)",
            category=CATEGORY,
            description="Takes crops back that other nodes have worked on. Paste Faces (GPEN) puts them into the "
            "picture; a crop that comes back unchanged leaves its face as it was.",
            inputs=[
                FacesType.Input("faces", tooltip="From Face Crops (GPEN): it says where each crop belongs."),
                io.Image.Input(
                    "crops",
                    lazy=True,
                    tooltip="The crops after other nodes worked on them: as many, in the same order, of any size.",
                ),
            ],
            outputs=[FacesType.Output(display_name="faces", tooltip="The faces with these crops as restored ones.")],
            **shown_again(),
            **aliases("paste crops", "uncrop", "人脸裁剪"),
        )

    @classmethod
    def check_lazy_status(cls, faces: Faces, crops: torch.Tensor | None = None) -> list[str]:
        # Where no face could be cut out nothing makes crops: without them the picture goes on as it is.
        return ["crops"] if crops is None and any(face.outcome.kind != "skipped" for face in faces) else []

    @classmethod
    def execute(cls, faces: Faces, crops: torch.Tensor | None = None) -> io.NodeOutput:
        faces = faces if crops is None else replace_crops(faces, crops)
        return io.NodeOutput(faces, ui=shown(report_on(faces)))
