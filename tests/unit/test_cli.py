"""The command line, as a person runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from gpen.cli import COMMANDS, main
from gpen.faces import detectors
from gpen.faces.select import KEYS
from gpen.faces.settings import ORDERS
from gpen.model import choices
from gpen.model.checkpoint import read_checkpoint
from gpen.model.precision import DTYPES
from gpen.model.tasks import TASKS
from tests.support import films
from tests.support.photograph import read_rgb


@pytest.fixture(autouse=True)
def no_models_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPEN_MODELS", str(tmp_path / "models"))


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """NASA's portrait of Eileen Collins (public domain), cut to the head."""
    path = tmp_path / "in" / "head.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), cv2.cvtColor(data.astronaut()[20:220, 120:320], cv2.COLOR_RGB2BGR))
    return path


def test_restores_a_file_to_a_file(head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.png"
    assert main(["restore", str(head), "--output", str(out), "--verbose"]) == 0
    before, after = read_rgb(head), read_rgb(out)
    assert after.shape == before.shape and np.abs(after.astype(int) - before).max() > 5
    assert "1 face found, 1 restored" in capsys.readouterr().out


def test_aligned_takes_the_picture_whole(head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.png"
    assert main(["restore", str(head), "--output", str(out), "--aligned"]) == 0
    before, after = read_rgb(head), read_rgb(out)
    assert after.shape == before.shape and (after != before).any(axis=2).mean() > 0.9, "only a face was restored"
    assert "taken as one face" in capsys.readouterr().out


def test_inpaint_mask_is_filled_and_nothing_else(head: Path, tmp_path: Path, shared: Path) -> None:
    model, mask, out = tmp_path / "model.safetensors", tmp_path / "mask.png", tmp_path / "out.png"
    assert main(["convert", str(shared / "golden" / "gpen_64.safetensors"), str(model), "--task", "inpainting"]) == 0
    torn = np.zeros((200, 200), np.uint8)
    torn[90:110, 60:140] = 255
    cv2.imwrite(str(mask), torn)
    arguments = ["restore", str(head), "--output", str(out), "--model", str(model), "--inpaint-mask", str(mask)]
    for how in ([], ["--aligned"]):
        assert main([*arguments, *how]) == 0
        changed = (read_rgb(out) != read_rgb(head)).any(axis=2)
        assert changed[torn > 0].mean() > 0.9 and not changed[torn == 0].any()


def test_faces_that_are_left_out_stay_as_they_were(
    head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    command = ["restore", str(head), "--output", str(out), "--verbose", "--rotated", "--detection-size", "full size"]
    assert main([*command, "--order", "largest", "--count", "1", "--max-size", "20"]) == 0
    np.testing.assert_array_equal(read_rgb(out), read_rgb(head))
    said = capsys.readouterr().out
    assert "#1 left out" in said and "larger than 20 px" in said


def test_one_unreadable_among_many(head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = head.parent
    (folder / "deep").mkdir()
    for name, size in (("a.png", (64, 48)), ("deep/b.jpg", (30, 70)), ("deep/c.png", (16, 16))):
        cv2.imwrite(str(folder / name), np.full((*size, 3), 90, np.uint8))
    (folder / "broken.jpg").write_text("not a picture", encoding="utf-8")
    (folder / "notes.txt").write_text("no picture at all", encoding="utf-8")
    out = tmp_path / "out"
    assert main(["restore", str(folder), "--output", str(out)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert sum("broken.jpg cannot be read as a picture" in line for line in errors) == 1
    assert "gpen: 1 of 5 pictures failed" in errors
    assert any("notes.txt" in line for line in errors), "passed over in silence"
    done = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {path for path in done if not path.startswith(".gpen-record/")} == {
        "head.png",
        "a.png",
        "deep/b.jpg",
        "deep/c.png",
    }


def test_strength_zero_alpha_and_16_bits_survive(head: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 65536, (40, 50, 4), np.uint16)
    cv2.imwrite(str(head.parent / "deep.png"), deep)
    out = tmp_path / "out"
    assert main(["restore", str(head), str(head.parent / "deep.png"), "--output", str(out), "--strength", "0"]) == 0
    np.testing.assert_array_equal(cv2.imread(str(out / "deep.png"), cv2.IMREAD_UNCHANGED), deep)
    np.testing.assert_array_equal(read_rgb(out / "head.png"), read_rgb(head))


def test_results_are_not_read_again(head: Path) -> None:
    out = head.parent / "out"
    for _ in range(2):
        assert main(["restore", str(head.parent), "--output", str(out)]) == 0
    assert [path.name for path in out.rglob("*.png")] == ["head.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["restore", "IN", "--output", "IN"], "would be overwritten"),
        (["restore", "IN", "--output", "FOLDER OF IN"], "would be overwritten"),
        (["restore", "FOLDER OF IN", "--output", "FOLDER OF IN"], "would be overwritten"),
        (["restore", "FOLDER OF IN", "OTHER FOLDER", "--output", "OTHER FOLDER"], "would be overwritten"),
        (["restore", "IN", "--output", "OUT.txt"], "expected a folder or a file"),
        (["restore", "FOLDER OF IN", "--output", "OUT.png"], "looks like a picture"),
        (["restore", "IN", "--output", "OUT", "--device", "toaster"], "'toaster' cannot be used here"),
        (["restore", "IN", "IN/../../other/head.png", "--output", "OUT"], "would both become"),
        (["restore", "IN", "--output", "OUT", "--model", "nothing.pth"], "no model file 'nothing.pth'"),
        (["restore", "IN", "--output", "OUT", "--model", "GPEN-BFR-512", "--offline"], "GPEN-BFR-512.pth"),
        (["restore", "IN", "--output", "OUT", "--strength", "2"], "strength"),
        (["restore", "IN", "--output", "OUT", "--count", "-1"], "count"),
        (["restore", "IN", "--output", "OUT", "--detector", "yunet", "--offline"], "face_detection_yunet_2023mar.onnx"),
        (["restore", "IN", "--output", "OUT", "--inpaint-mask", "IN"], "leave the mask out"),
        (["restore", "IN", "--output", "OUT", "--aligned", "--strength", "2"], "strength"),
        (["convert", "IN", "OUT.safetensors"], "not a checkpoint"),
    ],
)
def test_mistakes_are_one_line(
    head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "head.png").write_bytes(head.read_bytes())
    places = {"IN": str(head), "OUT": str(tmp_path / "out"), "OUT.safetensors": str(tmp_path / "out.safetensors")}
    places |= {"FOLDER OF IN": str(head.parent), "OTHER FOLDER": str(tmp_path / "other")}
    places |= {"OUT.txt": str(tmp_path / "out.txt"), "OUT.png": str(tmp_path / "out.png")}
    places["IN/../../other/head.png"] = str(tmp_path / "other" / "head.png")
    before = head.read_bytes()
    assert main([places.get(argument, argument) for argument in arguments]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and errors[0].startswith("gpen: ") and words in errors[0]
    assert head.read_bytes() == (tmp_path / "other" / "head.png").read_bytes() == before


def test_lists_the_catalogue(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    for name in ("preview", "GPEN-BFR-2048", "GPEN-Inpainting-1024", "parsing_parsenet", str(tmp_path / "models")):
        assert name in listed


def test_converts(shared: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.safetensors"
    assert main(["convert", str(shared / "golden" / "gpen_64.safetensors"), str(target), "--task", "inpainting"]) == 0
    checkpoint = read_checkpoint(target)
    assert checkpoint.metadata["task"] == "inpainting" and checkpoint.config.size == 64


def test_runs_as_a_module_into_a_pipe_that_lacks_letters(head: Path, tmp_path: Path) -> None:
    named = head.rename(head.with_name("фото.png"))
    command = [sys.executable, "-m", "gpen", "restore", str(named), "--output", str(tmp_path / "out"), "--verbose"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "1 face found, 1 restored" in done.stdout
    assert (tmp_path / "out" / "фото.png").is_file()


@pytest.mark.parametrize("command", ["prune", "convert"])
def test_a_source_that_is_missing_is_named_though_the_target_exists(command, tmp_path, capsys):
    target = tmp_path / "target.safetensors"
    target.touch()
    assert main([command, str(tmp_path / "missing.pth"), str(target)]) == 2
    assert "missing.pth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--aligned", "--skin", "0.5", "--order", "largest"], "--order, --skin would change nothing"),
        (["--aligned", "--detector", "mtcnn"], "--detector would change nothing"),
        (["--count", "-3"], "the count must be a whole number between 0 and 1000, and it is -3"),
        (["--skin", "7"], "the skin must be a number between 0 and 1, and it is 7"),
        (["--smoothing", "0.2"], "give --clip too"),
    ],
)
def test_what_would_change_nothing_is_refused(
    head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["restore", str(head), "--output", str(tmp_path / "out"), *arguments]) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_film_is_restored_from_file_to_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    av = pytest.importorskip("av")
    source = films.write_film(tmp_path / "in.mp4", films.shaken(3), sound=None)
    assert main(["restore", str(source), "--output", str(tmp_path / "out.mp4"), "--smoothing", "0"]) == 0
    assert "out.mp4: 3 frames, " in capsys.readouterr().out
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 3
    for flag in (["--aligned"], ["--clip"]):
        assert main(["restore", str(source), "--output", str(tmp_path / "folder"), *flag]) == 2
        assert f"{flag[0]} is for pictures only" in capsys.readouterr().err


def test_films_of_a_folder_are_restored_with_its_pictures(
    head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("av")
    films.write_film(head.parent / "clip.mp4", films.shaken(3), sound=None)
    (head.parent / "broken.mov").write_text("no film", encoding="utf-8")
    command = ["restore", str(head.parent), "--output", str(tmp_path / "out"), "--smoothing", "0"]
    report = tmp_path / "report.json"
    assert main([*command, "--report", str(report)]) == 1
    said = capsys.readouterr()
    assert "clip.mp4: 3 frames, " in said.out and "broken.mov cannot be opened as a film" in said.err
    assert len(films.decoded(tmp_path / "out" / "clip.mp4")) == 3 and (tmp_path / "out" / "head.png").is_file()
    told = {Path(one["source"]).name: one["kind"] for one in json.loads(report.read_text("utf-8"))["pictures"]}
    assert told == {"head.png": "restored", "clip.mp4": "restored", "broken.mov": "failed"}
    assert main([*command, "--dry-run"]) == 0
    assert "1 to restore, 2 done before" in capsys.readouterr().out
    assert not list((tmp_path / "out").glob(".*parts")), "what was begun is still there"


def test_a_detector_is_opened_once(head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    known = detectors.open_detector
    monkeypatch.setattr(detectors, "open_detector", lambda name, *rest: opened.append(name) or known(name, *rest))
    films.write_film(head.parent / "clip.mp4", films.shaken(2), sound=None)
    assert main(["restore", str(head.parent), "--output", str(tmp_path / "out"), "--detector", "mtcnn"]) == 0
    assert opened == ["mtcnn"]


def asked(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """What a Python of its own says, which has imported nothing yet."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["nonsense"]])
def test_starts_without_pytorch(arguments: list[str]) -> None:
    done = asked("-X", "importtime", "-m", "gpen", *arguments)
    imported = {line.rpartition(b"|")[2].strip() for line in done.stderr.splitlines()}
    assert b"gpen.cli" in imported and not imported & {b"torch", b"numpy", b"cv2"}
    assert b"restore" in done.stdout + done.stderr or b"gpen " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("asked_for", ["--help", "--nonsense"])
def test_arguments_of_a_command_need_no_pytorch(command: str, asked_for: str) -> None:
    done = asked("-X", "importtime", "-m", "gpen", command, asked_for)
    imported = {line.rpartition(b"|")[2].strip() for line in done.stderr.splitlines()}
    assert b"gpen.cli" in imported and b"torch" not in imported
    assert done.returncode == (0 if asked_for == "--help" else 2)
    assert b"usage: gpen " in done.stdout + done.stderr


def test_names_that_are_listed_without_pytorch_are_those_that_there_are() -> None:
    assert ("auto", *DTYPES, "fp8") == choices.PRECISIONS
    assert tuple(TASKS) == choices.TASK_NAMES
    assert tuple(KEYS) == ORDERS


def test_every_name_of_the_library_is_there_when_it_is_asked_for() -> None:
    script = """
import gpen.restore.plan, gpen
from gpen import restore
assert callable(restore) and gpen.restore is restore, "the folder of that name took its place"
assert set(gpen.__all__) <= set(dir(gpen)) and set(gpen.__all__) - {"__version__"} == set(gpen._PLACE_OF)
assert all(getattr(gpen, name) is not None for name in gpen.__all__)
assert not hasattr(gpen, "nonsense")
"""
    done = asked("-c", script)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.skipif(os.name == "nt", reason="argcomplete answers shells of Unix by a file descriptor")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [("gpen re", {"restore"}), ("gpen restore --over", {"--overwrite"}), ("gpen restore --mask ", {"oval", "box"})],
)
def test_shell_completes(typed: str, expected: set[str], tmp_path: Path) -> None:
    pytest.importorskip("argcomplete")
    answer = tmp_path / "answer"
    asked(
        "-m",
        "gpen",
        _ARGCOMPLETE="1",
        _ARGCOMPLETE_STDOUT_FILENAME=str(answer),
        _ARGCOMPLETE_IFS="\n",
        COMP_LINE=typed,
        COMP_POINT=str(len(typed)),
    )
    assert expected <= {word.strip() for word in answer.read_text("utf-8").split("\n")}
