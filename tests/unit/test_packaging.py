"""What `pip install` and ComfyUI's managers get."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.photograph import Damage, damaged, face_psnr, photograph
from tools.comfyui import ROOT

SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def requirements(file: str) -> list[str]:
    return (ROOT / file).read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", str(ROOT)]
    subprocess.run([*command, "--wheel-dir", str(folder)], check=True)
    return next(folder.glob("*.whl"))


def test_installed_wheel_restores_a_photograph_without_comfyui(built: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=False)
    scripts = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(built)]
    subprocess.run(install, check=True)
    # What it requires is there already, in the environment of these tests, and is found after its own.
    paths = subprocess.run([python, "-c", SITE], check=True, capture_output=True, text=True).stdout.strip()
    (Path(paths) / "environment.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")

    work = tmp_path / "work"
    work.mkdir()
    Image.fromarray(damaged(Damage.NOISE)).save(work / "photo.png")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "COMFYUI_PATH")}
    told = "import gpen, importlib.util as u; print(gpen.__file__, u.find_spec('comfy'))"
    run = partial(subprocess.run, check=True, capture_output=True, text=True, cwd=work, env=environment)
    where = run([python, "-c", told]).stdout.strip()
    assert where.startswith(paths) and where.endswith("None")
    run([scripts / "gpen", "restore", "photo.png", "--output", "restored", "--detector", "mtcnn"])
    restored = np.array(Image.open(next((work / "restored").iterdir())).convert("RGB"))
    assert face_psnr(restored, photograph()) > face_psnr(damaged(Damage.NOISE), photograph()) + 0.3


def test_wheel_holds_the_library_alone(built: Path) -> None:
    with zipfile.ZipFile(built) as wheel:
        files = {Path(name) for name in wheel.namelist()}
        metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        # ComfyUI's managers install from requirements.txt, pip from pyproject.toml: the same list in the same order.
        lines = wheel.read(metadata).decode("utf-8").splitlines()
        needs = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
        needs = [need for need in needs if "extra ==" not in need]
        assert needs == sorted(requirements("requirements.txt"), key=str.lower)
    assert {file.parts[0] for file in files if ".dist-info" not in file.parts[0]} == {"gpen"}
    # Everything that lies in the package is in the wheel: the weights too.
    sources = {file.relative_to(ROOT) for file in (ROOT / "gpen").rglob("*") if file.is_file()}
    expected = {file for file in sources if "__pycache__" not in file.parts}
    assert {file for file in files if file.parts[0] == "gpen"} == expected


def test_lower_bounds_only() -> None:
    # Installing the pack must never move the torch, numpy or OpenCV that a person's ComfyUI runs on.
    for requirement in requirements("requirements.txt"):
        version, _, _condition = requirement.partition(";")
        assert version.count(">=") == 1, requirement
        assert not set("<~!,@") & set(version.replace(">=", "")), requirement
