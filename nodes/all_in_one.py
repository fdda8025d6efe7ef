"""All stations in one node, with the few settings most people touch."""

from functools import partial

import torch
from comfy_api.latest import io

from ..gpen.faces.passes import Search
from ..gpen.faces.report import describe
from ..gpen.faces.select import ORDERS, select_faces
from ..gpen.model.strips import DETAIL
from ..gpen.paste.settings import COLORS, MASKS, PasteSettings
from ..gpen.pipeline import restore
from .bridge import (
    CATEGORY,
    FacesType,
    ManagedModel,
    ModelType,
    advanced,
    aliases,
    check_choices,
    on_intermediate_device,
    progress,
    say,
)
from .detect import detector_input, threshold_input, tiny_faces_input
from .files import DETECTOR_CHOICES, open_managed_detector, open_managed_parser
from .paste import color_input, mask_input, skin_input, strength_input
from .restore import detail_input
from .select import count_input, max_sharpness_input, min_size_input, order_input


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
                strength_input(),
                detector_input(),
                mask_input(),
                threshold_input(),
                advanced(
                    io.Boolean.Input(
                        "clip",
                        optional=True,
                        default=False,
                        tooltip="Take the batch for the frames of a clip: faces are followed, calmed and faded in and "
                        "out, as Track Faces Through a Clip (GPEN) does with its defaults.",
                    )
                ),
                advanced(order_input()),
                advanced(count_input()),
                advanced(min_size_input()),
                advanced(max_sharpness_input()),
                tiny_faces_input(),
                detail_input(),
                skin_input(),
                color_input(),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture with its faces restored."),
                FacesType.Output(display_name="faces", tooltip="The faces, restored, to be pasted in another way."),
                io.Mask.Output(display_name="mask", tooltip="How much of each pixel comes from a restored face."),
            ],
            hidden=[io.Hidden.unique_id],
            **aliases(
                "face fix", "fix faces", "face restore", "face enhance", "GFPGAN", "CodeFormer", "人脸修复", "脸部修复"
            ),
        )

    @classmethod
    def validate_inputs(
        cls,
        detector: str | None = None,
        mask: str | None = None,
        order: str | None = None,
        detail: str | None = None,
        color: str | None = None,
    ) -> bool | str:
        return check_choices(
            ("detector", detector, DETECTOR_CHOICES),
            ("mask", mask, MASKS),
            ("order of faces", order, ORDERS),
            ("detail", detail, tuple(DETAIL)),
            ("color", color, COLORS),
        )

    @classmethod
    def execute(
        cls,
        model: ManagedModel,
        image: torch.Tensor,
        strength: float,
        detector: str,
        mask: str,
        threshold: float,
        clip: bool = False,
        order: str = ORDERS[0],
        count: int = 0,
        min_size: int = 0,
        max_sharpness: float = 0.0,
        tiny_faces: bool = False,
        detail: str = "full",
        skin: float = 1.0,
        color: str = COLORS[0],
    ) -> io.NodeOutput:
        done = restore(
            model,
            image,
            open_managed_detector(detector),
            threshold=threshold or None,
            paste=PasteSettings(strength=strength, mask=mask, parser=open_managed_parser(mask), skin=skin, color=color),
            clip=clip,
            search=Search(tiny_faces=tiny_faces),
            select=partial(select_faces, order=order, count=count, min_size=min_size, max_sharpness=max_sharpness),
            detail=detail,
            on_step=progress(),
        )
        return io.NodeOutput(
            on_intermediate_device(done.image),
            done.faces,
            on_intermediate_device(done.mask),
            ui=say(describe(done.faces), cls),
        )
