"""The node that follows faces through a clip."""

from typing import Any

from comfy_api.latest import io

from ..gpen.faces.face import Faces
from ..gpen.faces.report import report_on
from ..gpen.faces.settings import TrackSettings
from ..gpen.faces.track import count_tracks, track_faces
from .bridge import CATEGORY, FacesType, aliases, shown, shown_again
from .widgets import widgets


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
                *widgets(TrackSettings),
            ],
            outputs=[
                FacesType.Output(display_name="faces", tooltip="The faces, followed, for Restore Faces (GPEN)."),
                io.Int.Output(display_name="count", tooltip="How many different faces the clip has."),
            ],
            **shown_again(),
            **aliases("video faces", "face tracking", "deflicker", "人脸跟踪", "视频人脸"),
        )

    @classmethod
    def execute(cls, faces: Faces, **settings: Any) -> io.NodeOutput:
        tracked = track_faces(faces, TrackSettings(**settings))
        return io.NodeOutput(tracked, count_tracks(tracked), ui=shown(report_on(tracked)))
