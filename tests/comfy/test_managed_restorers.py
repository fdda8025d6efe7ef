"""Restorers other than GPEN under ComfyUI's own model management, called directly."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.support import restorers as made
from tests.support import tolerances
from tests.unit.test_restorers_onnx import write as write_onnx
from tools.comfyui import ROOT, provide

SMALL = {"GFPGAN": made.small_gfpgan, "RestoreFormer": made.small_restoreformer}
RELEASED = {"GFPGAN": 349, "RestoreFormer": 291, "CodeFormer": 376}
"""MB of the weights of the released networks in float32."""


def opened(name: str, precision: str = "fp32") -> Any:
    """A small network of random numbers as the library has it, in the modules of the pack."""
    kind = sys.modules["gpen_pack.gpen.restorers.kinds"].KINDS[name]
    row = type(kind)(**{**vars(kind), "size": made.SIDE})
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    library = sys.modules["gpen_pack.gpen.restorers.through_spandrel"]
    network = SMALL[name]().to(dtype)
    descriptor = type("Descriptor", (), {"model": network, "scale": 1})()
    settings = sys.modules["gpen_pack.gpen.restorers.settings"].RestorerSettings()
    return library.SpandrelModel(descriptor, row, name, dtype, settings)


def managed(model: Any) -> Any:
    return sys.modules["gpen_pack.nodes.bridge"].managed(model)


@pytest.mark.parametrize("name", SMALL)
class TestNetworks:
    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_same_picture_as_without(self, management: Any, name: str, precision: str) -> None:
        plain = opened(name, precision).restore(made.faces())
        model = managed(opened(name, precision))
        with torch.inference_mode():  # as in a node
            torch.testing.assert_close(model.restore(made.faces()), plain, atol=tolerances.PICTURE, rtol=0)
        assert model.patcher in management.loaded_models()
        management.unload_all_models()
        assert model.patcher not in management.loaded_models()
        torch.testing.assert_close(model.restore(made.faces()), plain, atol=tolerances.PICTURE, rtol=0)

    def test_same_picture_with_64_megabytes(self, management: Any, name: str) -> None:
        """In proportion: the small network gets the share of its weights that 64 MB are of the released one's."""
        model = managed(opened(name))
        whole = model.restore(made.faces())
        management.unload_all_models()
        budget = 64 / RELEASED[name] * model.patcher.model_size()
        model.patcher.load(model.patcher.load_device, lowvram_model_memory=budget)
        assert model.patcher.model.model_lowvram and model.patcher.loaded_size() <= budget
        model.make_ready = lambda _: None  # which would load the rest
        torch.testing.assert_close(model.restore(made.faces()), whole, atol=tolerances.PICTURE, rtol=0)

    def test_no_weight_is_used_where_it_was_left(self, management: Any, name: str) -> None:
        """There is no card here. So its weights are left in another precision, which tells them from what is brought
        to the device: nothing but the bringing may see them."""
        plain = opened(name, "bf16")
        exact = opened(name)
        exact.network.load_state_dict(plain.network.state_dict())
        expected = exact.restore(made.faces())
        plain.dtype = torch.float32
        model = managed(plain)
        model.make_ready = lambda _: None
        model.network.to(torch.bfloat16)
        used: list[str] = []

        class Watch(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                flat = tree_leaves((args, kwargs or {}))
                if any(isinstance(one, torch.Tensor) and one.dtype == torch.bfloat16 for one in flat):
                    used.append(str(func))
                return func(*args, **(kwargs or {}))

        with Watch():
            restored = model.restore(made.faces())
        bringing = ("aten.to.", "aten._to_copy.", "aten.copy_.", "aten.empty_like.", "aten.detach.")
        assert used and not [one for one in used if not one.startswith(bringing)], set(used)
        torch.testing.assert_close(restored, expected, atol=tolerances.PICTURE, rtol=0)
        lent = [one for one in model.network.state_dict().values() if one.is_floating_point()]
        assert all(one.dtype == torch.bfloat16 for one in lent), "what was lent was not given back"

    def test_interrupt_stops_it(self, management: Any, name: str) -> None:
        model = managed(opened(name))
        management.interrupt_current_processing()
        with pytest.raises(management.InterruptProcessingException):
            model.restore(made.faces())
        model.restore(made.faces())

    def test_patcher_lives_as_long_as_the_model(self, management: Any, name: str) -> None:
        model = managed(opened(name))
        model.restore(made.faces())
        loaded = management.current_loaded_models[0]
        assert loaded.model is model.patcher and not loaded.is_dead()
        for other in (model.for_parts(), model.at_detail("full")):
            assert other.patcher is model.patcher


class TestSession:
    @pytest.fixture
    def model(self, management: Any, tmp_path: Path) -> Any:
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        library = sys.modules["gpen_pack.gpen"]
        return managed(library.load_model(write_onnx(tmp_path / "gpen.onnx"), device="cpu"))

    def test_is_closed_when_models_are_let_go(self, management: Any, model: Any) -> None:
        first = model.restore(made.faces())
        assert model.patcher in management.loaded_models() and model.is_open
        management.unload_all_models()
        assert model.patcher not in management.loaded_models() and not model.is_open
        torch.testing.assert_close(model.restore(made.faces()), first)
        assert model.patcher in management.loaded_models() and model.is_open

    def test_is_closed_when_another_model_needs_the_room(self, management: Any, model: Any) -> None:
        management.free_memory(1e30, model.patcher.load_device)
        assert not model.is_open

    def test_parts_share_it(self, model: Any) -> None:
        tiles = model.for_parts()
        tiles.restore(made.faces())
        assert tiles.is_open and model.is_open and tiles.patcher is model.patcher


def test_starting_imports_neither_spandrels_extras_nor_onnxruntime(pack: ModuleType) -> None:
    """Of the pack; where ComfyUI finds spandrel's extra architectures, it imports them itself."""
    program = f"""
import asyncio, importlib.util, sys
sys.path.insert(0, {str(provide())!r})
import utils.install_util
from comfy.cli_args import args
args.cpu = True
import folder_paths
from server import PromptServer
before = set(sys.modules)
root = {str(ROOT)!r}
spec = importlib.util.spec_from_file_location("pack", root + "/__init__.py", submodule_search_locations=[root])
module = importlib.util.module_from_spec(spec)
sys.modules["pack"] = module
spec.loader.exec_module(module)
extension = asyncio.run(module.comfy_entrypoint())
for node in asyncio.run(extension.get_node_list()):
    node.GET_SCHEMA()
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
assert "pack" in new
print("imported:", sorted(new & {{"spandrel", "spandrel_extra_arches", "onnxruntime", "onnx"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd="/", capture_output=True, text=True, check=False)
    assert "imported: []" in done.stdout, done.stdout + done.stderr
