"""The node that restores a film from file to file."""

import hashlib
import io as memory
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import InputImpl, io

from ..gpen.faces.report import Report
from ..gpen.faces.settings import DetectSettings, SelectSettings, TrackSettings
from ..gpen.faces.track import count_tracks
from ..gpen.options import Settings, options_of
from ..gpen.paste.settings import PasteSettings
from ..gpen.restore.settings import RestoreSettings
from ..gpen.video.join import ending_for
from ..gpen.video.restore import RestoredVideo, identity, restore_video
from .bridge import CATEGORY, ManagedModel, ModelType, aliases, progress, shown, shown_again
from .detect import detector_input
from .files import open_managed_detector, open_managed_parser
from .widgets import widgets


class GPENRestoreVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENRestoreVideo",
            display_name="Restore Video (GPEN)",
            category=CATEGORY,
            description="Restores the faces of a film from file to file: frames are read, restored and written one by "
            "one, so a long film takes no more memory than a short one. Sound, subtitles and time stamps stay.",
            inputs=[
                ModelType.Input("model", tooltip="From Load GPEN Model."),
                io.Video.Input("video", tooltip="From Load Video: the film whose faces are restored."),
                *widgets(PasteSettings, "strength", "mask", "skin", "color"),
                detector_input(optional=True),
                *widgets(DetectSettings, "threshold", "tiny_faces"),
                *widgets(SelectSettings, "order", "count", "min_size", "max_sharpness", folded=True),
                *widgets(RestoreSettings, "detail"),
                *widgets(TrackSettings, folded=True),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    tooltip="The film with its faces restored, for Save Video. It lies in ComfyUI's temp folder.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="How many frames and faces the film has, and what of it could not be kept.",
                ),
            ],
            **shown_again(),
            **aliases("video face restore", "film", "face enhance video", "视频人脸修复", "老电影修复"),
        )

    @classmethod
    def execute(cls, model: ManagedModel, video: Any, detector: str = "auto", **settings: Any) -> io.NodeOutput:
        def chosen(kind: type[Settings]) -> Any:
            return kind(**{name: settings[name] for name in options_of(kind) if name in settings})

        kinds = (DetectSettings, SelectSettings, TrackSettings, RestoreSettings, PasteSettings)
        detect, select, track, restore, paste = map(chosen, kinds)
        opened, parser = open_managed_detector(detector), open_managed_parser(paste.mask)
        with _as_file(video) as source:
            done = restore_video(
                model,
                source,
                _target(source, model, detector, settings),
                detector=opened,
                detect=detect,
                select=select,
                track=track,
                restore=restore,
                paste=paste,
                parser=parser,
                on_progress=progress(),
            )
        report = _report(done)
        return io.NodeOutput(InputImpl.VideoFromFile(str(done.path)), str(report), ui=shown(report))


def _target(source: Path, model: ManagedModel, detector: str, settings: dict[str, Any]) -> Path:
    """In ComfyUI's temp folder, which it empties by itself; the same for the same work, so that it is gone on with
    after a cancel."""
    stat = source.stat()
    told = (str(source), stat.st_size, stat.st_mtime_ns, identity(model), detector, sorted(settings.items()))
    digest = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
    return Path(folder_paths.get_temp_directory()) / f"gpen_video_{digest}{ending_for(source)}"


@contextmanager
def _as_file(video: Any) -> Iterator[Path]:
    """Where a VIDEO lies on disk; one that lies elsewhere, or of which a part is meant, is written there meanwhile."""
    source = video.get_stream_source() if isinstance(video, InputImpl.VideoFromFile) else None
    if isinstance(source, str | os.PathLike) and not _is_part(video, str(source)):
        yield Path(source).absolute()
        return
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    # An .mkv may hold what any other file does; core writes .mp4.
    held = source if isinstance(source, memory.BytesIO) and not _is_part(video, source) else None
    path = folder / f"gpen_source_{secrets.token_hex(8)}{'.mkv' if held else '.mp4'}"
    try:
        if held:
            path.write_bytes(held.getbuffer())
        else:
            video.save_to(str(path))
        yield path
    finally:
        path.unlink(missing_ok=True)


def _is_part(video: Any, source: Any) -> bool:
    """Whether a part of its file is meant, as Video Slice of newer versions makes it."""
    try:
        return video.get_duration() != InputImpl.VideoFromFile(source).get_duration()
    except ValueError:  # no version can tell a part of such a film, either
        return False


def _report(done: RestoredVideo) -> Report:
    tracks = count_tracks(done.faces)
    told = f"{done.frames} frames, {len(done.faces)} faces in {tracks} tracks"
    return Report(message="\n".join([told, *done.notes]))
