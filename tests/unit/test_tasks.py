"""What the networks of each task are shown, and what of a picture they leave alone; on a real photograph."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch

import gpen
from gpen.faces.alignment import template
from gpen.image.picture import to_uint8
from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from gpen.restorers.protocol import Restorer
from tests.support.networks import Negative, Painter
from tests.support.photograph import photograph

SIZES = [(220, 220), (64, 64), (150, 97)]


def head(height: int = 220, width: int = 220) -> torch.Tensor:
    return torch.from_numpy(photograph()[:height, :width].copy())[None].float() / 255


def grey(picture: torch.Tensor) -> np.ndarray:
    """(1, H, W, 3) → (H, W) in grey levels, by OpenCV."""
    return cv2.cvtColor(picture[0].numpy(), cv2.COLOR_RGB2GRAY) * 255


def scratch(height: int = 220, width: int = 220) -> torch.Tensor:
    """A stroke across the face."""
    mask = np.zeros((height, width), np.float32)
    cv2.line(mask, (width // 4, height // 3), (3 * width // 4, height // 2), 1.0, 5)
    return torch.from_numpy(mask)[None]


def face_at(left: int, top: int) -> gpen.Faces:
    face = gpen.Face(0, (left, top, left + 96, top + 96), template(96) + np.array([left, top]), 0.9)
    return gpen.Faces((face,), 220, 220, 1)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Restorer]:
    """What a released file of that name loads as, with a small network of random numbers in it."""
    torch.manual_seed(0)
    shapes = GPENConfig.released(64, 1, 1 / 16, 32, 2).official_shapes()
    tensors = {name: torch.randn(shape) for name, shape in shapes.items()}

    def load(name: str) -> Restorer:
        path = tmp_path_factory.mktemp("models") / f"{name}.safetensors"
        write_checkpoint(path, tensors)
        return gpen.load_model(path, precision="fp32", device="cpu")

    return load


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("GPEN-BFR-512", "restoration"),
        ("GPEN-Colorization-1024", "colorization"),
        ("GPEN-Inpainting-1024", "inpainting"),
        ("GPEN-Seg2face-512", "segmentation"),
    ],
)
def test_task_is_chosen_by_the_checkpoint(released: Callable[[str], Restorer], name: str, task: str) -> None:
    model = released(name)
    assert model.task.name == task
    assert gpen.restore_aligned(model, head(64, 64)).shape == (1, 64, 64, 3)


# Colorization


@pytest.mark.parametrize("size", SIZES)
def test_colorization_keeps_the_luminance_of_the_whole_picture(
    size: tuple[int, int], released: Callable[[str], Restorer]
) -> None:
    for model in (Painter("colorization"), released("GPEN-Colorization-1024")):
        coloured = gpen.restore_aligned(model, head(*size))
        # Within a level of what came in, in pixels of 8 bits as well.
        assert np.abs(grey(coloured) - grey(head(*size))).max() < 1
        eight_bits = torch.from_numpy(to_uint8(coloured)) / 255
        assert np.abs(grey(eight_bits) - grey(head(*size))).max() < 1
        assert (coloured.amax(dim=3) - coloured.amin(dim=3)).mean() > 0.02, "it has no colour"


def test_colorization_takes_the_colours_of_the_network() -> None:
    coloured = gpen.restore_aligned(Painter("colorization", (0.8, 0.4, 0.2)), torch.full((1, 80, 60, 3), 0.45))
    luminance = 0.8 * 0.299 + 0.4 * 0.587 + 0.2 * 0.114
    expected = torch.tensor([0.8, 0.4, 0.2]) - luminance + 0.45
    torch.testing.assert_close(coloured, expected.expand(1, 80, 60, 3), atol=1e-5, rtol=0)


def test_colorization_of_a_picture_with_one_channel() -> None:
    grey_picture = head().mean(dim=3, keepdim=True)
    coloured = gpen.restore_aligned(Painter("colorization"), grey_picture)
    assert (
        coloured.shape == (1, 220, 220, 3) and np.abs(grey(coloured) - grey_picture[0, ..., 0].numpy() * 255).max() < 1
    )


def test_colorization_of_black_and_white_stays_black_and_white() -> None:
    ends = torch.zeros(1, 64, 64, 3)
    ends[:, :, 32:] = 1
    torch.testing.assert_close(gpen.restore_aligned(Painter("colorization"), ends), ends, atol=1e-5, rtol=0)


def test_colorization_sees_grey_even_of_a_coloured_picture() -> None:
    model = Painter("colorization")
    gpen.restore_aligned(model, head())
    assert model.seen.shape == (1, 3, 64, 64) and model.seen.std(dim=1).max() < 1e-6
    assert -1 <= model.seen.min() < -0.5 and 0.5 < model.seen.max() <= 1


def test_colorization_of_a_face_keeps_its_luminance() -> None:
    picture = head().mean(dim=3, keepdim=True)
    done = gpen.restore_faces(Painter("colorization"), picture, face_at(70, 60))
    assert done[0].crop is not None and done[0].crop.after is not None
    assert np.abs(grey(done[0].crop.after[None]) - grey(done[0].crop.before[None])).max() < 1
    pasted = gpen.paste_faces(picture, done, mask="box").image
    assert (pasted[0, 100, 110] - picture[0, 100, 110]).abs().max() > 0.05


# Inpainting


@pytest.mark.parametrize("size", SIZES)
def test_inpainting_leaves_every_pixel_outside_the_mask(
    size: tuple[int, int], released: Callable[[str], Restorer]
) -> None:
    picture, mask = head(*size), scratch(*size)
    outside = mask[..., None].expand_as(picture) == 0
    for model in (
        Painter("inpainting", (0.0, 1.0, 0.0)),
        released("GPEN-Inpainting-1024"),
    ):
        done = gpen.restore_aligned(model, picture, inpaint_mask=mask)
        assert torch.equal(done[outside], picture[outside])
        assert (done - picture).abs().amax(dim=3)[mask > 0].mean() > 0.1


def test_inpainting_takes_the_network_inside_the_mask() -> None:
    done = gpen.restore_aligned(Painter("inpainting", (0.0, 1.0, 0.0)), head(), inpaint_mask=scratch())
    deep = torch.from_numpy(cv2.erode(scratch()[0].numpy(), np.ones((3, 3))))[None] > 0
    assert (done[deep] - torch.tensor([0.0, 1.0, 0.0])).abs().max() < 0.35, "the damage shines through"
    assert (done[deep] - torch.tensor([0.0, 1.0, 0.0])).abs().mean() < 0.02


def test_inpainting_sees_a_white_hole_and_nothing_of_the_damage() -> None:
    model, picture, mask = Painter("inpainting"), head(64, 64), scratch(64, 64)
    gpen.restore_aligned(model, picture, inpaint_mask=mask)
    expected = torch.where(mask[..., None] > 0, 1.0, picture).movedim(3, 1) * 2 - 1
    torch.testing.assert_close(model.seen, expected)
    gpen.restore_aligned(model, head(), inpaint_mask=scratch())
    small = torch.nn.functional.interpolate(scratch()[None], (64, 64), mode="area")[0]
    assert (model.seen[0, :, small[0] > 0.02] == 1).all(), "a pixel that the damage has a share in is seen"


def test_inpainting_without_a_mask_fills_what_is_white() -> None:
    model = Painter("inpainting")
    done = gpen.restore_aligned(model, head())
    torch.testing.assert_close(done, model.colour.expand_as(done))


def test_inpainting_a_face_leaves_every_pixel_outside_the_mask() -> None:
    mask = torch.zeros(220, 220)
    mask[100:110, 90:140] = 1
    done = gpen.restore_faces(Painter("inpainting", (0.0, 1.0, 0.0)), head(), face_at(70, 60), inpaint_mask=mask)
    pasted = gpen.paste_faces(head(), done)
    changed = (pasted.image != head()).any(dim=3)[0]
    assert not (changed & (mask == 0)).any(), "a pixel outside the mask changed"
    assert changed[mask > 0].all()
    torch.testing.assert_close(pasted.image[0, 105, 115], torch.tensor([0.0, 1.0, 0.0]), atol=0.02, rtol=0)
    assert (pasted.mask[0][mask == 0] == 0).all() and pasted.mask[0, 105, 115] > 0.9


def test_inpainting_passes_over_faces_that_the_mask_does_not_touch() -> None:
    mask = torch.zeros(220, 220)
    mask[:4, :4] = 1
    model = Painter("inpainting")
    done = gpen.restore_faces(model, head(), face_at(100, 100), inpaint_mask=mask)
    assert (
        str(done[0].outcome) == "skipped: the mask does not touch it" and done[0].crop is None and not len(model.seen)
    )
    assert torch.equal(gpen.paste_faces(head(), done).image, head())


def test_skipped_face_loses_what_an_earlier_run_made_of_it() -> None:
    restored = gpen.restore_faces(Painter("restoration"), head(), face_at(100, 100))
    assert restored[0].crop is not None and restored[0].crop.after is not None
    mask = torch.zeros(220, 220)
    mask[:4, :4] = 1
    done = gpen.restore_faces(Painter("inpainting"), head(), restored, inpaint_mask=mask)
    assert torch.equal(gpen.paste_faces(head(), done).image, head())
    again = gpen.restore_faces(Painter("restoration"), head(), done)
    assert again[0].crop is not None and not torch.equal(gpen.paste_faces(head(), again).image, head())


def test_inpainting_mask_moves_with_an_upscaled_picture() -> None:
    mask = torch.zeros(220, 220)
    mask[100:110, 90:140] = 1
    done = gpen.restore_faces(Painter("inpainting", (0.0, 1.0, 0.0)), head(), face_at(70, 60), inpaint_mask=mask)
    large = torch.nn.functional.interpolate(head().movedim(3, 1), scale_factor=2.0, mode="bilinear").movedim(1, 3)
    changed = (gpen.paste_faces(large, done).image != large).any(dim=3)[0]
    rows, columns = changed.nonzero().unbind(1)
    assert (rows.min(), rows.max()) == (199, 220) and (columns.min(), columns.max()) == (179, 280)


def test_mask_for_another_task_is_refused() -> None:
    for run in (
        lambda: gpen.restore_aligned(Negative(), head(), inpaint_mask=scratch()),
        lambda: gpen.restore_faces(Negative(), head(), face_at(70, 60), inpaint_mask=scratch()),
    ):
        with pytest.raises(gpen.SettingError, match="negative is for restoration; leave the mask out"):
            run()


def test_as_many_masks_as_pictures() -> None:
    two = head().repeat(2, 1, 1, 1)
    done = gpen.restore_aligned(Painter("inpainting"), two, inpaint_mask=scratch())
    assert torch.equal(done[0], done[1])
    with pytest.raises(gpen.SettingError, match="one for each of 2 pictures, and there are 3"):
        gpen.restore_aligned(Painter("inpainting"), two, inpaint_mask=scratch().repeat(3, 1, 1))
    for bad in (torch.zeros(1, 4, 4, 3), torch.ones(1, 8, 8, dtype=torch.uint8), torch.full((1, 8, 8), torch.nan)):
        with pytest.raises(gpen.PictureError, match="mask"):
            gpen.restore_aligned(Painter("inpainting"), two, inpaint_mask=bad)


# Segmentation, and what all have in common


def test_segmentation_sees_the_map_in_0_to_1() -> None:
    model = Painter("segmentation")
    model.colour = torch.tensor([0.9, 0.7, 0.6])  # read back in 0..1 too: 2c - 1 is what the painter paints
    done = gpen.restore_aligned(model, head(64, 64))
    torch.testing.assert_close(model.seen, head(64, 64).movedim(3, 1))
    torch.testing.assert_close(done[0, 0, 0], torch.tensor([0.8, 0.4, 0.2]))


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (50, 200), (200, 50), (97, 33)])
def test_whole_picture_comes_back_in_its_own_size_and_place(size: tuple[int, int]) -> None:
    picture = torch.nn.functional.interpolate(head().movedim(3, 1), size, mode="area").movedim(1, 3)
    done = gpen.restore_aligned(Negative(), picture)
    assert done.shape == (1, *size, 3)
    # Up to what is lost on the way through the network's 64 pixels; moved by a sixteenth it would be far less alike.
    likeness = torch.corrcoef(torch.stack([done.flatten(), 1 - picture.flatten()]))[0, 1]
    assert likeness > 0.95


@pytest.mark.parametrize("size", [(1, 1), (3, 400)])
def test_tiny_and_narrow_pictures_come_back(size: tuple[int, int]) -> None:
    done = gpen.restore_aligned(Negative(), torch.full((1, *size, 3), 0.3))
    torch.testing.assert_close(done, torch.full((1, *size, 3), 0.7))


def test_whole_picture_of_the_network_s_size_is_not_resampled() -> None:
    picture = torch.rand(1, 64, 64, 3)  # of many colours: of a grey picture luminance alone would change
    torch.testing.assert_close(gpen.restore_aligned(Negative(), picture), 1 - picture)


def test_strength_of_a_whole_picture() -> None:
    picture = torch.rand(1, 64, 64, 3)
    half = gpen.restore_aligned(Negative(), picture, strength=0.5)
    torch.testing.assert_close(half, torch.full_like(half, 0.5))
    assert torch.equal(gpen.restore_aligned(Negative(), picture, strength=0), picture)
    with pytest.raises(gpen.SettingError, match="strength"):
        gpen.restore_aligned(Negative(), picture, strength=1.5)


def test_whole_pictures_count_and_can_stop() -> None:
    steps: list[tuple[int, int | None]] = []
    gpen.restore_aligned(
        Negative(), head().repeat(3, 1, 1, 1), on_progress=lambda done, total: steps.append((done, total))
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("task", ["colorization", "inpainting", "segmentation"])
def test_tiles_are_for_restoration_only(task: str) -> None:
    with pytest.raises(gpen.SettingError, match=f"negative is for {task} and must see a face as a whole"):
        gpen.restore_tiled(Negative(task=task), head())
