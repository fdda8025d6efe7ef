"""GPEN face restoration: a plain PyTorch library.

import gpen

model = gpen.load_model("preview")
done = gpen.restore(model, picture)                # picture: (B, H, W, 3) in 0..1; done.image is another one

faces = gpen.detect_faces(picture)                 # the same step by step
faces = gpen.select_faces(faces, order="largest", count=3).chosen
faces = gpen.restore_faces(model, picture, faces)
pasted = gpen.paste_faces(picture, faces)          # .image (B, H, W, 3), .mask (B, H, W)
"""

from .by_name import detect_faces, load_model, open_detector, open_parser
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
from .faces.passes import DetectSettings
from .faces.select import Selection, SelectSettings, select_faces
from .faces.track import TrackSettings, track_faces
from .image.files import PictureFile, read_picture, write_picture
from .image.lens import correct_lens
from .paste.compose import paste_faces
from .paste.settings import PasteSettings
from .pipeline import Masks, restore
from .restore.faces import restore_faces
from .restore.plan import RestoreSettings
from .restore.tiles import restore_tiled
from .restore.whole import restore_aligned
from .version import __version__
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
    "VideoError",
    "__version__",
    "correct_lens",
    "detect_faces",
    "face_crops",
    "faces_from_landmarks",
    "load_model",
    "open_detector",
    "open_parser",
    "paste_faces",
    "read_picture",
    "replace_crops",
    "restore",
    "restore_aligned",
    "restore_faces",
    "restore_tiled",
    "restore_video",
    "select_faces",
    "track_faces",
    "write_picture",
]
