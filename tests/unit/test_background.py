"""`gpen restore --background`: pictures enlarged on the command line, with all that is true of files and folders."""

import argparse
import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from gpen.cli import main, restore, restoring
from gpen.cli.arguments import settings_from
from gpen.image.files import read_picture
from tests.support import upscalers
from tests.support.photograph import read_rgb

pytest.importorskip("spandrel", reason="spandrel is not installed")


@pytest.fixture(autouse=True)
def no_models_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPEN_MODELS", str(tmp_path / "models"))


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """NASA's portrait of Eileen Collins (public domain), cut to the head, out of focus, at 240 dots an inch."""
    path = tmp_path / "in" / "head.png"
    path.parent.mkdir()
    pixels = cv2.GaussianBlur(data.astronaut()[0:220, 115:335], (0, 0), 2)
    Image.fromarray(pixels).save(path, dpi=(240, 240))
    return path


@pytest.fixture
def upscaler(tmp_path: Path) -> Path:
    """Makes a square of four of each pixel."""
    return upscalers.write(tmp_path / "models" / "twice.pth", upscalers.repeating())


def test_a_file_becomes_larger_and_keeps_what_it_carried(
    head: Path, upscaler: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plain = tmp_path / "out.png", tmp_path / "plain.png"
    assert main(["restore", str(head), "-o", str(out), "--background", str(upscaler), "--device", "cpu"]) == 0
    assert "1 face found, 1 restored" in capsys.readouterr().out
    assert main(["restore", str(head), "-o", str(plain), "--device", "cpu"]) == 0
    before, after, small = (read_rgb(path).astype(int) for path in (head, out, plain))
    large = before.repeat(2, 0).repeat(2, 1)
    assert after.shape == large.shape == (440, 440, 3)
    restored = (small != before).any(2).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(after[:120, :80], large[:120, :80])
    # The face is restored, and lies where it lies without an upscaler.
    expected = small.repeat(2, 0).repeat(2, 1)
    assert np.abs(after - large)[restored].mean() > 2 * np.abs(after - expected)[restored].mean() > 0
    with Image.open(out) as image:
        assert image.info["dpi"] == pytest.approx((240, 240), abs=0.1)


def test_scale_tiles_precision_and_a_name_in_the_models_folder(head: Path, upscaler: Path, tmp_path: Path) -> None:
    command = ["restore", str(head), "--background", upscaler.name, "--device", "cpu", "-o"]
    for name, arguments in {
        "one": ["--scale", "3"],
        "tiles": ["--scale", "3", "--background-tile", "64"],
        "half": ["--scale", "3", "--background-precision", "bf16"],
    }.items():
        assert main([*command, str(tmp_path / f"{name}.png"), *arguments]) == 0
    one, tiles, half = (read_rgb(tmp_path / f"{name}.png").astype(int) for name in ("one", "tiles", "half"))
    assert one.shape == (660, 660, 3)
    assert np.abs(one - tiles).max() <= 1 and 0 < np.abs(one - half).max() <= 3


def test_grey_deep_clear_and_moving_pictures_stay_so(head: Path, upscaler: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    made = {
        "grey.png": rng.integers(0, 65536, (30, 40), np.uint16),
        "clear.png": rng.integers(0, 65536, (30, 40, 4), np.uint16),
        "flat.png": rng.integers(0, 256, (30, 40), np.uint8),
    }
    for name, pixels in made.items():
        cv2.imwrite(str(head.parent / name), pixels)
    frames = [Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8)) for _ in range(3)]
    frames[0].save(head.parent / "moving.png", save_all=True, append_images=frames[1:], duration=90)
    out = tmp_path / "out"
    command = ["restore", str(head.parent), "-o", str(out), "--background", str(upscaler), "--device", "cpu"]
    assert main([*command, "--compare"]) == 0
    for name, pixels in made.items():
        found = cv2.imread(str(out / name), cv2.IMREAD_UNCHANGED)
        assert found is not None and found.dtype == pixels.dtype and found.ndim == pixels.ndim
        large = pixels.repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(found[..., :3], large[..., :3])
    with Image.open(out / "moving.png") as image:
        assert image.size == (80, 60) and getattr(image, "n_frames", 1) == 3
    # Before and after side by side, each as large as the result.
    assert read_rgb(out / "head.compare.jpg").shape == (440, 880, 3)


