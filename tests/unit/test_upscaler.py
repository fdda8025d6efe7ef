"""The rest of the picture: upscalers, the tiles they run in, and faces put into what they made."""

import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gpen
from gpen.upscaler import upscale as module
from tests.support import restorers, tolerances, upscalers
from tests.support.measure import psnr
from tests.support.networks import write_small
from tests.support.photograph import portrait, scaled, tensor

pytest.importorskip("spandrel", reason="spandrel is not installed")


@pytest.fixture
def repeats(tmp_path: Path) -> gpen.Upscaler:
    """Makes a square of four of each pixel."""
    return opened(upscalers.repeating(), tmp_path)


def opened(network: nn.Module, folder: Path, **how: Any) -> gpen.Upscaler:
    return gpen.open_upscaler(upscalers.write(folder / "upscaler.pth", network), device="cpu", **how)


def repeated(picture: Tensor, scale: int) -> Tensor:
    return picture.repeat_interleave(scale, 1).repeat_interleave(scale, 2)


def shrunk_by_two(picture: Tensor) -> Tensor:
    return picture.unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).mean((2, 4))


class Cramped:
    """An upscaler on a device that has room for tiles of so many pixels."""

    def __init__(self, upscaler: gpen.Upscaler, room: int, monkeypatch: pytest.MonkeyPatch):
        self.runs: list[tuple[int, bool]] = []
        run = upscaler.enlarge

        def enlarge(picture: Tensor) -> Tensor:
            pixels = picture.shape[1] * picture.shape[2]
            self.runs.append((pixels, pixels <= room))
            if pixels > room:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return run(picture)

        monkeypatch.setattr(upscaler, "enlarge", enlarge)


class TestNetworks:
    @pytest.mark.parametrize("name", ["upscaler.pth", "upscaler.safetensors"])
    @pytest.mark.parametrize("scale", [2, 4])
    def test_each_pixel_is_where_it_belongs(self, name: str, scale: int, tmp_path: Path) -> None:
        upscaler = gpen.open_upscaler(upscalers.write(tmp_path / name, upscalers.repeating(scale)), device="cpu")
        picture = torch.rand(2, 37, 53, 3, generator=torch.Generator().manual_seed(0))
        assert upscaler.scale == scale and f"{scale} times larger" in repr(upscaler)
        torch.testing.assert_close(gpen.upscale(upscaler, picture), repeated(picture, scale), atol=0, rtol=0)

    @pytest.mark.parametrize("network", [upscalers.compact, upscalers.esrgan, upscalers.swinir])
    def test_equals_a_direct_call(self, network: Callable[[], nn.Module], tmp_path: Path, astronaut: Tensor) -> None:
        direct, picture = network(), astronaut[:, 60:156, 170:282]
        with torch.inference_mode():
            expected = direct(picture.movedim(3, 1)).clamp(0, 1).movedim(1, 3)
        assert expected.std() > 0.02, "a plain picture shows nothing"
        torch.testing.assert_close(
            gpen.upscale(opened(direct, tmp_path), picture), expected, atol=tolerances.PICTURE, rtol=0
        )

    def test_bf16_is_near(self, tmp_path: Path, astronaut: Tensor) -> None:
        whole, half = (opened(upscalers.esrgan(), tmp_path, precision=which) for which in ("fp32", "bf16"))
        assert half.dtype == torch.bfloat16
        picture = astronaut[:, 60:156, 170:282]
        found = psnr(2 * gpen.upscale(half, picture), 2 * gpen.upscale(whole, picture))
        assert found >= tolerances.HALF_PSNR[torch.bfloat16]

    @pytest.mark.parametrize(
        ("write", "words"),
        [
            (lambda path: write_small(path), "GPEN network, which restores faces; give it as the model"),
            (lambda path: restorers.write(path, restorers.small_gfpgan()), "GFPGAN network, which restores faces"),
            (lambda path: upscalers.write(path, upscalers.compact(1)), "cleans pictures and leaves them as large"),
            (lambda path: upscalers.write(path, upscalers.compact(2, colours=1)), "not for pictures of three colours"),
            (lambda path: upscalers.write(path, nn.Linear(3, 3)), "no network that spandrel knows"),
        ],
    )
    def test_what_is_no_upscaler_is_refused(self, write: Callable[[Path], Path], words: str, tmp_path: Path) -> None:
        path = write(tmp_path / "other.safetensors") if write.__code__.co_names[0] == "write_small" else None
        with pytest.raises(gpen.CheckpointError, match=words):
            gpen.open_upscaler(path or write(tmp_path / "other.pth"), device="cpu")

    def test_what_is_not_there_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(gpen.DownloadError, match=r"no upscaler 'none\.pth'.*none is fetched"):
            gpen.open_upscaler("none.pth", folders={"gpen": [tmp_path]})
        (tmp_path / "some.onnx").write_bytes(b"\x08\x07")
        with pytest.raises(gpen.CheckpointError, match=r"\.onnx file\. Expected an upscaler"):
            gpen.open_upscaler(tmp_path / "some.onnx")
        file = upscalers.write(tmp_path / "upscaler.pth", upscalers.compact())
        assert gpen.open_upscaler("upscaler.pth", folders={"gpen": [tmp_path]}, device="cpu").name == "upscaler"
        with pytest.raises(gpen.SettingError, match="no weights in 8 bits"):
            gpen.open_upscaler(file, precision="fp8")
        monkeypatch.setitem(sys.modules, "spandrel", None)
        with pytest.raises(gpen.CheckpointError, match="pip install spandrel"):
            gpen.open_upscaler(file)

    def test_what_gives_no_picture_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        broken = upscalers.repeating()
        next(broken.parameters()).data.fill_(math.nan)
        with pytest.raises(gpen.CheckpointError, match="NaN or infinite values of the picture"):
            gpen.upscale(opened(broken, tmp_path), torch.rand(1, 8, 8, 3))
        lies = opened(upscalers.repeating(), tmp_path)
        monkeypatch.setattr(lies.descriptor, "scale", 3)
        with pytest.raises(gpen.CheckpointError, match="made 16×16 pixels of 8×8, and should make them 3 times"):
            gpen.upscale(lies, torch.rand(1, 8, 8, 3))


