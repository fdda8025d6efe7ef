"""Faces through a clip: which are one, where they are, and what is restored."""

import gc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data

import gpen
from gpen.faces.alignment import template
from gpen.faces.face import Face, Faces
from gpen.faces.report import describe
from gpen.faces.select import select_faces
from gpen.faces.track import track_faces
from tests.support.clips import clip_of, face_at, flicker, still_clip
from tests.support.detectors import Fixed
from tests.support.faces import after_of
from tests.support.networks import Negative
from tests.support.photograph import LANDMARKS


def x_of(faces: gpen.Faces) -> np.ndarray:
    return np.array([face.landmarks[0, 0] for face in faces])


def test_still_face_becomes_calm() -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, (40, 5, 2))
    seen = [replace(face_at(i, 100), landmarks=template(64) + 100 + jitter) for i, jitter in enumerate(noise)]
    calm = gpen.track_faces(clip_of(seen, 40))
    assert {face.track for face in calm} == {1} and all(face.weight == 1 for face in calm)
    errors = np.stack([face.landmarks for face in calm]) - template(64) - 100
    assert errors.std() < noise.std() / 2
    assert np.diff(errors, axis=0).std() < np.diff(noise, axis=0).std() / 4
    untouched = gpen.track_faces(clip_of(seen, 40), smoothing=0)
    assert all(np.array_equal(a.landmarks, b.landmarks) for a, b in zip(untouched, seen, strict=True))


def test_moving_face_does_not_lag() -> None:
    seen = clip_of([face_at(i, 50 + 9.0 * i) for i in range(20)], 20)
    np.testing.assert_allclose(x_of(gpen.track_faces(seen, smoothing=1.0)), x_of(seen), atol=1e-6)


def test_face_that_jumps_is_followed_at_once() -> None:
    seen = clip_of([face_at(i, 100 if i < 10 else 125) for i in range(20)], 20)
    tracked = gpen.track_faces(seen)
    assert len({face.track for face in tracked}) == 1
    assert np.abs(x_of(tracked) - x_of(seen)).max() < 3.5


def test_short_gap_is_filled_and_a_long_one_is_not() -> None:
    seen = clip_of([face_at(i, 10.0 * i) for i in range(12) if i not in (5, 6)], 12)
    filled = gpen.track_faces(seen)
    assert [face.frame for face in filled] == list(range(12))
    np.testing.assert_allclose(x_of(filled)[5:7] - x_of(filled)[0], [50, 60], atol=1e-6)
    assert str(filled[5].outcome) == "filled in" and "12 faces found in 1 track, 2 filled in" in describe(filled)
    apart = gpen.track_faces(seen, max_gap=1, fade=0)
    assert [face.frame for face in apart] == [face.frame for face in seen]


def test_face_fades_in_and_out_within_the_clip_alone() -> None:
    stays = [face_at(i, 300) for i in range(12)]
    comes = [face_at(i, 50) for i in range(3, 10)]
    tracked = gpen.track_faces(clip_of(stays + comes, 12))
    weights = {track: [face.weight for face in tracked if face.track == track] for track in (1, 2)}
    assert weights[1] == [1.0] * 12
    assert weights[2] == [0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25]
    assert [face.frame for face in tracked] == sorted(face.frame for face in tracked)


def test_weight_is_how_much_is_pasted() -> None:
    picture = torch.from_numpy(data.astronaut())[None].float() / 255
    found = clip_of([face_at(0, 190, 60)], 1)
    full = gpen.restore_faces(Negative(), picture, found)
    half = full.with_faces([replace(full[0], weight=0.5)])
    whole, faded = gpen.paste_faces(picture, full), gpen.paste_faces(picture, half)
    torch.testing.assert_close(faded.mask, whole.mask / 2)
    # Where the whole face would have been brighter than white or darker than black, half of it is not.
    torch.testing.assert_close(faded.image, (whole.image + picture) / 2, atol=1e-3, rtol=0)


def test_crossing_faces_keep_their_tracks() -> None:
    right = [face_at(i, 100 + 12.0 * i, 50) for i in range(21)]
    left = [face_at(i, 340 - 12.0 * i, 70) for i in range(21)]
    order = [face for pair in zip(right, left, strict=True) for face in pair]
    tracked = gpen.track_faces(clip_of(order, 21), smoothing=0)
    for track in (1, 2):
        steps = np.diff([face.landmarks[0, 0] for face in tracked if face.track == track])
        assert len(steps) == 20 and np.ptp(steps) < 1e-6, "two faces swapped places"


def test_what_is_seen_too_seldom_is_left_out() -> None:
    seen = clip_of([face_at(i, 300) for i in range(6)] + [face_at(2, 50)], 6)
    assert len(gpen.track_faces(seen)) == 7
    assert [face.track for face in gpen.track_faces(seen, min_length=2)] == [1] * 6


