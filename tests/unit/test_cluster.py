"""A folder restored by several workers: nothing is lost and nothing done twice, whoever is killed."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gpen.cluster import ClusterSettings, _from_row, _Task, _Worker, gpu_share, run_on_cluster
from gpen.errors import SettingError
from gpen.folder.plan import plan_at, plan_for
from gpen.folder.record import FOLDER, entry_from
from gpen.folder.result import FAILED, RESTORED, SKIPPED
from gpen.folder.run import FolderSettings, run, settings_of
from gpen.folder.store import LocalStore

SETTINGS = {"model": "none"}
TWO = ClusterSettings(workers=2)


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A Ray of two workers on this machine."""
    module = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # as `_connected` does
        module.init(num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, logging_level="ERROR")
    yield
    module.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty small pictures."""
    made = tmp_path / "in"
    made.mkdir()
    for index in range(40):
        Image.fromarray(np.full((16, 20, 3), 5 * index, np.uint8)).save(made / f"{index:02}.png")
    return made


def inverting(pids: Path, pause: float = 0.0, workers: int = 1) -> Callable:
    """What loads a worker's model: one that inverts, and says which process it runs in.

    It begins once that many workers are there, so that each has its part of the work.
    """

    def load():
        import os
        import time

        from gpen.faces.face import Faces

        (pids / str(os.getpid())).touch()

        def invert(picture):
            until = time.monotonic() + 120
            while len(list(pids.iterdir())) < workers and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(pause)
            return 1 - picture, Faces((), 20, 16, 1)

        return invert, None

    return load


def entries(out: Path) -> list[str]:
    lines = [line for path in (out / FOLDER).iterdir() for line in path.read_text(encoding="utf-8").splitlines()]
    return [entry.place for line in lines if (entry := entry_from(line))]


def test_workers_do_what_one_would(ray: None, folder: Path, tmp_path: Path) -> None:
    (folder / "07.png").write_bytes(b"no picture")
    pids = tmp_path / "pids"
    pids.mkdir()
    out = tmp_path / "out"
    results = list(run_on_cluster(plan_for([folder], out), inverting(pids, workers=2), SETTINGS, cluster=TWO))
    assert Counter(result.kind for result in results) == {RESTORED: 39, FAILED: 1}
    assert len(list(pids.iterdir())) == 2
    list(run(plan_for([folder], tmp_path / "alone"), inverting(pids)()[0], SETTINGS))
    for path in (tmp_path / "alone").glob("*.png"):
        assert (out / path.name).read_bytes() == path.read_bytes()
    again = list(run_on_cluster(plan_for([folder], out), inverting(pids), SETTINGS, cluster=TWO))
    assert Counter(result.kind for result in again) == {SKIPPED: 39, FAILED: 1}
    # One record for both ways.
    assert (
        Counter(result.kind for result in run(plan_for([folder], out), inverting(pids)()[0], SETTINGS))[SKIPPED] == 39
    )


def test_a_killed_worker_loses_nothing_and_nothing_is_done_twice(ray: None, folder: Path, tmp_path: Path) -> None:
    pids, out = tmp_path / "pids", tmp_path / "out"
    pids.mkdir()

    def kill() -> None:
        while not out.is_dir() or len(list(out.glob("*.png"))) < 8:
            time.sleep(0.05)
        os.kill(int(next(pids.iterdir()).name), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    results = list(run_on_cluster(plan_for([folder], out), inverting(pids, 0.2, workers=2), SETTINGS, cluster=TWO))
    killer.join(10)
    assert not killer.is_alive() and len(list(pids.iterdir())) >= 3, "nobody was killed"
    assert [result.kind for result in results] == [RESTORED] * 40
    assert len(list(out.glob("*.png"))) == 40
    assert sorted(entries(out)) == [f"{index:02}.png" for index in range(40)], "one was done twice"


def test_what_a_killed_worker_has_done_is_told_of_like_all_else(folder: Path, tmp_path: Path) -> None:
    pids, out = tmp_path / "pids", tmp_path / "out"
    pids.mkdir()
    task = _Task(out, LocalStore(), LocalStore(), inverting(pids), FolderSettings(), "1")
    batch = {"source": [str(folder / "00.png")], "target": [str(out / "00.png")], "place": ["00.png"]}
    batch |= {"film": [False], "made_with": [settings_of(SETTINGS, FolderSettings())]}
    killed, next_one = (_from_row({name: of[0] for name, of in _Worker(task)(batch).items()}) for _ in range(2))
    assert next_one["report"] and {**killed, "report": ""} == {**next_one, "report": "", "seconds": killed["seconds"]}
    assert len(list(pids.iterdir())) == 1 and entries(out) == ["00.png"]


def copying(pids: Path) -> Callable:
    """What loads a worker's models: for pictures one that inverts, for films one that copies."""
    load_pictures = inverting(pids)

    def load():
        import shutil
        from types import SimpleNamespace

        from gpen.faces.face import Faces
        from gpen.folder.films import Films

        def copied(source: Path, target: Path) -> Any:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
            return SimpleNamespace(frames=3, faces=Faces((), 8, 8, 3), notes=("no sound",))

        return load_pictures()[0], Films(copied, {"crf": 17})

    return load


