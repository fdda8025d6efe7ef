"""Films from file to file: what they carried is kept, and an interrupted one is gone on with."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("av")

import av
import cv2

import gpen
from gpen.faces.alignment import template
from gpen.image.cuts import Change
from gpen.video import encoding, parts, pyav, write
from gpen.video.source import look_at
from tests.support import films
from tests.support.detectors import Fixed
from tests.support.networks import Negative

SOFT = gpen.TrackSettings(smoothing=0.25)
FACE = (20, 20, 76, 76)


def fixed() -> Fixed:
    return Fixed(gpen.Face(0, FACE, template(56) + 20, 0.9), at_once=3)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (parts, write):
        monkeypatch.setattr(module, "SEGMENT", 6)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """With several the last bits differ from run to run."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])


def restore(source: Path, target: Path, **settings: Any) -> gpen.RestoredVideo:
    return gpen.restore_video(Negative(), source, target, **{"detector": fixed(), "track": SOFT, **settings})


def test_what_a_film_carried_is_kept(tmp_path: Path) -> None:
    stamps = [films.FRAME * index + 100 * (index % 3) for index in range(20)]
    source = films.write_film(
        tmp_path / "in.mp4", films.shaken(20), stamps=stamps, rotation=90, aspect=Fraction(4, 3), colors=(1, 1, 1, 1)
    )
    done = restore(source, tmp_path / "out.mp4")
    assert done.frames == 20 and done.notes == () and len(done.faces) == 20
    assert films.stamps_of(done.path) == films.stamps_of(source)
    assert films.sound_of(done.path) == films.sound_of(source)
    before, after = films.decoded(source)[0], films.decoded(done.path)[0]
    for name in ("rotation", "color_range", "colorspace", "color_primaries", "color_trc", "width", "height"):
        assert getattr(after, name) == getattr(before, name), name
    with av.open(str(source)) as a, av.open(str(done.path)) as b:
        assert b.metadata["title"] == "A film"
        assert b.chapters() == a.chapters()
        assert b.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["in.mp4", "out.mp4"]


def test_other_containers(tmp_path: Path) -> None:
    source = films.write_film(tmp_path / "in.mp4", films.shaken(8), sound="libopus")
    for name in ("out.mkv", "out.webm"):
        done = restore(source, tmp_path / name)
        assert films.sound_of(done.path) == films.sound_of(source)
        # These containers count in milliseconds.
        apart = [a - b for a, b in zip(films.stamps_of(done.path), films.stamps_of(source), strict=True)]
        assert max(apart) - min(apart) <= Fraction(1, 1000)


def test_only_faces_change(tmp_path: Path) -> None:
    """Coded without loss, so that what goes to the encoder can be seen."""
    source = films.write_film(tmp_path / "in.mp4", films.shaken(7), options={"crf": "0"}, sound=None)
    done = restore(source, tmp_path / "out.mp4", crf=0)
    for before, after in zip(films.decoded(source), films.decoded(done.path), strict=True):
        luma = [np.frombuffer(bytes(frame.planes[0]), np.uint8).reshape(96, -1)[:, :96] for frame in (before, after)]
        blue = [np.frombuffer(bytes(frame.planes[1]), np.uint8).reshape(48, -1)[:, :48] for frame in (before, after)]
        changed = luma[0] != luma[1]
        assert changed[30:66, 30:66].mean() > 0.9
        assert not changed[:8].any() and not changed[88:].any() and not changed[:, :8].any()
        assert np.array_equal(blue[0][:4], blue[1][:4])
        face = films.pixels_of(done.path)[0][40:56, 40:56].astype(int)
        assert abs(face + films.pixels_of(source)[0][40:56, 40:56] - 255).mean() < 12, "the network gives the negative"


def test_a_film_without_a_face_goes_through_as_it_was(tmp_path: Path) -> None:
    source = films.write_film(tmp_path / "in.mp4", films.shaken(7), options={"crf": "0"})
    done = restore(source, tmp_path / "out.mp4", crf=0, select=gpen.SelectSettings(min_size=90))
    assert len(done.faces) == 0
    assert np.array_equal(films.pixels_of(done.path), films.pixels_of(source))


def test_ten_bits_and_hdr_colours_stay(tmp_path: Path) -> None:
    colors = (1, 9, 9, 16)
    source = films.write_film(
        tmp_path / "in.mp4",
        films.shaken(7),
        codec="libx265",
        options={"x265-params": "log-level=error"},
        pixel_format="yuv420p10le",
        colors=colors,
    )
    # One frame more than a segment holds: alone in the next one, too.
    (frame, *_) = frames = films.decoded(restore(source, tmp_path / "out.mkv").path)
    assert len(frames) == 7
    assert frame.format.name == "yuv420p10le"
    assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == colors


def test_the_same_pictures_become_the_same_bytes(tmp_path: Path) -> None:
    """As they do not with x264's own options."""
    noise = np.random.default_rng(0).normal(0, 3, (24, 96, 96, 3))
    pictures = list(np.clip(films.shaken(24) + noise, 0, 255).astype(np.uint8))
    source = films.write_film(tmp_path / "in.mp4", pictures, sound=None)
    film = look_at(source)
    made: set[bytes] = set()
    for _ in range(8):
        with av.open(str(tmp_path / "out.mp4"), "w") as container:
            stream = encoding.add_pictures(container, film, encoding.choose_encoding(film, tmp_path / "out.mp4"))
            for frame in films.decoded(source):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        made.add((tmp_path / "out.mp4").read_bytes())
    assert len(made) == 1


