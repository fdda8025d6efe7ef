"""GPEN face restoration: a plain PyTorch library.

import gpen

model = gpen.load_model("preview")
faces = gpen.detect_faces(picture)                 # picture: (B, H, W, 3) in 0..1
faces = gpen.select_faces(faces, order="largest", count=3).chosen  # or all of them
faces = gpen.restore_faces(model, picture, faces)
pasted = gpen.paste_faces(picture, faces)          # .image (B, H, W, 3), .mask (B, H, W)
"""

from .by_name import detect_faces, find_detector, find_parser, load_model
from .errors import CheckpointError, DetectorError, DownloadError, GPENError, PictureError, SettingError
from .faces.crops import face_crops, replace_crops
from .faces.face import Face, Faces
from .faces.landmarks import faces_from_landmarks
from .faces.passes import Search
from .faces.select import Selected, select_faces
from .faces.track import track_faces
from .image.lens import correct_lens
from .paste.compose import paste_faces
from .paste.settings import PasteSettings
from .pipeline import restore
from .restore.faces import restore_faces
from .restore.tiles import restore_tiled
from .restore.whole import restore_aligned

__all__ = [
    "CheckpointError",
    "DetectorError",
    "DownloadError",
    "Face",
    "Faces",
    "GPENError",
    "PasteSettings",
    "PictureError",
    "Search",
    "Selected",
    "SettingError",
    "correct_lens",
    "detect_faces",
    "face_crops",
    "faces_from_landmarks",
    "find_detector",
    "find_parser",
    "load_model",
    "paste_faces",
    "replace_crops",
    "restore",
    "restore_aligned",
    "restore_faces",
    "restore_tiled",
    "select_faces",
    "track_faces",
]
