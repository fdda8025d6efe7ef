"""Clips as a hand takes them: how calm and how like the person a tracked face becomes.

`python -m benchmarks.faces --only clips`
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import torch
from torch import Tensor

import gpen
from gpen.faces.alignment import template
from gpen.faces.face import Face, Faces
from gpen.paste.compose import Pasted

from .portraits import FOLDERS, people, portrait
from .row import Row, at_least, at_most

FRAMES, SIDE, PEOPLE = 12, 480, 3
SHAKE, TURN, NOISE = 4.0, 2.0, 0.06
"""Pixels, degrees, and the noise's σ in 0..1."""


def shaken_clip(picture: np.ndarray, shake: float, turn: float, seed: int = 0) -> tuple[Tensor, list[np.ndarray]]:
    """A picture (H, W, 3) in 0..1 held by a hand, with noise: (frames, H, W, 3), and how each frame was moved."""
    rng, (height, width) = np.random.default_rng(seed), picture.shape[:2]
    frames, moves = [], []
    for _ in range(FRAMES):
        move = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rng.uniform(-turn, turn), 1)
        move[:, 2] += rng.uniform(-shake, shake, 2)
        moved = cv2.warpAffine(picture, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        frames.append(np.round((moved + rng.normal(0, NOISE, moved.shape)).clip(0, 1) * 255) / 255)
        moves.append(move)
    return torch.from_numpy(np.stack(frames).astype(np.float32)), moves


def _held_still(frames: Tensor, moves: list[np.ndarray]) -> np.ndarray:
    """The same frames with what the hand did undone."""
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    pairs = zip(frames.numpy(), moves, strict=True)
    return np.stack(
        [cv2.warpAffine(x, move, x.shape[1::-1], flags=how, borderMode=cv2.BORDER_REPLICATE) for x, move in pairs]
    )


@cache
def measured(shake: float, turn: float, tracked: bool) -> tuple[float, tuple[float, ...]]:
    """Mean change from frame to frame in grey levels, and the PSNR of each frame in dB, over the people."""
    model, detector = gpen.load_model("preview", device="cpu"), gpen.open_detector("yunet", folders=FOLDERS)
    changes, ratios = [], []
    for file in people(PEOPLE):
        picture = portrait(file, SIDE).astype(np.float32) / 255
        clip, moves = shaken_clip(picture, shake, turn)
        found = gpen.detect_faces(clip, detector)
        faces = gpen.track_faces(found) if tracked else found
        pasted = gpen.paste_faces(clip, gpen.restore_faces(model, clip, faces))
        image, mask = (_held_still(x, moves) for x in (pasted.image, pasted.mask))
        inside = (mask > 0.9).all(0)
        changes.append(float(np.abs(np.diff(image, axis=0))[:, inside].mean()) * 255)
        errors = np.square(image - picture)[:, inside].mean((1, 2))
        ratios.append(-10 * np.log10(errors))
    return float(np.mean(changes)), tuple(np.mean(ratios, axis=0).tolist())


def shaking() -> tuple[Row, Row]:
    """What tracking does in a shaking hand."""
    return calm(), likeness()


def calm() -> Row:
    """How much a tracked face changes from frame to frame in a hand."""
    alone, tracked = (measured(SHAKE, TURN, one)[0] for one in (False, True))
    name = f"clip in a shaking hand, {PEOPLE} people: change from frame to frame, grey levels (untracked {alone:.1f})"
    return at_most(name, tracked, 2.8)


def likeness() -> Row:
    """What tracking gains in PSNR in a hand."""
    alone, tracked = (float(np.mean(measured(SHAKE, TURN, one)[1])) for one in (False, True))
    return at_least("clip in a shaking hand: PSNR gained by tracking, dB", tracked - alone, 1.5)


def ends() -> Row:
    """How much worse the first and the last frame of a still clip are than its middle."""
    ratios = measured(0, 0, tracked=True)[1]
    worst = ratios[FRAMES // 2] - min(ratios[0], ratios[-1])
    return at_most("still clip: first and last frame below the middle, dB", worst, 1)


def cuts() -> Row:
    """How many of the scenes of a clip of portraits, each in a shaking hand, end where they end."""
    pictures = [portrait(file, SIDE).astype(np.float32) / 255 for file in people(6)]
    clip = torch.cat([shaken_clip(picture, SHAKE, TURN, seed)[0][:6] for seed, picture in enumerate(pictures)])
    found = gpen.detect_faces(clip, gpen.open_detector("yunet", folders=FOLDERS))
    wanted = set(range(6, len(clip), 6))
    wrong = len(wanted ^ set(found.cuts))
    scenes = [{face.frame // 6 for face in gpen.track_faces(found) if face.track == track} for track in range(1, 99)]
    return at_most(
        "scene cuts missed or made up, and tracks that cross one, of 5", wrong + sum(len(s) > 1 for s in scenes), 0
    )


def ghosts() -> Row:
    """How much the nearer of two crossing faces changes by the other, in grey levels."""
    model = gpen.load_model("preview", device="cpu")
    picture = torch.from_numpy(portrait(people(1)[0], SIDE).astype(np.float32) / 255)[None]
    (near,) = gpen.detect_faces(picture, gpen.open_detector("yunet", folders=FOLDERS))
    side = near.size * 0.7
    left, top = near.box[0] + near.size * 0.75, near.box[1] + near.size * 0.2
    far = Face(0, (left, top, left + side, top + side), template(1) * side + np.array([left, top]), 0.9)

    def pasted(*faces: Face) -> Pasted:
        alone = Faces(tuple(replace(face, number=0) for face in faces), SIDE, SIDE, 1)
        return gpen.paste_faces(picture, gpen.restore_faces(model, picture, alone))

    alone, both = pasted(near), pasted(near, far)
    change = (both.image - alone.image).abs().amax(-1)[alone.mask > 0.01]
    return at_most(
        "crossing heads: most change of the nearer face by the other, grey levels", float(change.max()) * 255, 0.01
    )


ROWS: tuple[Callable[[], Row | tuple[Row, ...]], ...] = (shaking, ends, cuts, ghosts)
