"""`python dev.py install PATH/TO/ComfyUI`: this folder as a node pack of a ComfyUI, and what it needs beside it.

Needs nothing but Python itself. The pack is linked into `custom_nodes` (copied where the system allows no link), and
what is missing is installed into that ComfyUI's own Python. Nothing that is there changes its version: neither torch
nor numpy, nor any variant of OpenCV (headless, contrib).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .comfyui import PACK_NAME, ROOT, link_pack

KEPT = ("torch", "torchvision", "torchaudio", "numpy")
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
"""Variants of one package, which overwrite each other's files."""
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "benchmarks", "docs", "output", "tests", "training")
# Asked in that Python: everything that is installed, and which of the modules can be found.
ASK = """
import importlib.metadata, importlib.util, json, sys
found = {one.metadata["Name"].lower().replace("_", "-"): one.version for one in importlib.metadata.distributions()}
modules = [name for name in ("torch", "cv2", "pip") if importlib.util.find_spec(name)]
print(json.dumps({"python": sys.executable, "packages": found, "modules": modules}))
"""


class InstallError(Exception):
    """The pack cannot be installed; the message says what to do."""


@dataclass(frozen=True)
class Environment:
    """A ComfyUI's own Python."""

    python: str
    packages: dict[str, str]
    """Name → version of what is installed."""
    modules: tuple[str, ...]
    """Which of torch, cv2 and pip there are."""


def main(arguments: list[str]) -> int:
    """Install, or say with --dry-run what would be done; 0 where all is well."""
    parser = argparse.ArgumentParser(prog="dev.py install", description="Install this folder into a ComfyUI.")
    parser.add_argument("comfyui", type=Path, metavar="PATH/TO/ComfyUI")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    said = parser.parse_args(arguments)
    try:
        install(said.comfyui.expanduser().resolve(), said.dry_run)
    except InstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def install(comfyui: Path, dry_run: bool) -> None:
    """Raises `InstallError`."""
    if not (comfyui / "main.py").is_file() or not (comfyui / "custom_nodes").is_dir():
        raise InstallError(f"{comfyui} is no ComfyUI: name the folder with its main.py and custom_nodes.")
    environment = python_of(comfyui)
    print(f"The Python of this ComfyUI: {environment.python}")
    print("  left alone: " + ", ".join(f"{name} {version}" for name, version in kept_packages(environment).items()))
    # Before anything is changed: it may fail.
    missing = missing_packages(environment)
    target = comfyui / "custom_nodes" / PACK_NAME
    print(place_pack(target, dry_run))
    if missing and not dry_run:
        named = [f"{name}=={version}" for name, version in missing.items()]
        if run_pip(environment, "install", "--no-deps", *named).returncode:
            raise InstallError("pip could not install what is missing: see its message above.")
    listed = ", ".join(f"{name} {version}" for name, version in missing.items())
    print(f"{'would install' if dry_run else 'installed'}: {listed}" if missing else "nothing is missing")
    if not dry_run:
        print("Start ComfyUI again: the nodes are under image/face/GPEN.")


def python_of(comfyui: Path) -> Environment:
    """The Python that has this ComfyUI's torch: of an environment beside it, else the one that runs this."""
    windows = os.name == "nt"
    inside = Path("Scripts/python.exe") if windows else Path("bin/python")
    places = [folder / name / inside for folder in (comfyui, comfyui.parent) for name in (".venv", "venv")]
    # ComfyUI for Windows, as it is downloaded.
    places += [comfyui.parent / "python_embeded" / "python.exe", Path(sys.executable)]
    for python in places:
        if python.is_file():
            answer = subprocess.run([str(python), "-c", ASK], capture_output=True, text=True, check=False)
            found: dict[str, Any] = json.loads(answer.stdout) if answer.returncode == 0 else {}
            if "torch" in found.get("modules", ()):
                return Environment(found["python"], found["packages"], tuple(found["modules"]))
    raise InstallError(
        f"no Python with PyTorch was found beside {comfyui}. Run this with the Python that starts your ComfyUI: "
        f"PATH/TO/python dev.py install {comfyui}"
    )


def missing_packages(environment: Environment) -> dict[str, str]:
    """What pip would install for the pack, name → version: what is not there, and what the pack itself finds too old.

    Whatever else is there stays, also where packages do not agree about it, as in environments that have grown.
    """
    with tempfile.TemporaryDirectory() as temporary:
        pins, report = Path(temporary, "installed.txt"), Path(temporary, "report.json")
        pins.write_text("".join(f"{name}=={version}\n" for name, version in kept_packages(environment).items()))
        given = ("--dry-run", "--quiet", "--report", str(report), "-c", str(pins), "-r", str(ROOT / "requirements.txt"))
        if run_pip(environment, "install", *given).returncode:
            raise InstallError(
                "what the pack needs does not go together with what is installed: see pip's message above. "
                "Bring ComfyUI and its packages up to date first. Nothing was changed."
            )
        entries = json.loads(report.read_text(encoding="utf-8"))["install"]
    # One OpenCV is enough, whatever the variant is called.
    stays = OPENCV if "cv2" in environment.modules else ()
    return {
        name: entry["metadata"]["version"]
        for entry in entries
        if (name := entry["metadata"]["name"].lower()) not in stays
        and (entry["requested"] or name not in environment.packages)
    }


def kept_packages(environment: Environment) -> dict[str, str]:
    """What other packages have to fit, name → version."""
    return {name: environment.packages[name] for name in (*KEPT, *OPENCV) if name in environment.packages}


def run_pip(environment: Environment, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run pip for an environment, which may have none of its own."""
    own = "pip" in environment.modules
    pip = [environment.python, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", environment.python]
    return subprocess.run([*pip, "--disable-pip-version-check", *arguments], check=False)


def place_pack(target: Path, dry_run: bool) -> str:
    """Link the pack to where it belongs, or copy it → what was done."""
    if target.exists() and target.samefile(ROOT):
        return f"is there already: {target}"
    if target.exists() and not (target / "gpen").is_dir():
        raise InstallError(f"{target} is there, and is not this pack: move it away first.")
    if target.is_dir() and not target.is_symlink():
        # A copy from before, or somebody's own clone: which of them cannot be told.
        raise InstallError(f"{target} is another copy of this pack: remove it first, so that only one is loaded.")
    if dry_run:
        return f"would link {target} to {ROOT}"
    try:
        link_pack(target.parent)
    except OSError:  # a drive that knows no links, or a person without the right to make one
        shutil.copytree(ROOT, target, ignore=NOT_COPIED)
        return f"copied to {target}: links are not allowed there. After an update of this folder, remove it and repeat."
    return f"linked {target} to {ROOT}"