class TestTiles:
    @pytest.mark.parametrize(
        "network", [partial(upscalers.esrgan, 2), upscalers.realesrgan, upscalers.compact, upscalers.swinir]
    )
    @pytest.mark.parametrize("tile", [32, 75])
    def test_the_same_as_the_whole(
        self, network: Callable[[], nn.Module], tile: int, tmp_path: Path, astronaut: Tensor
    ) -> None:
        """SwinIR sees two windows of eight pixels around a place, and fills a side up to a multiple of them."""
        upscaler, picture = opened(network(), tmp_path), astronaut[:, 60:157, 150:275]
        whole = gpen.upscale(upscaler, picture, tile=256)
        torch.testing.assert_close(gpen.upscale(upscaler, picture, tile=tile), whole, atol=tolerances.PICTURE, rtol=0)

    def test_out_of_memory_makes_tiles_smaller_and_keeps_what_is_done(
        self, repeats: gpen.Upscaler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        picture = torch.rand(2, 200, 300, 3, generator=torch.Generator().manual_seed(0))
        cramped, steps = Cramped(repeats, 200 * 200, monkeypatch), []
        done = gpen.upscale(repeats, picture, on_progress=lambda *step: steps.append(step))
        torch.testing.assert_close(done, repeated(picture, 2), atol=1e-6, rtol=0)
        # The first tile of 256 pixels each way fails; what is too wide after that is cut in two, and the second picture
        # begins with tiles that fit.
        failed = [pixels for pixels, fits in cramped.runs if not fits]
        assert len(failed) == 1, cramped.runs
        assert steps[-1] == (2 * 200 * 300,) * 2 and steps == sorted(steps) and len(steps) > 8

    def test_no_room_at_all(self, repeats: gpen.Upscaler, monkeypatch: pytest.MonkeyPatch) -> None:
        cramped = Cramped(repeats, 0, monkeypatch)
        with pytest.raises(gpen.OutOfMemory, match="choose a lower precision or a smaller upscaler"):
            gpen.upscale(repeats, torch.rand(1, 300, 300, 3))
        assert len(cramped.runs) == 4, "256, 128, 64 and 32 pixels"

    def test_tiles_are_as_large_as_memory_has_room_for(
        self, repeats: gpen.Upscaler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(repeats, "bytes_of_pixel", lambda: 1000.0)
        monkeypatch.setattr(repeats, "free_bytes", lambda: 2 * 1000.0 * 464**2)
        cramped = Cramped(repeats, 464**2, monkeypatch)
        gpen.upscale(repeats, torch.rand(1, 700, 700, 3))
        assert all(fits for _, fits in cramped.runs) and len(cramped.runs) == 4
        assert max(pixels for pixels, _ in cramped.runs) > 0.6 * 464**2

    def test_what_progress_raises_stops_it(self, repeats: gpen.Upscaler) -> None:
        def stop(_: int, __: int | None) -> None:
            raise InterruptedError

        with pytest.raises(InterruptedError):
            gpen.upscale(repeats, torch.rand(1, 64, 64, 3), tile=32, on_progress=stop)

    def test_a_network_with_tiles_of_its_own_is_given_the_whole(
        self, repeats: gpen.Upscaler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spandrel = pytest.importorskip("spandrel")
        monkeypatch.setattr(repeats.descriptor, "tiling", spandrel.ModelTiling.INTERNAL)
        cramped = Cramped(repeats, 10**9, monkeypatch)
        gpen.upscale(repeats, torch.rand(1, 400, 600, 3))
        assert cramped.runs == [(400 * 600, True)]


class TestSizes:
    @pytest.mark.parametrize(("scale", "size"), [(0, (80, 122)), (1, (40, 61)), (1.5, (60, 92)), (3, (120, 183))])
    def test_any_scale(self, scale: float, size: tuple[int, int], repeats: gpen.Upscaler, astronaut: Tensor) -> None:
        picture = astronaut[:, 100:140, 200:261]
        done = gpen.upscale(repeats, picture, scale=scale)
        assert done.shape == (1, *size, 3) and done.min() >= 0 and done.max() <= 1
        flat = gpen.upscale(repeats, torch.full_like(picture, 0.3), scale=scale)
        torch.testing.assert_close(flat, torch.full_like(flat, 0.3), atol=1e-6, rtol=0)
        assert abs(float(done.mean() - picture.mean())) < 0.002

    def test_down_to_its_own_size_is_about_the_picture(self, repeats: gpen.Upscaler, astronaut: Tensor) -> None:
        assert psnr(2 * gpen.upscale(repeats, astronaut, scale=1), 2 * astronaut) > 30

    @pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2)])
    def test_small_pictures(self, size: tuple[int, int], repeats: gpen.Upscaler) -> None:
        picture = torch.rand(1, *size, 3)
        torch.testing.assert_close(gpen.upscale(repeats, picture), repeated(picture, 2), atol=0, rtol=0)

    def test_alpha_grey_and_pictures_of_others(self, repeats: gpen.Upscaler) -> None:
        clear = torch.rand(1, 20, 30, 4)
        clear[..., 3] = 0.25
        done = gpen.upscale(repeats, clear)
        torch.testing.assert_close(done[..., :3], repeated(clear[..., :3], 2))
        assert done.shape == (1, 40, 60, 4) and torch.allclose(done[..., 3], torch.tensor(0.25))
        grey = gpen.upscale(repeats, torch.rand(1, 20, 30, 1))
        assert grey.shape == (1, 40, 60, 3) and torch.equal(grey[..., 0], grey[..., 2])
        array = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
        expected = array.repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal((gpen.upscale(repeats, array)[0].numpy() * 255).round(), expected)

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"scale": 0.5}, "the scale must be 1 or more, or 0"),
            ({"scale": 17.0}, "between 0 and 16"),
            ({"tile": 8}, "the tile must be 32 pixels or more"),
            ({"size": 2}, "unknown setting 'size'"),
        ],
    )
    def test_settings_that_cannot_be(self, settings: dict[str, Any], words: str, repeats: gpen.Upscaler) -> None:
        with pytest.raises(gpen.SettingError, match=words):
            gpen.upscale(repeats, torch.rand(1, 8, 8, 3), **settings)


