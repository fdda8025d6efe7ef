"""The station that follows faces through a clip."""

from comfy_api.latest import io

from ..gpen.faces.face import Faces
from ..gpen.faces.report import describe
from ..gpen.faces.track import count_tracks, track_faces
from .bridge import CATEGORY, FacesType, advanced, aliases, say


class GPENTrackFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENTrackFaces",
            display_name="Track Faces Through a Clip (GPEN)",
            category=CATEGORY,
            description="Takes a batch for the frames of a clip: finds out which faces are one, calms them, fills in "
            "where one was missed, and fades them in and out. Belongs between finding and restoring.",
            inputs=[
                FacesType.Input("faces", tooltip="From Detect Faces (GPEN), found in the frames of a clip."),
                io.Float.Input(
                    "smoothing",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How calm a face becomes: its place is smoothed over time, and noise is kept out of its "
                    "crop where nothing moves. Looks ahead as far as back, so nothing lags. 0 leaves it as found.",
                ),
                io.Int.Input(
                    "max_gap",
                    default=5,
                    min=0,
                    max=100,
                    tooltip="Most frames in a row in which a face may have been missed; they are filled in.",
                ),
                io.Int.Input(
                    "fade",
                    default=3,
                    min=0,
                    max=100,
                    tooltip="Frames over which a face that appears in mid-clip fades in, and one that goes fades out.",
                ),
                advanced(
                    io.Int.Input(
                        "min_length",
                        default=1,
                        min=1,
                        max=1000,
                        tooltip="Faces found in fewer frames are left out: most of those are none. 1 keeps all.",
                    )
                ),
            ],
            outputs=[
                FacesType.Output(display_name="faces", tooltip="The faces, followed, for Restore Faces (GPEN)."),
                io.Int.Output(display_name="count", tooltip="How many different faces the clip has."),
            ],
            hidden=[io.Hidden.unique_id],
            **aliases("video faces", "face tracking", "deflicker", "人脸跟踪", "视频人脸"),
        )

    @classmethod
    def execute(
        cls, faces: Faces, smoothing: float = 0.5, max_gap: int = 5, fade: int = 3, min_length: int = 1
    ) -> io.NodeOutput:
        tracked = track_faces(faces, smoothing=smoothing, max_gap=max_gap, fade=fade, min_length=min_length)
        return io.NodeOutput(tracked, count_tracks(tracked), ui=say(describe(tracked), cls))
