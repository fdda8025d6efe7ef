"""A folder is a job: resumed, reported, and ended by no picture."""

import csv
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gpen.errors import OutOfMemory, PictureError, SettingError
from gpen.faces.face import Crop, Face, Faces, Outcome
from gpen.folder.films import Films
from gpen.folder.plan import listed, plan_for
from gpen.folder.record import FOLDER, Record
from gpen.folder.report import write_report
from gpen.folder.result import FAILED, RESTORED, SKIPPED, UNCHANGED
from gpen.folder.run import FolderSettings, remaining, run
from gpen.image.files import read_picture

SETTINGS = {"model": "none"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures of several formats in two folders, and what lies about in people's folders."""
    made = tmp_path / "in"
    (made / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(12):
        pixels = rng.integers(0, 256, (24, 20 + index, 3), np.uint8)
        suffix = ("png", "jpg", "webp", "tiff")[index % 4]
        Image.fromarray(pixels).save(made / ("deep" if index % 3 == 0 else ".") / f"{index:02}.{suffix}")
    (made / "._00.png").write_bytes(b"what macOS leaves")
    (made / "notes.txt").write_text("not a picture", encoding="utf-8")
    return made


def invert(picture: Tensor) -> tuple[Tensor, Faces]:
    """Stands for restoring: one face, whose crop is the picture."""
    done = 1 - picture
    crop = Crop(picture[0], np.eye(2, 3), np.zeros((5, 2)), done[0])
    height, width = picture.shape[1:3]
    face = Face(0, (0, 0, width, height), np.zeros((5, 2)), 0.9, 1, 50.0, crop=crop, outcome=Outcome("restored"))
    return done, Faces((face,), width, height, 1)


def nothing(picture: Tensor) -> tuple[Tensor, Faces]:
    height, width = picture.shape[1:3]
    return picture, Faces((), width, height, 1)


def files(folder: Path) -> dict[str, bytes]:
    """Place → bytes of the results in a folder."""
    found = (path for path in folder.rglob("*") if path.is_file() and FOLDER not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def kinds(results) -> list[str]:
    return [result.kind for result in results]


def test_what_is_done_is_skipped_and_what_changed_is_done_again(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert kinds(run(plan_for([folder], out), invert, SETTINGS)) == [RESTORED] * 12
    first = files(out)
    assert len(first) == 12 and set(first) == set(files(folder)) - {"._00.png", "notes.txt"}
    plan = plan_for([folder], out)
    assert not remaining(plan, SETTINGS, FolderSettings(), overwrite=False)
    results = list(run(plan, invert, SETTINGS))
    assert kinds(results) == [SKIPPED] * 12 and all(len(result.faces) == 1 for result in results)

    (out / "01.jpg").write_bytes(first["01.jpg"][:100])  # a result that is not whole
    (out / "02.webp").unlink()
    os.utime(folder / "04.png")  # a source that is newer
    again = {result.job.place.as_posix() for result in run(plan, invert, SETTINGS) if result.kind == RESTORED}
    assert again == {"01.jpg", "02.webp", "04.png"} and files(out) == first
    assert kinds(run(plan, invert, {"model": "another"})) == [RESTORED] * 12
    assert kinds(run(plan, invert, {"model": "another"}, overwrite=True)) == [RESTORED] * 12
    assert kinds(run(plan, invert, {"model": "another"}, FolderSettings(quality=50))) == [RESTORED] * 12


def test_pictures_without_a_change_are_copied(folder: Path, tmp_path: Path) -> None:
    assert kinds(run(plan_for([folder], tmp_path / "out"), nothing, SETTINGS)) == [UNCHANGED] * 12
    for place, data in files(tmp_path / "out").items():
        assert (folder / place).read_bytes() == data


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemory("no room"),
        RuntimeError("CUDA out of memory. Tried to allocate 9 GiB"),
        PictureError("strange"),
        ZeroDivisionError("a mistake of ours"),
    ],
)
def test_a_picture_that_fails_ends_nothing(error: Exception, folder: Path, tmp_path: Path) -> None:
    (folder / "05.jpg").write_bytes((folder / "05.jpg").read_bytes()[:300])

    def sometimes(picture: Tensor) -> tuple[Tensor, Faces]:
        if picture.shape[2] == 24:
            raise error
        return invert(picture)

    results = list(run(plan_for([folder], tmp_path / "out"), sometimes, SETTINGS))
    failed = {result.job.place.name: result.why for result in results if result.kind == FAILED}
    assert set(failed) == {"04.png", "05.jpg"} and "damaged" in failed["05.jpg"]
    assert "\n" not in failed["04.png"] and failed["04.png"]
    assert len(files(tmp_path / "out")) == 10
    assert kinds(run(plan_for([folder], tmp_path / "out"), invert, SETTINGS)).count(RESTORED) == 1


def test_what_would_fail_for_all_ends_the_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(picture: Tensor) -> tuple[Tensor, Faces]:
        raise SettingError("no such thing")

    with pytest.raises(SettingError, match="no such thing"):
        list(run(plan_for([folder], tmp_path / "out"), wrong, SETTINGS))

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PictureError, match=r"No space left on device.*goes on from here"):
        list(run(plan_for([folder], tmp_path / "out"), invert, SETTINGS))


def test_killed_at_any_moment_every_file_is_whole_and_the_next_run_ends_the_work(folder: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    started = time.monotonic()
    list(run(plan_for([folder], whole), invert, SETTINGS))
    takes = time.monotonic() - started
    wanted = files(whole)
    earlier = dict.fromkeys(list(wanted)[::2], b"an earlier result")
    context, rng = multiprocessing.get_context("fork"), random.Random(5)
    torch.set_num_threads(1)
    unfinished = 0
    for _ in range(50):
        for place, data in earlier.items():
            (out / place).parent.mkdir(parents=True, exist_ok=True)
            (out / place).write_bytes(data)
        child = context.Process(target=lambda: list(run(plan_for([folder], out), invert, SETTINGS)))
        child.start()
        time.sleep(rng.uniform(0, takes))
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        for place, data in files(out).items():
            if not Path(place).name.startswith(".gpen-"):  # what was being written has a name of its own
                assert data in (wanted[place], earlier.get(place)), f"{place} is neither an earlier nor a new result"
        todo = remaining(plan_for([folder], out), SETTINGS, FolderSettings(), overwrite=False)
        unfinished += 0 < len(todo) < 12
        list(run(plan_for([folder], out), invert, SETTINGS))
        done = files(out)
        assert {place: done[place] for place in wanted} == wanted
        for path in sorted(out.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    assert unfinished > 10, "hardly one was killed in the middle"


def test_a_record_cut_short_is_read_up_to_there(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    list(run(plan_for([folder], out), invert, SETTINGS))
    (path,) = (out / FOLDER).iterdir()
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:5]) + lines[5][:40], encoding="utf-8")
    assert len(remaining(plan_for([folder], out), SETTINGS, FolderSettings(), overwrite=False)) == 7


def test_beside_a_result(folder: Path, tmp_path: Path) -> None:
    out, how = tmp_path / "out", FolderSettings(compare=True, save_crops=True)
    list(run(plan_for([folder], out), invert, SETTINGS))
    assert kinds(run(plan_for([folder], out), invert, SETTINGS, how)) == [RESTORED] * 12, "they are missing"
    assert kinds(run(plan_for([folder], out), invert, SETTINGS, how)) == [SKIPPED] * 12
    sheet = read_picture(out / "01.compare.jpg").rgb
    assert sheet.shape == (1, 24, 42, 3)
    before = read_picture(out / "01.faces" / "1-before.png").rgb
    after = read_picture(out / "01.faces" / "1-after.png").rgb
    assert torch.allclose(after, 1 - before, atol=0.01)
    # They are no sources where the results lie among them.
    assert len(plan_for([out], tmp_path / "again").jobs) == 12


def test_names_and_formats(folder: Path, tmp_path: Path) -> None:
    plan = plan_for([folder / "01.jpg", folder / "02.webp"], tmp_path / "out", format="png", suffix="_restored")
    assert [job.place.name for job in plan.jobs] == ["01_restored.png", "02_restored.png"]
    list(run(plan, invert, SETTINGS))
    assert Image.open(tmp_path / "out" / "02_restored.png").format == "PNG"
    with pytest.raises(SettingError, match="unknown format 'xyz'"):
        plan_for([folder], tmp_path / "out", format="xyz")


def test_results_in_the_folder_of_their_sources_are_no_sources(folder: Path) -> None:
    list(run(plan_for([folder], folder, suffix="_new"), invert, SETTINGS))
    plan = plan_for([folder], folder, suffix="_new", results=Record(folder).results())
    assert kinds(run(plan, invert, SETTINGS)) == [SKIPPED] * 12


@pytest.mark.parametrize("how", ["the same path", "hard link", "symbolic link"])
def test_originals_are_safe(how: str, folder: Path, tmp_path: Path) -> None:
    out = folder if how == "the same path" else tmp_path / "out"
    out.mkdir(exist_ok=True)
    if how == "hard link":
        os.link(folder / "01.jpg", out / "01.jpg")
    if how == "symbolic link":
        (out / "01.jpg").symlink_to(folder / "01.jpg")
    with pytest.raises(SettingError, match="would be overwritten"):
        plan_for([folder / "01.jpg"], out)


def test_names_that_differ_in_capitals(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "01.JPG").write_bytes((folder / "01.jpg").read_bytes())
    given = [folder / "01.jpg", folder / "01.JPG"]
    assert len(plan_for(given, tmp_path / "out").jobs) == 2
    monkeypatch.setattr("gpen.folder.plan._ignores_case", lambda path: True)
    with pytest.raises(SettingError, match="would both become"):
        plan_for(given, tmp_path / "out")


def test_names_that_clash_are_left_out_and_the_others_done(folder: Path, tmp_path: Path) -> None:
    (folder / "01.bmp").write_bytes(b"")
    (tmp_path / "out").mkdir()
    os.link(folder / "02.webp", tmp_path / "out" / "02.png")
    plan = plan_for([folder], tmp_path / "out", format="png")
    clashes = {one.path.name: one.why for one in plan.left_out if one.clashes}
    assert set(clashes) == {"01.bmp", "01.jpg", "02.webp"} and len(plan.jobs) == 10
    assert "01.jpg" in clashes["01.bmp"] and "would both become" in clashes["01.bmp"]
    assert "would be overwritten" in clashes["02.webp"]
    before = (folder / "02.webp").read_bytes()
    assert kinds(run(plan, invert, SETTINGS)) == [RESTORED] * 10
    assert (folder / "02.webp").read_bytes() == before and not (tmp_path / "out" / "01.png").exists()


class Filmed:
    """Stands for a film that was restored: one face in two frames of three, followed."""

    frames, notes = 3, ("its rotation is not written",)
    faces = Faces(tuple(Face(i, (1, 2, 9, 10), np.zeros((5, 2)), 0.9, 1, track=4) for i in (1, 2)), 20, 20, 3)


def test_films_of_a_folder_are_done_and_written_down(folder: Path, tmp_path: Path) -> None:
    for name in ("deep/a.mp4", "b.AVI", "c.mp4"):
        (folder / name).write_bytes(b"film")
    asked: list[str] = []

    def restore(source: Path, target: Path) -> Filmed:
        asked.append(source.name)
        if source.name == "c.mp4":
            raise SettingError("it cannot hold the sound")
        target.write_bytes(source.read_bytes() * 2)
        return Filmed()

    def done(crf: int) -> list:
        plan = plan_for([folder], tmp_path / "out", format="png", films={".mp4": ".mp4", ".avi": ".mkv"})
        return [one for one in run(plan, invert, SETTINGS, films=Films(restore, {"crf": crf})) if one.job.film]

    first = {one.job.place.as_posix(): one for one in done(17)}
    assert {place: one.kind for place, one in first.items()} == {
        "deep/a.mp4": RESTORED, "b.mkv": RESTORED, "c.mp4": FAILED}  # fmt: skip
    assert "sound" in first["c.mp4"].why and first["b.mkv"].lost == Filmed.notes
    (face,) = first["b.mkv"].faces
    assert (face["frame"], face["outcome"], face["why"]) == (1, "restored", "in 2 frames")
    assert first["b.mkv"].report.startswith("3 frames, 2 faces found in 1 track")
    assert (tmp_path / "out" / "b.mkv").read_bytes() == b"filmfilm"
    assert kinds(done(17)) == [SKIPPED, FAILED, SKIPPED] and asked == ["b.AVI", "c.mp4", "a.mp4", "c.mp4"]
    assert kinds(done(20)) == [RESTORED, FAILED, RESTORED], "with another quality they are other films"
    # Alone it is the settings that are wrong.
    plan = plan_for([folder / "c.mp4"], tmp_path / "one.mp4", films={".mp4": ".mp4"})
    with pytest.raises(SettingError, match="sound"):
        list(run(plan, invert, SETTINGS, films=Films(restore, {})))
    with pytest.raises(SettingError, match=r"expected a folder or a file in \.mp4"):
        plan_for([folder / "c.mp4"], tmp_path / "one.png", films={".mp4": ".mp4"})


def test_what_cannot_be_done_is_named(folder: Path, tmp_path: Path) -> None:
    plan = plan_for([folder], tmp_path / "out")
    assert [one.path.name for one in plan.left_out] == ["notes.txt"]


def test_lists() -> None:
    assert listed(["a.png", "-"], ["b c.png\n", "\n", "d.png\r\n"]) == [Path("a.png"), Path("b c.png"), Path("d.png")]
    with pytest.raises(SettingError, match="list of pictures is empty"):
        listed(["-"], [])


def test_reports(folder: Path, tmp_path: Path) -> None:
    plan = plan_for([folder], tmp_path / "out")
    list(run(plan, invert, SETTINGS))
    (folder / "05.jpg").write_bytes(b"")
    results = list(run(plan, invert, SETTINGS))
    write_report(tmp_path / "report.json", results, plan.left_out, SETTINGS, time.time() - 2)
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert told["count"] == {"skipped": 11, "failed": 1, "faces": 11, "faces restored": 11, "left out": 1}
    assert told["settings"] == SETTINGS and told["seconds"] >= 2
    face = told["pictures"][0]["faces"][0]
    assert (face["number"], face["score"], face["sharpness"], face["outcome"]) == (1, 0.9, 50, "restored")
    write_report(tmp_path / "report.csv", results, plan.left_out, SETTINGS, time.time())
    with (tmp_path / "report.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13 and [row["kind"] for row in rows].count("skipped") == 11
    assert rows[-1]["kind"] == "left out" and rows[0]["face outcome"] == "restored"


def test_pages_and_frames_are_restored_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frames = [Image.new("RGB", (20, 16), (40 * index, 9, 200)) for index in range(4)]
    frames[0].save(tmp_path / "in" / "a.gif", save_all=True, append_images=frames[1:], duration=80)
    pages = [Image.new("L", (10 + 5 * index, 16), 40 * index) for index in range(3)]
    pages[0].save(tmp_path / "in" / "b.tiff", save_all=True, append_images=pages[1:])
    results = list(run(plan_for([tmp_path / "in"], tmp_path / "out"), invert, SETTINGS))
    assert [len(result.faces) for result in results] == [4, 3]
    assert read_picture(tmp_path / "out" / "a.gif").how["duration"] == [80] * 4
    read = read_picture(tmp_path / "out" / "b.tiff")
    assert [frame.shape for frame in read.frames] == [(16, 10, 1), (16, 15, 1), (16, 20, 1)]
    assert [int(frame[0, 0, 0]) for frame in read.frames] == [255, 215, 175]
