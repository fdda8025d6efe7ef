"""GPEN face restoration: a plain PyTorch library.

import gpen

model = gpen.load_model("preview")
done = gpen.restore(model, picture)                # picture: (B, H, W, 3) in 0..1; done.image is another one

faces = gpen.detect_faces(picture)                 # the same step by step
faces = gpen.select_faces(faces, order="largest", count=3).chosen
faces = gpen.restore_faces(model, picture, faces)
pasted = gpen.paste_faces(picture, faces)          # .image (B, H, W, 3), .mask (B, H, W)
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .by_name import detect_faces, load_model, open_detector, open_parser, open_upscaler
    from .errors import (
        CheckpointError,
        DetectorError,
        DownloadError,
        GPENError,
        OutOfMemory,
        PictureError,
        SettingError,
        VideoError,
    )
    from .faces.crops import face_crops, replace_crops
    from .faces.face import Crop, Face, Faces, Outcome
    from .faces.landmarks import faces_from_landmarks
    from .faces.preview import preview
    from .faces.select import Selection, select_faces
    from .faces.settings import DetectSettings, SelectSettings, TrackSettings
    from .faces.track import track_faces
    from .image.files import PictureFile, read_picture, write_picture
    from .image.lens import correct_lens
    from .paste.compose import paste_faces
    from .paste.settings import PasteSettings
    from .pipeline import Masks, restore
    from .restore.faces import restore_faces
    from .restore.settings import RestoreSettings
    from .restore.tiles import restore_tiled
    from .restore.whole import restore_aligned
    from .upscaler.network import Upscaler
    from .upscaler.settings import UpscaleSettings
    from .upscaler.upscale import upscale
    from .video.restore import RestoredVideo, restore_video

__all__ = [
    "CheckpointError",
    "Crop",
    "DetectSettings",
    "DetectorError",
    "DownloadError",
    "Face",
    "Faces",
    "GPENError",
    "Masks",
    "OutOfMemory",
    "Outcome",
    "PasteSettings",
    "PictureError",
    "PictureFile",
    "RestoreSettings",
    "RestoredVideo",
    "SelectSettings",
    "Selection",
    "SettingError",
    "TrackSettings",
    "UpscaleSettings",
    "Upscaler",
    "VideoError",
    "__version__",
    "correct_lens",
    "detect_faces",
    "face_crops",
    "faces_from_landmarks",
    "load_model",
    "open_detector",
    "open_parser",
    "open_upscaler",
    "paste_faces",
    "preview",
    "read_picture",
    "replace_crops",
    "restore",
    "restore_aligned",
    "restore_faces",
    "restore_tiled",
    "restore_video",
    "select_faces",
    "track_faces",
    "upscale",
    "write_picture",
]

_PLACES = {
    "by_name": "detect_faces load_model open_detector open_parser open_upscaler",
    "errors": "CheckpointError DetectorError DownloadError GPENError OutOfMemory PictureError SettingError VideoError",
    "faces.crops": "face_crops replace_crops",
    "faces.face": "Crop Face Faces Outcome",
    "faces.landmarks": "faces_from_landmarks",
    "faces.preview": "preview",
    "faces.select": "Selection select_faces",
    "faces.settings": "DetectSettings SelectSettings TrackSettings",
    "faces.track": "track_faces",
    "image.files": "PictureFile read_picture write_picture",
    "image.lens": "correct_lens",
    "paste.compose": "paste_faces",
    "paste.settings": "PasteSettings",
    "pipeline": "Masks restore",
    "restore.faces": "restore_faces",
    "restore.settings": "RestoreSettings",
    "restore.tiles": "restore_tiled",
    "restore.whole": "restore_aligned",
    "upscaler.network": "Upscaler",
    "upscaler.settings": "UpscaleSettings",
    "upscaler.upscale": "upscale",
    "video.restore": "RestoredVideo restore_video",
}
"""Where each name is from. It is imported when it is asked for, so that what needs no PyTorch does not wait for it."""
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_PLACE_OF[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Library(ModuleType):
    """`restore` is what this module calls so; the folder of that name would take its place when it is imported."""

    @property
    def restore(self) -> Any:
        return __getattr__("restore")

    @restore.setter
    def restore(self, _: object) -> None: ...


sys.modules[__name__].__class__ = _Library
