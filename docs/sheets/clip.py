"""A still clip with noise: its faces frame by frame and tracked, what changes between frames, and how a face comes."""

import numpy as np
import torch
from torch import Tensor

import gpen
from gpen.image.picture import to_uint8
from tests.support.clips import flicker, still_clip

from ..pictures import Row, captioned, scaled

# Of twelve frames, those in the middle: counted from 0.
SHOWN = (5, 6, 7)
GAIN = 10
WIDTH = 320
# Around the face, rows and columns.
PART = np.s_[45:195, 20:220]
FADE = 3
APPEARS = 3
FADE_WIDTH = 191


def make() -> list[Row]:
    """Frames and their changes, without and with tracking; below, the first frames of a face that appears."""
    clip, model = still_clip(), gpen.load_model("preview", device="cpu")
    found = gpen.detect_faces(clip, "mtcnn")
    rows: list[Row] = []
    for way, faces in {"not tracked": found, "tracked, smoothing = 0.5": gpen.track_faces(found)}.items():
        pasted = gpen.paste_faces(clip, gpen.restore_faces(model, clip, faces))
        rows += _frames(way, pasted.image, pasted.mask)
    return [*rows, _fade()]


def _frames(way: str, clip: Tensor, mask: Tensor) -> list[Row]:
    above: dict[str, Row] = {}
    below: dict[str, Row] = {}
    for t in SHOWN:
        above[f"{way}: frame {t + 1}"] = _cell(clip[t], WIDTH)
        change = (clip[t] - clip[t - 1]).abs().mean(dim=2, keepdim=True).expand(-1, -1, 3)
        mean = flicker(clip[t - 1 : t + 1], mask[t - 1 : t + 1])
        below[f"change since frame {t}, times {GAIN}: {mean:.1f} grey levels"] = _cell(change * GAIN, WIDTH)
    return [captioned(above), captioned(below)]


def _fade() -> Row:
    """The face is found from one frame on only, as one that comes out of the dark."""
    clip = still_clip(2 * APPEARS + FADE)
    clip = (clip + torch.randn(clip.shape, generator=torch.Generator().manual_seed(0)) * 0.08).clamp(0, 1)
    faces = gpen.detect_faces(clip, "mtcnn")
    faces = faces.with_faces(face for face in faces if face.frame >= APPEARS)
    tracked = gpen.track_faces(faces, fade=FADE)
    pasted = gpen.paste_faces(clip, gpen.restore_faces(gpen.load_model("preview", device="cpu"), clip, tracked)).image
    weights = {face.frame: face.weight for face in tracked}
    cells: dict[str, Row] = {}
    for t in range(APPEARS - 1, APPEARS + FADE + 1):
        said = f"{weights[t]:.0%} restored" if t in weights else "not found yet"
        cells[f"fade = {FADE}, frame {t + 1}: {said}"] = _cell(pasted[t], FADE_WIDTH)
    return captioned(cells)


def _cell(frame: Tensor, width: int) -> Row:
    return scaled(to_uint8(frame[PART]), width)
