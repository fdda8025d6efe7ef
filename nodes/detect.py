"""The station that finds faces."""

import torch
from comfy_api.latest import io

from ..gpen.errors import SettingError
from ..gpen.faces.detect import find_faces
from ..gpen.faces.landmarks import faces_from_landmarks
from ..gpen.faces.passes import SIZES, Search
from ..gpen.faces.preview import box_mask, draw_faces
from ..gpen.faces.report import describe
from .bridge import (
    CATEGORY,
    FacesType,
    LandmarksType,
    advanced,
    aliases,
    boxes_input,
    check_choices,
    on_intermediate_device,
    progress,
    say,
)
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
                advanced(
                    io.Combo.Input(
                        "size",
                        optional=True,
                        options=list(SIZES),
                        default=SIZES[0],
                        tooltip="The size at which the picture is looked at. long side 1000: large pictures are made "
                        "smaller, as by the official code. short side 480: small pictures are enlarged as well. "
                        "full size: slow, and finds the smallest faces of a large picture.",
                    )
                ),
                tiny_faces_input(),
                advanced(
                    io.Boolean.Input(
                        "edges",
                        optional=True,
                        default=False,
                        tooltip="Look a second time with the picture continued beyond its edges: "
                        "for faces that an edge cuts.",
                    )
                ),
                advanced(
                    io.Boolean.Input(
                        "rotated",
                        optional=True,
                        default=False,
                        tooltip="Look at the picture turned by 90, 180 and 270 degrees as well: for people who lie "
                        "and pictures on their side. Takes four times as long.",
                    )
                ),
                boxes_input(
                    "Where the faces are, if another node has found them: then only their eyes, nose and mouth "
                    "are looked for, inside each box"
                ),
                LandmarksType.Input(
                    "landmarks",
                    optional=True,
                    tooltip="The faces themselves, if MediaPipe Face Landmarker has found them: then nothing is "
                    "looked for, and the settings above do not count.",
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
            ],
            hidden=[io.Hidden.unique_id],
            **aliases("find faces", "face detection", "RetinaFace", "YuNet", "MTCNN", "人脸检测"),
        )

    @classmethod
    def validate_inputs(cls, detector: str | None = None, size: str | None = None) -> bool | str:
        return check_choices(("detector", detector, DETECTOR_CHOICES), ("size for detection", size, SIZES))

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        detector: str,
        threshold: float,
        size: str = SIZES[0],
        tiny_faces: bool = False,
        edges: bool = False,
        rotated: bool = False,
        boxes: object = None,
        landmarks: object = None,
    ) -> io.NodeOutput:
        if landmarks is None:
            found = find_faces(
                image,
                open_managed_detector(detector),
                threshold or None,
                on_frame=progress(),
                search=Search(size, tiny_faces, edges, rotated),
                boxes=boxes,
            )
        elif boxes is None:
            found = faces_from_landmarks(image, landmarks)
        else:
            raise SettingError("boxes and landmarks both say where the faces are; connect one of them")
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


def tiny_faces_input() -> io.WidgetInput:
    return advanced(
        io.Boolean.Input(
            "tiny_faces",
            optional=True,
            default=False,
            tooltip="Look a second time, at twice the size and in tiles: for faces of some 10 pixels in a crowd. "
            "Takes about five times as long.",
        )
    )
