"""The node that finds faces."""

from typing import Any

import torch
from comfy_api.latest import io

from ..gpen.errors import SettingError
from ..gpen.faces.detect import find_faces
from ..gpen.faces.landmarks import faces_from_landmarks
from ..gpen.faces.preview import box_mask, draw_faces
from ..gpen.faces.report import report_on
from ..gpen.faces.settings import DetectSettings
from .bridge import (
    CATEGORY,
    FacesType,
    aliases,
    on_intermediate_device,
    preview_on_node,
    progress,
    report_output,
    shown,
    shown_again,
)
from .exchange import LandmarksType, boxes_input
from .files import DETECTOR_CHOICES, open_managed_detector
from .widgets import widgets


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
                *widgets(DetectSettings),
                boxes_input(
                    "Where the faces are, if another node has found them: then only their eyes, nose and mouth "
                    "are looked for, inside each box"
                ),
                LandmarksType.Input(
                    "landmarks",
                    optional=True,
                    tooltip="The faces themselves, if Detect Face Landmarks (MediaPipe) has found them: then nothing "
                    "is looked for, and the settings above do not count.",
                ),
            ],
            outputs=[
                FacesType.Output(display_name="faces", tooltip="The faces, for Restore Faces (GPEN)."),
                io.Image.Output(
                    display_name="preview",
                    tooltip="The picture with each face framed, and its number, size, score and sharpness. "
                    "A small picture is shown enlarged.",
                ),
                io.Mask.Output(display_name="mask", tooltip="1 inside the box of a face, 0 elsewhere."),
                io.Int.Output(display_name="count", tooltip="How many faces were found."),
                report_output(),
            ],
            **shown_again(),
            **aliases("find faces", "face detection", "RetinaFace", "YuNet", "MTCNN", "人脸检测"),
        )

    @classmethod
    def execute(
        cls, image: torch.Tensor, detector: str, boxes: object = None, landmarks: object = None, **settings: Any
    ) -> io.NodeOutput:
        if landmarks is None:
            found = find_faces(
                image,
                open_managed_detector(detector),
                DetectSettings(**settings),
                boxes=boxes,
                on_progress=progress(),
            )
        elif boxes is None:
            found = faces_from_landmarks(image, landmarks)
        else:
            raise SettingError("boxes and landmarks both say where the faces are; connect one of them")
        preview, mask, report = draw_faces(image, found), box_mask(found), report_on(found)
        return io.NodeOutput(
            found,
            on_intermediate_device(preview),
            on_intermediate_device(mask),
            len(found),
            str(report),
            ui=shown(report) | preview_on_node(preview),
        )


def detector_input(optional: bool = False) -> io.Combo.Input:
    return io.Combo.Input(
        "detector",
        optional=optional,
        options=list(DETECTOR_CHOICES),
        default="auto",
        tooltip="auto: the best one whose file is on disk; it never downloads. mtcnn is always there. "
        "A detector chosen by name is fetched when the graph runs.",
    )
