"""A whole picture through the network, in tiles."""

import torch
from comfy_api.latest import io

from ..gpen.restore.tiles import OVERLAP, restore_tiled
from .bridge import CATEGORY, ManagedModel, ModelType, aliases, on_intermediate_device, progress


class GPENRestoreTiled(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENRestoreTiled",
            display_name="Restore Image in Tiles (GPEN)",
            category=CATEGORY,
            description="Runs the network over the whole picture in tiles of its own size, faces or not. "
            "For a portrait that fills a large picture; for people in a scene, restore their faces instead.",
            inputs=[
                ModelType.Input("model", tooltip="From Load GPEN Model."),
                io.Image.Input("image", tooltip="The picture to restore, of any size."),
                io.Int.Input(
                    "overlap",
                    default=OVERLAP,
                    min=0,
                    max=1024,
                    step=8,
                    tooltip="Pixels over which neighbouring tiles fade into each other, at most half of the model's "
                    "size. More hides seams better and takes longer.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The restored picture.")],
            **aliases("tile", "upscale face", "enhance portrait", "分块", "老照片修复"),
        )

    @classmethod
    def execute(cls, model: ManagedModel, image: torch.Tensor, overlap: int) -> io.NodeOutput:
        restored = restore_tiled(model, image, overlap=overlap, on_progress=progress())
        return io.NodeOutput(on_intermediate_device(restored))