def test_mistakes_are_named() -> None:
    mistakes: list[dict[str, Any]] = [{"smoothing": 1.5}, {"max_gap": -1}, {"fade": -1}, {"min_length": 0}]
    for wrong in mistakes:
        with pytest.raises(gpen.SettingError, match=str(*wrong.values())):
            gpen.track_faces(clip_of([], 1), **wrong)


def test_flicker_falls_by_half() -> None:
    frames = 7
    clip, model = still_clip(frames), gpen.load_model("preview", device="cpu")
    jitter = np.random.default_rng(1).normal(0, 0.4, (frames, 5, 2))
    seen = [gpen.Face(i, (65, 65, 155, 175), (LANDMARKS + jitter[i]).round(), 0.9) for i in range(frames)]
    found = gpen.Faces(tuple(seen), 220, 220, frames)
    alone, tracked = (
        gpen.paste_faces(clip, gpen.restore_faces(model, clip, faces)) for faces in (found, gpen.track_faces(found))
    )
    assert flicker(tracked.image, tracked.mask) < flicker(alone.image, alone.mask) / 2
    truth = torch.from_numpy(data.astronaut()[0:220, 115:335]).float() / 255
    inside = (alone.mask > 0.9).all(0) & (tracked.mask > 0.9).all(0)
    errors = [(pasted.image - truth).square()[:, inside].mean() for pasted in (alone, tracked)]
    assert errors[1] < errors[0], "calm was paid for with likeness"


def test_mouth_that_opens_is_not_smeared() -> None:
    frames, opens = 8, 4
    clip = still_clip(frames)
    clip[opens:, 134:152, 88:122] *= 0.3
    seen = [gpen.Face(i, (65, 65, 155, 175), LANDMARKS, 0.9) for i in range(frames)]
    found = gpen.Faces(tuple(seen), 220, 220, frames)
    alone = gpen.restore_faces(Negative(), clip, found)
    tracked = gpen.restore_faces(Negative(), clip, gpen.track_faces(found))
    mouth, cheek = np.s_[45:48, 26:37], np.s_[30:40, 22:26]

    def step(faces: gpen.Faces, frame: int, place: tuple[slice, slice]) -> float:
        after, before = after_of(faces[frame]), after_of(faces[frame - 1])
        return float((after[place] - before[place]).abs().mean())

    assert step(tracked, opens, mouth) > 0.95 * step(alone, opens, mouth) > 0.2
    for frame in range(1, frames):
        assert step(tracked, frame, cheek) < step(alone, frame, cheek) / 2
        if frame != opens:
            assert step(tracked, frame, mouth) < 0.05, "the mouth moved before or after it did"


def test_memory_does_not_grow_with_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Crops that are alive when a clip of any length is all but done."""
    monkeypatch.setattr("gpen.pipeline.MOST_KEPT", 0)
    alive: list[int] = []

    def count(done: int, total: int | None) -> None:
        if done == total:
            gc.collect()
            tensors = [o for o in gc.get_objects() if isinstance(o, torch.Tensor)]
            alive.append(sum(tuple(tensor.shape) == (64, 64, 3) for tensor in tensors))

    for frames in (12, 36):
        clip = torch.rand(frames, 160, 160, 3, generator=torch.Generator().manual_seed(0))
        before = len(alive)
        done = gpen.restore(Negative(), clip, Fixed(face_at(0, 40, 40)), track=gpen.TrackSettings(), on_progress=count)
        assert len(alive) > before
        assert done.mask.flatten(1).amax(1).gt(0.9).all()
        assert all(face.crop is None for face in done.faces)
        assert "its crop is not kept" in describe(done.faces)
    assert alive[-1] <= alive[1], f"{alive}"


def test_frame_by_frame_is_the_same_as_in_a_row() -> None:
    clip = torch.rand(3, 160, 160, 3, generator=torch.Generator().manual_seed(0))
    model = Negative()
    faces = gpen.restore_faces(model, clip, gpen.track_faces(gpen.detect_faces(clip, Fixed(face_at(0, 40, 40)))))
    pasted = gpen.paste_faces(clip, faces)
    done = gpen.restore(model, clip, Fixed(face_at(0, 40, 40)), track=gpen.TrackSettings())
    assert torch.equal(done.image, pasted.image) and torch.equal(done.mask, pasted.mask)
    assert all((face.crop is not None and face.crop.after is not None) for face in done.faces)


def test_a_face_that_was_filled_in_can_be_chosen_by_its_sharpness():
    landmarks = np.array([[30.0, 40], [70, 40], [50, 60], [35, 80], [65, 80]])
    known = ((0, 40.0), (2, 60.0))
    faces = [Face(frame, (20.0, 20, 80, 90), landmarks, 0.9, sharpness=sharp) for frame, sharp in known]
    tracked = track_faces(Faces(tuple(faces), 100, 100, 3))
    assert [face.sharpness for face in tracked] == [40, 50, 60]
    assert [face.frame for face in select_faces(tracked, max_sharpness=55).chosen] == [0, 1]
