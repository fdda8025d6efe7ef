"""The node that chooses some of the faces."""

from typing import Any

import torch
from comfy_api.latest import io

from ..gpen.faces.face import Faces
from ..gpen.faces.report import report_on
from ..gpen.faces.select import select_faces
from ..gpen.faces.settings import SelectSettings
from .bridge import CATEGORY, FacesType, aliases, shown, shown_again
from .exchange import boxes_input, mask_or_none
from .widgets import widgets


class GPENSelectFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENSelectFaces",
            display_name="Select Faces (GPEN)",
            category=CATEGORY,
            description="Chooses among the faces of a picture, or of each picture of a batch. "
            "What is not asked for leaves no face out.",
            inputs=[
                FacesType.Input("faces", tooltip="From Detect Faces (GPEN)."),
                *widgets(SelectSettings),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Only faces of which at least half lies inside this mask; of any size, one for each "
                    "picture or one for all.",
                ),
                boxes_input("Only faces whose middle lies in one of these boxes; and the nearest one to a box without"),
            ],
            outputs=[
                FacesType.Output(display_name="faces", tooltip="The chosen faces, in the order asked for."),
                FacesType.Output(display_name="rest", tooltip="The other faces, in the order they came."),
                io.Int.Output(display_name="count", tooltip="How many faces were chosen."),
            ],
            **shown_again(),
            **aliases("filter faces", "choose faces", "face index", "人脸选择"),
        )

    @classmethod
    def execute(
        cls, faces: Faces, mask: torch.Tensor | None = None, boxes: object = None, **settings: Any
    ) -> io.NodeOutput:
        mask = mask_or_none(mask, (faces.height, faces.width))
        selection = select_faces(faces, SelectSettings(**settings), mask=mask, boxes=boxes)
        return io.NodeOutput(
            selection.chosen, selection.rest, len(selection.chosen), ui=shown(report_on(selection.all))
        )
