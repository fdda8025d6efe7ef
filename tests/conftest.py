"""Fixtures for all tests."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from skimage import data
from torch import Tensor

from tests.support.mirror import Mirror
from tests.support.networks import write_small
from tests.support.photograph import tensor
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
def astronaut() -> Tensor:
    """NASA's portrait of Eileen Collins (public domain), (1, 512, 512, 3); nobody is to change it in place."""
    return tensor(data.astronaut())


@pytest.fixture(scope="session")
def mirror() -> Iterator[Mirror]:
    """The place where the server looks for released files; nothing lies there but what a test puts there."""
    with Mirror() as running:
        yield running


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of GPEN models that the server knows only from an `extra_model_paths.yaml`."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, mirror: Mirror, elsewhere: Path) -> Iterator[Server]:
    """A ComfyUI with this pack in it, in an empty folder of its own, without a network; one for the whole run."""
    base = tmp_path_factory.mktemp("comfyui")
    extra = base / "extra_model_paths.yaml"
    extra.write_text(f"elsewhere:\n  gpen: {json.dumps(str(elsewhere))}\n", encoding="utf-8")
    arguments = ("--extra-model-paths-config", str(extra), "--output-directory", str(base / "pictures"))
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    here = dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost")
    with Server(base, arguments, {"GPEN_MIRROR": mirror.url, **nowhere, **here}) as running:
        yield running


@pytest.fixture(scope="session")
def small(server: Server) -> Path:
    """A model file of the server: a small network of random numbers, which is quick and whose faces are plain."""
    return write_small(server.base / "models" / "gpen" / "small.safetensors")


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A connection to the server, which has forgotten what earlier tests ran."""
    server.check_alive()
    with Client(server.url) as connected:
        connected.free()
        yield connected
