"""The development commands; `dev.py` runs them with everything they need."""

import os
from pathlib import Path

import nox  # pyright: ignore[reportMissingImports] - it lies in an environment of its own

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "tests"]

# The newest version of ComfyUI's web page that the ComfyUI of the tests can serve.
FRONTEND = "1.58.1"
# One environment for all sessions: it holds gigabytes.
PYTHON = Path(".nox/environment") / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@nox.session(reuse_venv=True, default=False)
def environment(session: nox.Session) -> None:
    """Install the exact versions of everything, and what a ComfyUI named by COMFYUI_PATH asks for."""
    # Compiled once here, and not by each of the many processes that the tests start.
    session.env["UV_COMPILE_BYTECODE"] = "1"
    session.install("-r", "tools/requirements-dev.txt")
    if comfyui := os.environ.get("COMFYUI_PATH"):
        session.install("-r", str(Path(comfyui).expanduser() / "requirements.txt"))


@nox.session(python=False, requires=["environment"])
def lint(session: nox.Session) -> None:
    """Style, formatting, the direction of imports, and types."""
    run(session, "ruff", "check")
    run(session, "ruff", "format", "--check")
    session.run(str(PYTHON.with_name("lint-imports")), external=True)
    # The types of ComfyUI's API are read from its source, which this fetches.
    run(session, "tools.comfyui")
    run(session, "pyright", "--pythonpath", str(PYTHON))


@nox.session(python=False, requires=["environment"])
def tests(session: nox.Session) -> None:
    """All tests, on today's page where no other ComfyUI is named; arguments after -- go to pytest."""
    page = {} if os.environ.get("COMFYUI_PATH") else {"COMFYUI_FRONTEND": FRONTEND}
    run(session, "pytest", *session.posargs, **page)


@nox.session(python=False, requires=["environment"], default=False)
def oldpage(session: nox.Session) -> None:
    """The browser tests on the page that came with the ComfyUI of the tests; arguments after -- go to pytest."""
    run(session, "pytest", "tests/browser", *session.posargs)


@nox.session(python=False, requires=["environment"])
def faults(session: nox.Session) -> None:
    """Everything that may go wrong, on purpose; the tests try a part of it."""
    run(session, "pytest", "tests/faults", *session.posargs, FAULTS="all")


@nox.session(python=False, requires=["environment"])
def package(session: nox.Session) -> None:
    """What the Comfy registry checks before it takes a node pack, by its own tool."""
    # Its many packages stay apart from ours, and its settings out of a person's own.
    home = session.create_tmp()
    env = {"HOME": home, "USERPROFILE": home, "DO_NOT_TRACK": "1", "UV_CACHE_DIR": str(Path.home() / ".cache" / "uv")}
    (uvx,) = map(str, Path(".nox/bootstrap").glob("*/uvx*"))
    tool = (uvx, "--quiet", "--from", "comfy-cli==1.23.0", "comfy", "--skip-prompt", "--no-enable-telemetry")
    said = str(session.run(*tool, "node", "validate", env=env, external=True, silent=True))
    session.log(said)
    # It gives no exit status for what the registry would leave out.
    if "warning" in said.lower():
        session.error("the registry would not take all of pyproject.toml: see above")


@nox.session(python="3.10", reuse_venv=True)
def lowest(session: nox.Session) -> None:
    """The library's tests with the oldest versions that requirements.txt allows."""
    session.install("--resolution", "lowest-direct", "-r", "requirements.txt")
    # What the tests need besides leaves the versions above alone.
    session.install("av", "hatchling", "pip", "pytest", "requests", "scikit-image", "websocket-client")
    session.run("python", "-m", "pytest", "tests/unit", *session.posargs)


@nox.session(python=False, requires=["environment"])
def demo(session: nox.Session) -> None:
    """Restore a photograph in a real ComfyUI."""
    run(session, "tools.demo")


def run(session: nox.Session, module: str, *arguments: str, **environment: str) -> None:
    """Run a module with the environment's Python."""
    session.run(str(PYTHON), "-m", module, *arguments, external=True, env=environment)