def with_films(folder: Path) -> Path:
    """A folder of two films and a picture, given one of forty pictures."""
    for path in sorted(folder.glob("*.png"))[1:]:
        path.unlink()
    for name in "ab":
        (folder / f"{name}.mkv").write_bytes(name.encode() * 100)
    return folder


def test_a_worker_does_films_too(folder: Path, tmp_path: Path) -> None:
    pids, out = tmp_path / "pids", tmp_path / "out"
    pids.mkdir()
    folder = with_films(folder)
    task = _Task(out, LocalStore(), LocalStore(), copying(pids), FolderSettings(save_crops=True), "1")
    batch = {name: [str(place / "a.mkv")] for name, place in (("source", folder), ("target", out))}
    batch |= {"place": ["a.mkv"], "film": [True], "made_with": ["that"]}
    once, again = (_from_row({name: of[0] for name, of in _Worker(task)(batch).items()}) for _ in range(2))
    assert (out / "a.mkv").read_bytes() == (folder / "a.mkv").read_bytes() and entries(out) == ["a.mkv"]
    assert once["kind"] == RESTORED and once["lost"] == ("no sound",) == again["lost"]


def test_films_of_a_folder_are_shared_out(ray: None, folder: Path, tmp_path: Path) -> None:
    pids, out, films = tmp_path / "pids", tmp_path / "out", {".mkv": ".mkv"}
    pids.mkdir()
    folder = with_films(folder)
    for of_films, kinds in (
        ({"crf": 17}, {RESTORED: 3}),
        ({"crf": 17}, {SKIPPED: 3}),
        ({"crf": 20}, {SKIPPED: 1, RESTORED: 2}),
    ):
        plan = plan_for([folder], out, films=films)
        done = run_on_cluster(plan, copying(pids), SETTINGS, cluster=TWO, of_films=of_films)
        assert Counter(result.kind for result in done) == kinds
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == ["00.png", "a.mkv", "b.mkv"]


def test_other_places_than_folders(ray: None, folder: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    plan = plan_at([folder.as_uri()], (tmp_path / "out").as_uri())
    assert [result.kind for result in run_on_cluster(plan, inverting(pids), SETTINGS, cluster=TWO)] == [RESTORED] * 40
    assert len(list((tmp_path / "out").glob("*.png"))) == 40
    plan = plan_at([folder.as_uri()], (tmp_path / "out").as_uri())
    assert [result.kind for result in run_on_cluster(plan, inverting(pids), SETTINGS, cluster=TWO)] == [SKIPPED] * 40


def test_a_place_that_cannot_be_opened() -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(SettingError, match="nowhere://bucket cannot be opened"):
        plan_at(["nowhere://bucket"], "out")


def test_shares_of_a_card() -> None:
    assert gpu_share(3 * 2**30, 24 * 2**30) == 0.17
    assert gpu_share(40 * 2**30, 24 * 2**30) == 1
