"""A clip as a hand takes it: shaken, noisy, cut, with faces behind faces."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage import data

import gpen
from benchmarks.flicker import still_clip
from gpen.image.cuts import Changes, flashes, scene_cuts
from gpen.restore.averaging import averaged, window
from tests.support.clips import clip_of, face_at
from tests.support.detectors import Fixed
from tests.support.networks import Negative
from tests.support.photograph import LANDMARKS, photograph, portrait, tilted


def test_a_gap_behind_another_face_is_not_filled() -> None:
    """A small face passes behind a large one, which hides it in three frames."""
    near = [face_at(i, 100, 50, side=120) for i in range(13)]
    far = [face_at(i, 30.0 + 18 * i, 80) for i in range(13) if i not in (5, 6, 7)]
    tracked = gpen.track_faces(clip_of(near + far, 13), fade=1)
    behind = {face.frame: face.weight for face in tracked if face.size == 64}
    assert sorted(behind) == [0, 1, 2, 3, 4, 8, 9, 10, 11, 12]
    assert behind[4] == behind[8] == 0.5 and behind[3] == behind[9] == behind[12] == 1, "it fades where it is hidden"
    assert len({face.track for face in tracked if face.size == 64}) == 1, "it is the same face when it is seen again"
    alone = gpen.track_faces(clip_of(far, 13))
    assert [face.frame for face in alone] == list(range(13))


def test_scene_cut_ends_the_tracks() -> None:
    """The face of the next scene stands where that of the last stood; it is there at once, and no gap is filled."""
    faces = [face_at(i, 100) for i in range(12) if i != 6]
    one = gpen.track_faces(clip_of(faces, 12))
    two = gpen.track_faces(replace(clip_of(faces, 12), cuts=(6,)))
    assert {face.track for face in one} == {1} and len(one) == 12
    assert [face.track for face in two] == [1] * 6 + [2] * 5
    assert [face.weight for face in two][:7] == [1.0] * 6 + [0.25], "a face that comes after the cut fades in"
    there = gpen.track_faces(replace(clip_of([*faces, face_at(6, 100)], 12), cuts=(6,)))
    assert [face.weight for face in there] == [1.0] * 12


def test_scene_cuts_are_seen(shared: Path) -> None:
    """Shaken by hand, with noise, and a flash: only the change of the picture is a cut."""
    first, second = (photograph(), np.ascontiguousarray(portrait(shared)[:220, :220]))
    rng, changes, seen = np.random.default_rng(0), Changes(), []
    for frame in range(24):
        picture = first if frame < 12 else second
        moved = np.roll(tilted(picture, rng.uniform(-2, 2)), rng.integers(-4, 5, 2), axis=(0, 1))
        brighter = 80 if frame == 5 else 0
        noisy = np.clip(moved + rng.normal(brighter, 15, moved.shape), 0, 255).astype(np.uint8)
        seen.append(changes.of(noisy))
    assert scene_cuts(seen) == (12,)


@pytest.mark.parametrize("level", [0, 255], ids=["black", "white"])
def test_a_single_frame_of_nothing_ends_no_scene(shared: Path, level: int) -> None:
    """A dropped frame or a flash in mid-scene; between two scenes, it begins and ends them."""
    first, second = photograph(), np.ascontiguousarray(portrait(shared)[:220, :220])
    nothing = np.full_like(first, level)
    changes = Changes()
    seen = [changes.of(x) for x in (*[first] * 5, nothing, *[first] * 4, *[second] * 2, nothing, *[second] * 5)]
    assert scene_cuts(seen) == (10,) and flashes(seen) == (5, 12)
    changes = Changes()
    between = [changes.of(x) for x in (*[first] * 5, nothing, *[second] * 5)]
    assert scene_cuts(between) == (5, 6) and not flashes(between)


def test_a_face_is_the_same_after_a_flash() -> None:
    """Nothing is filled into the frame of the flash, and nothing fades around it."""
    tracked = gpen.track_faces(replace(clip_of([face_at(i, 100) for i in range(12) if i != 6], 12), flashes=(6,)))
    assert [face.frame for face in tracked] == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    assert {(face.track, face.weight) for face in tracked} == {(1, 1.0)}


def test_detection_tells_the_cuts() -> None:
    clip = still_clip(4)
    clip = torch.cat([clip, 1 - clip])
    assert gpen.detect_faces(clip, Fixed(face_at(0, 40, 40))).cuts == (4,)
    assert gpen.detect_faces(clip, Fixed(face_at(0, 40, 40))).scaled_to(100, 100).cuts == (4,)


def test_crops_are_laid_onto_each_other() -> None:
    """The same face, cut out a little aside, turned and scaled: its mean is as sharp as it is."""
    face = cv2.resize(photograph(), (256, 256), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    noise = np.random.default_rng(0)

    def seen(x: float, y: float, degrees: float, scale: float) -> torch.Tensor:
        matrix = cv2.getRotationMatrix2D((127.5, 127.5), degrees, scale)
        matrix[:, 2] += x, y
        moved = cv2.warpAffine(face, matrix, (256, 256), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return torch.from_numpy((moved + noise.normal(0, 0.06, face.shape)).clip(0, 1).astype(np.float32))

    here = seen(0, 0, 0, 1)
    near = [seen(7, -5, 2, 1), seen(-6, 3, -3, 1.02), seen(2, 8, 1, 0.98), seen(-4, -7, -1.5, 1)]
    inner = np.s_[60:200, 60:200]

    def error(crop: torch.Tensor) -> float:
        return float(np.square(crop.numpy() - face)[inner].mean())

    assert error(averaged(here, near)) < error(here) / 3.5


def test_window_is_as_wide_at_the_ends() -> None:
    frames = [3, 4, 5, 6, 8, 9, 10]
    assert window(frames, 6, 2) == [4, 5, 8, 9]
    assert window(frames, 3, 2) == [4, 5, 6]
    assert window(frames, 10, 2) == [6, 8, 9]
    assert window(frames, 8, 9) == [3, 4, 5, 6, 9, 10]
    assert window([7], 7, 2) == []


def test_ends_of_a_still_clip_are_as_good_as_its_middle() -> None:
    frames = 9
    clip, model = still_clip(frames), gpen.load_model("preview", device="cpu")
    seen = [gpen.Face(i, (65, 65, 155, 175), LANDMARKS, 0.9) for i in range(frames)]
    tracked = gpen.track_faces(gpen.Faces(tuple(seen), 220, 220, frames))
    pasted = gpen.paste_faces(clip, gpen.restore_faces(model, clip, tracked))
    truth = torch.from_numpy(data.astronaut()[0:220, 115:335]).float() / 255
    inside = (pasted.mask > 0.9).all(0)
    psnr = [-10 * float(torch.log10((frame - truth).square()[inside].mean())) for frame in pasted.image]
    assert min(psnr[0], psnr[-1]) > psnr[frames // 2] - 1


def test_a_face_behind_another_leaves_no_ghost() -> None:
    """Two heads that cross: the nearer one's pixels are those that they are without the other."""
    clip = torch.rand(1, 200, 260, 3, generator=torch.Generator().manual_seed(0))
    near, far = face_at(0, 40, 40, side=120), face_at(0, 110, 60, side=100)
    alone, both = (
        gpen.paste_faces(clip, gpen.restore_faces(Negative(), clip, gpen.Faces(faces, 260, 200, 1)))
        for faces in ((near,), (near, far))
    )
    behind = gpen.paste_faces(clip, gpen.restore_faces(Negative(), clip, gpen.Faces((far,), 260, 200, 1)))
    inside = alone.mask[0] > 0.01
    assert (inside & (behind.mask[0] > 0.5)).sum() > 100, "they do not meet"
    torch.testing.assert_close(both.image[0][inside], alone.image[0][inside], atol=1e-6, rtol=0)
    beside = (behind.mask[0] > 0.99) & (alone.mask[0] == 0) & (both.mask[0] > 0.99)
    assert beside.sum() > 300, "the other is not restored beside it"
    torch.testing.assert_close(both.image[0][beside], behind.image[0][beside], atol=0.02, rtol=0)
