"""The node that takes a lens's distortion out of a picture, and puts it back."""

import torch
from comfy_api.latest import io

from ..gpen.image.lens import DIRECTIONS, correct_lens
from .bridge import CATEGORY, aliases, on_intermediate_device


class GPENLensDistortion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENLensDistortion",
            display_name="Correct Lens Distortion (GPEN)",
            category=CATEGORY,
            description="Straightens what a wide lens bent, so that faces near the edge have their shape; "
            "a second one of these puts the distortion back after they are restored.",
            inputs=[
                io.Image.Input("image", tooltip="The picture to correct, or the corrected one to bend back."),
                io.Float.Input(
                    "strength",
                    default=0.0,
                    min=-1.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Above 0 for a wide lens, whose lines bend outwards (barrel); below 0 for a long one, "
                    "whose lines bend inwards (pincushion). 0 changes no pixel.",
                ),
                io.Combo.Input(
                    "direction",
                    options=list(DIRECTIONS),
                    default=DIRECTIONS[0],
                    tooltip="take out: before the faces are found. put back: after they are pasted, "
                    "with the same strength.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The picture, of the same size.")],
            **aliases("barrel", "pincushion", "undistort", "wide angle", "镜头畸变"),
        )

    @classmethod
    def execute(cls, image: torch.Tensor, strength: float, direction: str) -> io.NodeOutput:
        return io.NodeOutput(on_intermediate_device(correct_lens(image, strength, direction)))