def test_a_folder_goes_on_until_the_upscaler_or_its_scale_changes(
    head: Path, upscaler: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["restore", str(head.parent), "-o", str(tmp_path / "out"), "--device", "cpu"]
    other = upscalers.write(tmp_path / "models" / "four.pth", upscalers.repeating(4))

    def done(*arguments: str) -> bool:
        """Whether it is done; it has to be what --dry-run said."""
        assert main([*command, *arguments, "--dry-run"]) == 0
        said = capsys.readouterr().out.splitlines()[-1]
        assert main([*command, *arguments]) == 0
        skipped = "1 of 1 were done before" in capsys.readouterr().out
        assert said == f"{int(not skipped)} to restore, {int(skipped)} done before, 0 left out"
        return not skipped

    enlarged = ("--background", str(upscaler))
    assert done()
    assert done(*enlarged) and not done(*enlarged)
    assert done(*enlarged, "--scale", "2") and not done(*enlarged, "--scale", "2")
    assert done("--background", str(other)) and not done("--background", str(other))
    assert done(*enlarged), "another one was used since"
    # Another file in its place, of the same name.
    upscalers.write(upscaler, upscalers.repeating(3))
    assert done(*enlarged)
    assert read_rgb(tmp_path / "out" / "head.png").shape == (660, 660, 3)
    assert done() and read_rgb(tmp_path / "out" / "head.png").shape == (220, 220, 3)


def test_a_report_tells_the_upscaler_and_places_in_the_picture_that_was_given(
    head: Path, upscaler: Path, tmp_path: Path
) -> None:
    told = []
    for arguments in ([], ["--background", str(upscaler), "--scale", "1.5"]):
        report = tmp_path / "report.json"
        command = ["restore", str(head), "-o", str(tmp_path / "out.png"), "--report", str(report), "--device", "cpu"]
        assert main([*command, *arguments]) == 0
        told.append(json.loads(report.read_text(encoding="utf-8")))
    plain, enlarged = told
    assert enlarged["settings"]["background file"] == ["twice.pth", upscaler.stat().st_size]
    assert enlarged["settings"]["UpscaleSettings"]["scale"] == 1.5
    # Nothing is added where no upscaler is: what earlier versions have done is not done again.
    new = set(enlarged["settings"]) - set(plain["settings"])
    assert new == {"background", "background file", "background precision", "UpscaleSettings"}
    assert enlarged["pictures"][0]["faces"][0]["box"] == plain["pictures"][0]["faces"][0]["box"]


def test_the_frames_of_a_clip_become_larger(head: Path, upscaler: Path, tmp_path: Path) -> None:
    frame = cv2.imread(str(head))
    assert frame is not None
    cv2.imwrite(str(head.parent / "next.png"), np.roll(frame, 1, 1))
    command = ["restore", str(head.parent), "-o", str(tmp_path / "out"), "--clip", "--device", "cpu"]
    assert main([*command, "--background", str(upscaler)]) == 0
    first, second = (read_rgb(tmp_path / "out" / name).astype(int) for name in ("head.png", "next.png"))
    assert first.shape == second.shape == (440, 440, 3)
    assert np.abs(np.roll(first, 2, 1) - second)[:, 10:].mean() < 0.3


def test_a_worker_elsewhere_loads_the_same(
    head: Path, upscaler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a cluster's workers do: in a process, and so in a folder, of their own."""
    parser = argparse.ArgumentParser()
    restore.add(parser)
    monkeypatch.chdir(upscaler.parent)
    monkeypatch.setenv("GPEN_MODELS", str(tmp_path / "none"))
    said = parser.parse_args([str(head), "-o", "out", "--background", "twice.pth", "--device", "cpu", "--scale", "3"])
    settings = {kind: settings_from(said, kind) for kind in restore.SETTINGS}
    loader = pickle.dumps(restoring._loader(said, settings))
    monkeypatch.chdir(tmp_path)
    load_picture, films = pickle.loads(loader)()
    assert films is not None
    image, faces = load_picture(read_picture(head).rgb)
    assert image.shape == (1, 660, 660, 3) and faces is not None and len(faces) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scale", "2"], "--scale: this says how --background enlarges"),
        (["--background-precision", "bf16"], "--background-precision: this says how"),
        (["--background", "UPSCALER", "--aligned"], "with --aligned no face is looked for, so --background"),
        (["--background", "UPSCALER", "--scale", "0.5"], "the scale must be 1 or more"),
        (["--background", "UPSCALER", "--scale", "40"], "between 0 and 16"),
        (["--background", "none.pth"], "there is no upscaler 'none.pth'"),
        (["--background", "preview"], "GPEN network, which restores faces; give it as the model"),
        (["--background", "CLEANER"], "cleans pictures and leaves them as large"),
    ],
)
def test_what_cannot_be_is_said(
    arguments: list[str],
    words: str,
    head: Path,
    upscaler: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cleaner = upscalers.write(tmp_path / "cleaner.pth", upscalers.compact(1))
    given = [{"UPSCALER": str(upscaler), "CLEANER": str(cleaner)}.get(one, one) for one in arguments]
    assert main(["restore", str(head), "-o", str(tmp_path / "out.png"), *given]) == 2
    error = capsys.readouterr().err
    assert words in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out.png").exists()


def test_films_are_refused_or_left_out_by_name(
    head: Path, upscaler: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = head.parent / "film.mp4"
    film.write_bytes(b"looked at by its name alone")
    command = ["--background", str(upscaler), "--device", "cpu"]
    assert main(["restore", str(film), "-o", str(tmp_path / "out.mp4"), *command]) == 2
    assert "film.mp4 is a film, and --background is for pictures only" in capsys.readouterr().err
    assert main(["restore", str(head.parent), "-o", str(tmp_path / "out"), *command]) == 0
    assert "film.mp4" in capsys.readouterr().err
    assert read_rgb(tmp_path / "out" / "head.png").shape == (440, 440, 3)
