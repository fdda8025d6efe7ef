"""The pack as ComfyUI imports it, and ComfyUI's model management, called directly."""

import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import torch

from tools.comfyui import ROOT, provide


@pytest.fixture(scope="session")
def pack() -> ModuleType:
    """The pack as ComfyUI imports it, with ComfyUI's modules beside it, on the CPU."""
    sys.path.insert(0, str(provide()))
    # First, as in its main.py: later its folder `comfy` is searched too, and holds another `utils`.
    # The type checker does not see ComfyUI here.
    import utils.install_util  # noqa: F401 # pyright: ignore[reportMissingImports]
    from comfy.cli_args import args  # pyright: ignore[reportMissingImports]

    args.cpu = not torch.cuda.is_available()
    spec = importlib.util.spec_from_file_location(
        "gpen_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpen_pack"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=[False, True], ids=["", "dynamic VRAM"])
def management(pack: ModuleType, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """ComfyUI's, as it is without and with the dynamic VRAM of newer versions, where it is one of those."""
    import comfy.model_management as management  # pyright: ignore[reportMissingImports]

    if request.param:
        memory = pytest.importorskip("comfy.memory_management", reason="this ComfyUI has no dynamic VRAM")
        # What main.py sets where it finds an NVIDIA card; a CPU builds its networks in the same way then.
        monkeypatch.setattr(memory, "aimdo_enabled", True)
    yield management
    management.unload_all_models()
