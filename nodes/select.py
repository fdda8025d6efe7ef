"""The station where some of the faces are chosen."""

import torch
from comfy_api.latest import io

from ..gpen.faces.face import Faces
from ..gpen.faces.report import describe
from ..gpen.faces.select import ORDERS, select_faces
from .bridge import CATEGORY, FacesType, advanced, aliases, boxes_input, check_choices, say


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
                order_input(),
                count_input(),
                io.String.Input(
                    "indices",
                    optional=True,
                    default="",
                    tooltip="Numbers as the preview of Detect Faces shows them, such as 1, 3-5. Empty: all.",
                ),
                min_size_input(),
                io.Int.Input(
                    "max_size",
                    optional=True,
                    default=0,
                    min=0,
                    max=16384,
                    tooltip="Only faces that are at most so many pixels wide, or high where that is less. 0: no limit.",
                ),
                advanced(
                    io.Float.Input(
                        "min_percent",
                        optional=True,
                        default=0.0,
                        min=0.0,
                        max=100.0,
                        step=0.5,
                        tooltip="Only faces of at least this size, in percent of the picture's shorter side. "
                        "0: no limit.",
                    )
                ),
                advanced(
                    io.Float.Input(
                        "max_percent",
                        optional=True,
                        default=0.0,
                        min=0.0,
                        max=100.0,
                        step=0.5,
                        tooltip="Only faces of at most this size, in percent of the picture's shorter side. "
                        "0: no limit.",
                    )
                ),
                max_sharpness_input(),
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
            hidden=[io.Hidden.unique_id],
            **aliases("filter faces", "choose faces", "face index", "人脸选择"),
        )

    @classmethod
    def validate_inputs(cls, order: str | None = None) -> bool | str:
        return check_choices(("order of faces", order, ORDERS))

    @classmethod
    def execute(
        cls,
        faces: Faces,
        order: str = ORDERS[0],
        count: int = 0,
        indices: str = "",
        min_size: int = 0,
        max_size: int = 0,
        min_percent: float = 0.0,
        max_percent: float = 0.0,
        max_sharpness: float = 0.0,
        mask: torch.Tensor | None = None,
        boxes: object = None,
    ) -> io.NodeOutput:
        selected = select_faces(
            faces,
            order=order,
            count=count,
            indices=indices,
            min_size=min_size,
            max_size=max_size,
            min_percent=min_percent,
            max_percent=max_percent,
            max_sharpness=max_sharpness,
            mask=mask,
            boxes=boxes,
        )
        text = say(describe(selected.all), cls)
        return io.NodeOutput(selected.chosen, selected.rest, len(selected.chosen), ui=text)


def order_input() -> io.Combo.Input:
    return io.Combo.Input(
        "order",
        optional=True,
        options=list(ORDERS),
        default=ORDERS[0],
        tooltip="Which faces come first, by size, place, the detector's score or sharpness in the picture. "
        "It matters where count keeps only some.",
    )


def count_input() -> io.Int.Input:
    return io.Int.Input(
        "count",
        optional=True,
        default=0,
        min=0,
        max=1000,
        tooltip="How many faces of each picture are kept, the first in order. 0: all. 3 is a good value on a card "
        "with 4 GB.",
    )


def min_size_input() -> io.Int.Input:
    return io.Int.Input(
        "min_size",
        optional=True,
        default=0,
        min=0,
        max=16384,
        tooltip="Only faces that are at least so many pixels wide, and high. 0: no limit.",
    )


def max_sharpness_input() -> io.Float.Input:
    return io.Float.Input(
        "max_sharpness",
        optional=True,
        default=0.0,
        min=0.0,
        max=100.0,
        step=1.0,
        tooltip="Only the blurry faces: those whose sharpness, as the preview and the report say it, is at most this. "
        "Good portraits have 60 to 90, soft ones less than 45. 0: no limit.",
    )
