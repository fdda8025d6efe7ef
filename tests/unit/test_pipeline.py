"""How a picture flows, with a network that is known: it gives back the negative of what it sees."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from skimage import data

import gpen
from gpen.faces.alignment import template
from gpen.faces.report import describe
from tests.support.networks import Negative


def colourful() -> torch.Tensor:
    """A picture of which no part is grey or of one tint: there a network changes luminance alone."""
    return torch.rand(1, 512, 512, 3, generator=torch.Generator().manual_seed(0))


def faces_at(*places: tuple[int, int, int], frames: int = 1, size: int = 512) -> gpen.Faces:
    """Faces 64 pixels wide, each at (frame, left, top)."""
    found = [gpen.Face(frame, (x, y, x + 64, y + 64), template(64) + np.array([x, y]), 0.9) for frame, x, y in places]
    return gpen.Faces(tuple(found), size, size, frames)


def test_each_face_gets_its_crop_and_its_outcome() -> None:
    found = faces_at((0, 100, 50), (0, 300, 200), (0, 900, 10))
    done = gpen.restore_faces(Negative(), colourful(), found)
    assert [str(face.outcome) for face in done] == ["restored", "restored", "skipped: it lies outside the picture"]
    for face in done.faces[:2]:
        assert face.crop is not None and face.crop.after is not None
        assert face.crop.before.shape == face.crop.after.shape == (64, 64, 3)
        torch.testing.assert_close(face.crop.after, 1 - face.crop.before)
    assert found[0].crop is None, "what came in was changed"


@pytest.mark.parametrize(
    ("box", "landmarks", "why"),
    [
        ((10, 10, 10, 60), template(64), "its box has no area"),
        ((10, 10, 60, 60), np.full((5, 2), 30.0), "its landmarks lie on a line"),
        ((10, 10, 60, 60), np.full((5, 2), np.nan), "its landmarks lie on a line"),
    ],
)
def test_impossible_face_is_skipped(
    astronaut: torch.Tensor, box: tuple[float, float, float, float], landmarks: np.ndarray, why: str
) -> None:
    good = faces_at((0, 100, 50))[0]
    done = gpen.restore_faces(Negative(), astronaut, gpen.Faces((gpen.Face(0, box, landmarks, 1), good), 512, 512, 1))
    assert [str(face.outcome) for face in done] == [f"skipped: {why}", "restored"]
    pasted = gpen.paste_faces(astronaut, done)
    assert pasted.image.isfinite().all() and not torch.equal(pasted.image, astronaut)


@pytest.mark.parametrize("task", ["restoration", "segmentation"])
def test_value_range_follows_the_task(task: str) -> None:
    face = gpen.restore_faces(Negative(task=task), colourful(), faces_at((0, 100, 50)))[0]
    assert face.crop is not None and face.crop.after is not None
    torch.testing.assert_close(face.crop.after, 1 - face.crop.before)


def test_faces_of_a_small_picture_on_a_large_one(astronaut: torch.Tensor) -> None:
    large = torch.nn.functional.interpolate(astronaut.movedim(3, 1), scale_factor=2.0, mode="nearest").movedim(1, 3)
    small = gpen.restore_faces(Negative(), astronaut, faces_at((0, 100, 50)))
    moved = gpen.restore_faces(Negative(), large, faces_at((0, 100, 50)))
    assert (moved.width, moved.height) == (1024, 1024)
    assert small[0].crop is not None and moved[0].crop is not None
    # The large picture is the small one in blocks; the crop of a smoothed copy is nearly the same.
    assert (small[0].crop.before - moved[0].crop.before).abs().mean() < 0.02


def test_detail_reaches_the_network(astronaut: torch.Tensor) -> None:
    seen: list[str] = []

    class Watched(Negative):
        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(self.detail)
            return super().__call__(x)

    model = Watched()
    gpen.restore_faces(model, astronaut, faces_at((0, 100, 50)), detail="half")
    gpen.restore(model, astronaut, "mtcnn", restore=gpen.RestoreSettings(detail="quarter"))
    assert seen == ["half", "quarter"] and model.detail == "full"


def test_frames_must_belong_together(astronaut: torch.Tensor) -> None:
    with pytest.raises(gpen.SettingError, match="batch of 2 pictures, and this one has 1"):
        gpen.restore_faces(Negative(), astronaut, faces_at((1, 100, 50), frames=2))


def test_progress_counts_faces_and_can_stop(astronaut: torch.Tensor) -> None:
    steps: list[tuple[int, int | None]] = []
    three = faces_at((0, 0, 0), (0, 100, 50), (0, 300, 200))
    gpen.restore_faces(Negative(), astronaut, three, on_progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    model = Negative()
    with pytest.raises(KeyboardInterrupt):
        gpen.restore_faces(model, astronaut, three, on_progress=stop)
    assert len(model.runs) == 1


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    ],
)
def test_out_of_memory_makes_batches_smaller(astronaut: torch.Tensor, error: Exception) -> None:
    model = Negative(room=2, error=error)
    five = faces_at(*((0, 60 * i, 60 * i) for i in range(5)))
    done = gpen.restore_faces(model, astronaut, five, batch=5)
    assert all(str(face.outcome) == "restored" for face in done)
    assert [batch for batch, _ in model.runs] == [5, 2, 2, 1]


def test_out_of_memory_with_one_face_says_what_to_do(astronaut: torch.Tensor) -> None:
    model = Negative(room=0)
    with pytest.raises(gpen.GPENError, match=r"not enough memory for one face at 64×64; .* precision"):
        gpen.restore_faces(model, astronaut, faces_at((0, 100, 50)))
    assert model.runs == [(1, "auto"), (1, "low")]
    assert model.memory == "auto", "the model of the caller was changed"


def test_other_errors_are_not_swallowed(astronaut: torch.Tensor) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        gpen.restore_faces(Negative(room=0, error=RuntimeError("a bug")), astronaut, faces_at((0, 100, 50)))


@pytest.mark.parametrize("dress", [lambda x: x[..., :1], lambda x: torch.cat([x, x[..., :1]], 3)])
def test_grey_comes_back_as_rgb_and_alpha_as_it_was(
    astronaut: torch.Tensor, dress: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    picture = dress(astronaut)
    done = gpen.restore(Negative(), picture, "mtcnn")
    assert torch.equal(done.image[..., 3:], picture[..., 3:])
    assert done.image.shape[:3] == (1, 512, 512) and done.image.dtype == torch.float32
    assert done.mask.shape == (1, 512, 512)
    assert done.mask.max() > 0.9


def test_no_face_gives_the_very_picture_back() -> None:
    coffee = torch.from_numpy(data.coffee())[None].float() / 255
    done = gpen.restore(Negative(), coffee, gpen.open_detector("mtcnn"))
    assert torch.equal(done.image, coffee) and done.mask.max() == 0 and len(done.faces) == 0


def test_grain_is_the_same_step_by_step(astronaut: torch.Tensor) -> None:
    clip, model = astronaut.repeat(3, 1, 1, 1), Negative()
    in_a_row = gpen.restore(model, clip, "mtcnn", paste=gpen.PasteSettings(grain=1)).image
    restored = gpen.restore_faces(model, clip, gpen.detect_faces(clip, "mtcnn"))
    assert torch.equal(gpen.paste_faces(clip, restored, grain=1).image, in_a_row)
    assert not torch.equal(in_a_row[0], in_a_row[1]), "each frame has grain of its own"


def test_a_face_keeps_its_number(astronaut: torch.Tensor) -> None:
    found = faces_at((0, 20, 20), (0, 120, 20), (0, 220, 20), (0, 320, 20))
    chosen = gpen.select_faces(found, indices="3-4").chosen
    restored = gpen.restore_faces(Negative(), astronaut, chosen)
    tracked = gpen.track_faces(restored)
    for faces in (chosen, restored, tracked, tracked.scaled_to(100, 100)):
        assert [face.number for face in faces] == [3, 4]
        assert "#3 " in describe(faces) and "#1 " not in describe(faces)
