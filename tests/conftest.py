"""Fixtures for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.client import Client
from tools.comfyui import ROOT, Server


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference files that does not lie in the repository: `$SHARED`, or `shared` beside the clone."""
    path = Path(os.environ.get("SHARED") or ROOT.parent / "shared")
    if not path.is_dir():
        pytest.skip(f"needs the reference files, and there is no folder {path}: name it in SHARED")
    return path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ComfyUI with this pack in it, in an empty folder of its own; one for the whole run."""
    with Server(tmp_path_factory.mktemp("comfyui")) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A connection to the server, which has forgotten what earlier tests ran."""
    server.check_alive()
    with Client(server.url) as connected:
        connected.free()
        yield connected
