"""Development commands. They need Python 3.10 or newer and do all their own set-up:

    python dev.py install PATH/TO/ComfyUI
                           put this pack into a ComfyUI, and what is missing into that ComfyUI's own Python; with
                           --dry-run say what would be done
    python dev.py demo     restore a photograph in a real ComfyUI
    python dev.py tests    run the checks and all tests; what follows goes to pytest: python dev.py tests -k paste
    python dev.py oldpage  run the browser tests on the web page that came with the ComfyUI of the tests
    python dev.py lint     run the checks alone
    python dev.py package  run the Comfy registry's own check of the pack alone
    python dev.py faults   try everything that may go wrong, for a quarter of an hour, and print what held
    python dev.py lowest   run the library's tests with the oldest versions that requirements.txt allows

All but the first are the sessions of noxfile.py. nox and uv are installed into .nox/, everything else into an
environment beside them; nothing is installed anywhere else.
"""

from __future__ import annotations  # an old Python must get as far as the message that it is too old

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOOLS = ("nox==2026.10.20", "uv==0.13.9")
COMMANDS = {
    "demo": ("demo",),
    "faults": ("faults",),
    "lint": ("lint",),
    "lowest": ("lowest",),
    "oldpage": ("oldpage",),
    "package": ("package",),
    "tests": ("lint", "package", "tests"),
}


def main() -> int:
    if sys.version_info < (3, 10):  # noqa: UP036
        return _fail(f"Python 3.10 or newer is needed, and this is {sys.version_info[0]}.{sys.version_info[1]}.")
    if sys.argv[1:2] == ["install"]:
        sys.path.insert(0, str(ROOT))  # the Python of ComfyUI for Windows does not look beside its script
        from tools.install import main as install  # not before the message above

        return install(sys.argv[2:])
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        return _fail(__doc__ or "")
    command, *arguments = sys.argv[1:]
    python = _environment()
    if python is None:
        return 1
    nox = [str(python), "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), "--sessions", *COMMANDS[command]]
    return subprocess.run([*nox, "--", *arguments], check=False).returncode


def _environment() -> Path | None:
    """The Python of the environment with nox and uv; None, after a message, where it cannot be made."""
    folder = ROOT / ".nox" / "bootstrap"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # Written last: where it is right, the environment is whole.
    stamp = folder / "installed.txt"
    wanted = " ".join([sys.version, *TOOLS])
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=False).returncode:
        _fail("No virtual environment could be made. On Debian and Ubuntu: apt install python3-venv")
        return None
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *TOOLS]
    if subprocess.run(install, check=False).returncode:
        _fail("nox and uv could not be installed: see pip's message above.")
        return None
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
