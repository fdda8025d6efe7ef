"""A film restored from file to file: its faces are found and followed first, then its frames are done one by one."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..atomic_file import replacing
from ..by_name import open_detector, open_parser
from ..errors import SettingError
from ..faces.detectors import Detector
from ..faces.face import Faces
from ..faces.select import select_faces
from ..faces.settings import DetectSettings, SelectSettings, TrackSettings
from ..faces.track import track_faces
from ..paste.masks import check_parser
from ..paste.parsers import Parser
from ..paste.settings import PasteSettings
from ..progress import Progress
from ..restore.settings import RestoreSettings
from ..restorers.protocol import Restorer
from ..version import __version__
from ..weights.locate import Folders
from .encoding import Encoding, choose_encoding, what_changes
from .join import MUXERS, join, left_out
from .look import detect_in_film, faces_of
from .parts import SEGMENT, Parts
from .pyav import pyav
from .source import Film, look_at
from .write import Work, write_segments


@dataclass(frozen=True, eq=False)
class RestoredVideo:
    """A film that was restored."""

    path: Path
    frames: int
    faces: Faces
    """Those that were chosen, in all frames, without their crops."""
    notes: tuple[str, ...]
    """What of the source the result does not have, in sentences for people."""


def restore_video(
    model: Restorer,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    detector: str | Detector = "auto",
    detect: DetectSettings | None = None,
    select: SelectSettings | None = None,
    track: TrackSettings | None = None,
    restore: RestoreSettings | None = None,
    paste: PasteSettings | None = None,
    parser: Parser | None = None,
    folders: Folders | None = None,
    codec: str | None = None,
    crf: int | None = None,
    on_progress: Progress | None = None,
) -> RestoredVideo:
    """Restore the faces of a film, from file to file; memory does not grow with its length.

    Sound, subtitles, chapters, time stamps, rotation, colours and their depth stay; what cannot is told in `notes`.
    Pixels without a face go to the encoder as they were decoded. What is done lies in a hidden folder beside the
    target until the film is whole: the same call after a crash or an interrupt goes on there. The target appears
    whole or not at all.

    Args:
        model: what restores the faces.
        source: a film that FFmpeg reads.
        target: .mp4, .m4v, .mov, .mkv or .webm.
        detector: what finds the faces, or its name; see `open_detector`.
        detect, select, track, restore, paste: the settings of each step, by default its own.
        parser: for the masks that need one; by default it is opened by name.
        folders: where files are looked for; see `load_model`.
        codec: FFmpeg's name of an encoder; by default libx264 at 8 bits, libx265 at more, libvpx-vp9 for .webm.
        crf: the encoder's own scale of quality, less being better; by default 17, 19 and 24 for these.
        on_progress: called after each frame with (frames done, in all): each counts twice, once where its faces are
            looked for and once where it is written. What it raises stops the work.

    Raises `VideoError` for a film that cannot be read or written and where PyAV is missing, `SettingError` for a
    setting that cannot be.
    """
    source, target = Path(source), Path(target)
    paste, restore = paste or PasteSettings(), restore or RestoreSettings()
    muxer = _muxer(source, target)
    film = look_at(source)
    encoding = choose_encoding(film, target, codec, crf)
    notes = (*left_out(film, target), *what_changes(film, encoding))
    parser = parser or open_parser(paste.mask, folders=folders)
    check_parser(paste.mask, parser)
    if isinstance(detector, str):
        detector = open_detector(detector, folders=folders)
    settings = [repr(each) for each in (detect, select, track, restore, paste)]
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = Parts(target, _job(film, model, detector, settings, encoding))

    seen = detect_in_film(film, detector, detect, parts, on_progress)
    chosen = select_faces(faces_of(film, seen), select).chosen
    faces = track_faces(chosen, track).by_frame()
    work = Work(film, seen, faces, model, restore, paste, parser, encoding)
    segments = write_segments(work, parts, on_progress)
    with replacing(target) as temporary:
        join(film, segments, temporary, muxer)
    parts.remove()
    return RestoredVideo(target, len(seen), faces, notes)


def _muxer(source: Path, target: Path) -> str:
    muxer = MUXERS.get(target.suffix.lower())
    if muxer is None:
        raise SettingError(f"{target} cannot be written: a film's name must end with one of {', '.join(MUXERS)}")
    if target.exists() and source.exists() and target.samefile(source):
        raise SettingError(f"{target} is the film itself; write the result under another name")
    return muxer


def _job(film: Film, model: Restorer, detector: Detector, settings: list[str], encoding: Encoding) -> dict[str, Any]:
    """All that the result depends on."""
    stat = film.path.stat()
    return {
        "source": [str(film.path.resolve()), stat.st_size, stat.st_mtime_ns],
        "model": identity(model),
        "detector": type(detector).__name__,
        "settings": settings,
        "encoding": repr(encoding),
        "frames of a segment": SEGMENT,
        "versions": [__version__, pyav().__version__],
    }


def identity(model: Restorer) -> list[str]:
    """What tells a model from all others, also from one of the same name: a look at each of its weights is enough."""
    digest = hashlib.sha256()
    network = getattr(model, "network", None)  # what runs elsewhere than in PyTorch has none
    for name, weight in network.state_dict().items() if network is not None else ():
        few = weight.flatten()[:4].float().cpu().numpy()
        digest.update(f"{name} {list(weight.shape)}".encode() + few.tobytes())
    told = [f"{name}={value}" for name, value in model.settings.changed().items()]
    return [model.name, str(model.size), str(model.dtype), model.task.name, digest.hexdigest()[:16], *told]
