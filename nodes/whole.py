"""A whole picture through the network at once, taken as one upright face."""

import torch
from comfy_api.latest import io

from ..gpen.paste.settings import PasteSettings
from ..gpen.restore.whole import restore_aligned
from .bridge import CATEGORY, ManagedModel, ModelType, aliases, on_intermediate_device, progress
from .exchange import mask_or_none
from .widgets import widgets


class GPENRestoreAligned(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENRestoreAligned",
            display_name="Restore Whole Image (GPEN)",
            category=CATEGORY,
            description="Runs the network over the whole picture at once, without looking for faces: for upright faces "
            "that fill their picture, and for the networks that colour, fill holes or make a face of a map.",
            inputs=[
                ModelType.Input("model", tooltip="From Load GPEN Model. Its file decides what is done."),
                io.Image.Input(
                    "image",
                    tooltip="An upright face that fills the picture; for Seg2face the coloured map of its parts. The "
                    "result has the same size: upscale the picture first for a larger one.",
                ),
                *widgets(PasteSettings, "strength"),
                inpaint_mask_input(),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The result, of the size of the picture.")],
            **aliases("aligned face", "colorize", "inpaint face", "seg2face", "人脸上色", "老照片修复"),
        )

    @classmethod
    def execute(
        cls, model: ManagedModel, image: torch.Tensor, strength: float = 1.0, mask: torch.Tensor | None = None
    ) -> io.NodeOutput:
        mask = mask_or_none(mask, image.shape[1:3])
        done = restore_aligned(model, image, strength=strength, inpaint_mask=mask, on_progress=progress())
        return io.NodeOutput(on_intermediate_device(done))


def inpaint_mask_input() -> io.Mask.Input:
    return io.Mask.Input(
        "mask",
        optional=True,
        tooltip="For an inpainting model only: white is filled in, and every other pixel stays as it is. "
        "Without a mask it fills in what is white in the picture.",
    )
