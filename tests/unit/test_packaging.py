"""What `pip install` and ComfyUI's managers get."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tools.comfyui import ROOT


def requirements(file: str) -> list[str]:
    return (ROOT / file).read_text(encoding="utf-8").splitlines()


def test_wheel_holds_the_library_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", str(ROOT)]
    subprocess.run([*command, "--wheel-dir", str(tmp_path)], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        files = {Path(name) for name in wheel.namelist()}
        metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        # ComfyUI's managers install from requirements.txt, pip from pyproject.toml: the same list in the same order.
        lines = wheel.read(metadata).decode("utf-8").splitlines()
        assert [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")] == sorted(
            requirements("requirements.txt")
        )
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