def test_interrupted_work_goes_on(tmp_path: Path) -> None:
    source = films.write_film(tmp_path / "in.mp4", films.shaken(20))
    whole = restore(source, tmp_path / "whole.mp4").path.read_bytes()
    target = tmp_path / "out.mp4"
    for stop_at in (8, 31):

        def stop(done: int, total: int | None, stop_at: int = stop_at) -> None:
            assert total == 40
            if done == stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            restore(source, target, on_progress=stop)
        assert not target.exists()
    detector, model = fixed(), Negative()
    gpen.restore_video(model, source, target, detector=detector, track=SOFT)
    assert detector.seen == 0, "faces were looked for again"
    assert sum(count for count, _ in model.runs) == 14, "the first segment was restored again"
    assert target.read_bytes() == whole
    again = fixed()
    restore(source, target, detector=again, paste=gpen.PasteSettings(strength=0.5))
    assert again.seen >= 20, "another job went on with the work of the last one"


def test_another_model_of_the_same_name_begins_anew(tmp_path: Path) -> None:
    source, model = films.write_film(tmp_path / "in.mp4", films.shaken(8)), Negative()

    def stop(done: int, total: int | None) -> None:
        if done == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(source, tmp_path / "out.mp4", on_progress=stop)
    with torch.no_grad():
        next(model.network.parameters()).add_(1)
    detector = fixed()
    gpen.restore_video(model, source, tmp_path / "out.mp4", detector=detector, track=SOFT)
    assert detector.seen >= 8 and sum(count for count, _ in model.runs) == 8


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
import cv2
cv2.setNumThreads(1)
import gpen
from gpen.video import parts, write
from tests.support.networks import Negative
from tests.unit.test_video import SOFT, fixed
parts.SEGMENT = write.SEGMENT = 6

def run(moment):
    def die(done, total):
        if done == moment:
            os.kill(os.getpid(), signal.SIGKILL)
    gpen.restore_video(Negative(), sys.argv[1], sys.argv[2], detector=fixed(), track=SOFT, on_progress=die)

for moment in map(int, sys.argv[3:]):
    pid = os.fork()
    if not pid:
        run(moment)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == (-9 if moment else 0)
    assert moment == 0 or not Path(sys.argv[2]).exists()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are killed as on Unix")
def test_killed_work_comes_to_the_same_film(tmp_path: Path) -> None:
    source = films.write_film(tmp_path / "in.mp4", films.shaken(20))
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    whole = restore(source, tmp_path / "whole.mp4").path.read_bytes()
    command = [sys.executable, "-c", KILLED, str(source), str(tmp_path / "out.mp4")]
    command += ["2", "13", "20", "21", "27", "33", "40", "0"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.mp4").read_bytes() == whole


def test_memory_does_not_grow_with_the_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames and crops that are alive, at most, in a film and in one three times as long."""
    monkeypatch.setattr(Negative, "pictures_at_once", lambda self: 2)
    most: list[tuple[int, int]] = []
    for length in (48, 144):
        source = films.write_film(tmp_path / f"{length}.mp4", films.shaken(length), sound=None)
        alive: list[tuple[int, int]] = []

        def count(done: int, total: int | None, length: int = length, alive: list[tuple[int, int]] = alive) -> None:
            if done > length and done % 6 == 0:
                objects = gc.get_objects()
                crops = [one for one in objects if type(one).__name__ == "Tensor" and tuple(one.shape) == (64, 64, 3)]
                windows = [one for one in objects if isinstance(one, write.Window) and one._kept]
                alive.append((len(crops), max(len(window._kept) for window in windows)))

        restore(source, tmp_path / f"out{length}.mp4", on_progress=count)
        most.append((max(crops for crops, _ in alive), max(kept for _, kept in alive)))
    # How far reading runs ahead varies from run to run; what grew with the film would be three times as much.
    assert most[1][0] <= 1.5 * most[0][0] and most[1][1] <= most[0][1], most
    assert most[1][1] <= 16, most


def test_a_line_that_was_cut_off_is_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "faces.jsonl"
    face = gpen.Face(0, (1.0, 2.0, 3.5, 4.25), template(64) / 3, 0.9, sharpness=41.5)
    line = parts.Seen(512, Change(1.5, 2.5), [face]).to_line()
    path.write_text(line + line + line[:40])
    seen, complete = parts.read_seen(path)
    assert len(seen) == 2 and not complete
    assert np.array_equal(seen[1].faces[0].landmarks, face.landmarks) and seen[1].faces[0].frame == 1
    with parts.continued(path, seen) as file:
        file.write(line + parts.END)
    assert len(parts.read_seen(path)[0]) == 3 and parts.read_seen(path)[1]


def test_mistakes_are_named(tmp_path: Path) -> None:
    source = films.write_film(tmp_path / "in.mp4", films.shaken(2))
    (tmp_path / "words.mp4").write_text("no film")
    with pytest.raises(gpen.SettingError, match=r"\.gif cannot be written|must end with one of \.mp4"):
        restore(source, tmp_path / "out.gif")
    with pytest.raises(gpen.SettingError, match="the film itself"):
        restore(source, source)
    with pytest.raises(gpen.SettingError, match=r"cannot hold the sound of in\.mp4 \(aac\).*\.mkv"):
        restore(source, tmp_path / "out.webm")
    with pytest.raises(gpen.SettingError, match="0 to 51"):
        restore(source, tmp_path / "out.mp4", crf=60)
    with pytest.raises(gpen.SettingError, match="no encoder 'nonsense'"):
        restore(source, tmp_path / "out.mp4", codec="nonsense")
    with pytest.raises(gpen.VideoError, match="cannot be opened as a film"):
        restore(tmp_path / "words.mp4", tmp_path / "out.mp4")
    with pytest.raises(gpen.VideoError, match="cannot be opened as a film"):
        restore(tmp_path / "nothing.mp4", tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_without_pyav_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(gpen.VideoError, match="pip install av"):
        pyav.pyav()