class TestRestore:
    def test_faces_lie_in_the_enlarged_picture(self, repeats: gpen.Upscaler, astronaut: Tensor) -> None:
        model = gpen.load_model("preview", device="cpu")
        blurred = torch.from_numpy(cv2.GaussianBlur(astronaut[0].numpy(), (0, 0), 3))[None]
        plain = gpen.restore(model, blurred, "mtcnn")
        whole = gpen.UpscaleSettings(tile=512)
        done = gpen.restore(model, blurred, "mtcnn", background=repeats, upscale=whole)
        assert done.image.shape == (1, 1024, 1024, 3) and done.mask.shape == (1, 1024, 1024)
        outside = done.mask[0] == 0
        assert 0.5 < outside.float().mean() < 1
        torch.testing.assert_close(done.image[0][outside], repeated(blurred, 2)[0][outside], atol=0, rtol=0)
        # As large as it was, it is the picture that is made without: the face in its place, and as it was restored.
        face = plain.mask[0] > 0.9
        shrunk, expected, before = (
            2 * picture[0][face] for picture in (shrunk_by_two(done.image), plain.image, blurred)
        )
        assert psnr(shrunk, expected) > psnr(shrunk, before) + 6
        moved = psnr(shrunk, 2 * plain.image.roll(1, 2)[0][face])
        assert psnr(shrunk, expected) > moved + 3, "it lies a pixel beside its place"
        torch.testing.assert_close(shrunk_by_two(done.mask[..., None])[..., 0], plain.mask, atol=0.02, rtol=0)
        # What comes back tells of the picture that was given, and can be pasted again.
        assert repr(done.faces) == repr(plain.faces) and done.faces[0].box == plain.faces[0].box
        again = gpen.paste_faces(repeated(blurred, 2), done.faces, cut_from=blurred)
        torch.testing.assert_close(again.image, done.image)

    def test_batches_masks_scale_and_alpha(self, repeats: gpen.Upscaler, astronaut: Tensor) -> None:
        model = gpen.load_model("preview", device="cpu")
        head = astronaut[:, :220, 115:335]
        batch = torch.cat([torch.cat([picture, torch.full_like(head[..., :1], 0.5)], 3) for picture in (head, head)])
        left = torch.zeros(1, 220, 220)
        left[..., :110] = 1
        done = gpen.restore(
            model,
            batch,
            "mtcnn",
            masks=gpen.Masks(paste=left),
            background=repeats,
            upscale=gpen.UpscaleSettings(scale=1.5),
        )
        assert done.image.shape == (2, 330, 330, 4) and torch.allclose(done.image[..., 3], torch.tensor(0.5))
        assert [face.outcome.kind for face in done.faces] == ["restored", "restored"]
        assert (done.mask[..., :160] > 0.9).any() and not (done.mask[..., 170:] > 0).any()
        torch.testing.assert_close(done.image[0], done.image[1])

    def test_noise_that_an_upscaler_hides_is_not_taken_for_the_face(self, shared: Path) -> None:
        model, clean = gpen.load_model("preview", device="cpu"), tensor(portrait(shared))
        noisy = (clean + torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)) * 12 / 255).clamp(0, 1)
        faces = gpen.restore_faces(model, noisy, gpen.detect_faces(noisy, "mtcnn"))
        smooth, true = (tensor(scaled((picture[0].numpy() * 255).astype(np.uint8), 2)) for picture in (noisy, clean))
        left, top, right, bottom = (round(2 * side) for side in faces[0].box)
        known, unknown = (
            psnr(2 * done.image[:, top:bottom, left:right], 2 * true[:, top:bottom, left:right])
            for done in (gpen.paste_faces(smooth, faces, cut_from=noisy), gpen.paste_faces(smooth, faces))
        )
        assert known > unknown + 0.5
        with pytest.raises(gpen.SettingError, match="enlarged copies"):
            gpen.paste_faces(smooth, faces, cut_from=torch.cat([noisy, noisy]))

    def test_one_tile_is_the_default_for_small_pictures(self, repeats: gpen.Upscaler) -> None:
        steps: list[tuple[int, int | None]] = []
        side = module.TILE
        gpen.upscale(repeats, torch.rand(1, side, side, 3), on_progress=lambda *step: steps.append(step))
        assert steps == [(side**2, side**2)]
