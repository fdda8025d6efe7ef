"""ComfyUI's own model management, called directly, on a model of ours."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from tests.support.photograph import photograph
from tools.comfyui import ROOT, provide


@pytest.fixture(scope="module")
def pack() -> ModuleType:
    """The pack as ComfyUI imports it, with ComfyUI's modules beside it, on the CPU."""
    sys.path.insert(0, str(provide()))
    # First, as in its main.py: later its folder `comfy` is searched too, and holds another `utils`.
    import utils.install_util  # noqa: F401
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()
    spec = importlib.util.spec_from_file_location(
        "gpen_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpen_pack"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def management(pack: ModuleType) -> Any:
    import comfy.model_management as management

    yield management
    management.unload_all_models()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = GPENConfig.released(128, 2, 1 / 16, 64, 4)
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    write_checkpoint(path, {name: torch.randn(shape) for name, shape in config.official_shapes().items()})
    return path


@pytest.fixture
def model(pack: ModuleType, file: Path) -> Any:
    return managed(file, "fp32")


def managed(file: Path, precision: str) -> Any:
    bridge = sys.modules["gpen_pack.nodes.bridge"]
    checkpoint = sys.modules["gpen_pack.gpen.model.checkpoint"].read_checkpoint(file)
    return bridge.ManagedModel(checkpoint, "small", "restoration", precision, "auto")


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_patcher_is_among_the_loaded_models(management: Any, model: Any, picture: torch.Tensor) -> None:
    assert model.patcher not in management.loaded_models()
    model(picture)
    assert model.patcher in management.loaded_models()


def test_unload_models_frees_it(management: Any, model: Any, picture: torch.Tensor) -> None:
    model(picture)
    management.unload_all_models()
    assert model.patcher not in management.loaded_models()
    model(picture)
    assert model.patcher in management.loaded_models(), "it should come back when it is used again"


def test_another_model_that_needs_the_room_gets_it(management: Any, model: Any, picture: torch.Tensor) -> None:
    model(picture)
    # What core does before it loads a model that does not fit beside what is there.
    management.free_memory(1e30, model.patcher.load_device)
    assert model.patcher not in management.loaded_models()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_same_picture_when_only_a_part_is_loaded(
    management: Any, model: Any, picture: torch.Tensor, share: float
) -> None:
    whole = model(picture)
    management.unload_all_models()
    # Core's own partial loading, with a budget in bytes that holds only a share of the weights.
    budget = max(1.0, share * model.patcher.model_size())
    model.patcher.load(model.patcher.load_device, lowvram_model_memory=budget)
    assert model.patcher.model.model_lowvram, "everything was loaded: the test shows nothing"
    with torch.inference_mode():
        part = model.network(picture.to(model.patcher.load_device))
    torch.testing.assert_close(part.cpu(), whole.cpu(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("precision", "megabytes"), [("fp32", 304), ("bf16", 152), ("fp8", 89)])
def test_64_megabytes_are_enough_for_512(
    management: Any, file: Path, picture: torch.Tensor, precision: str, megabytes: float
) -> None:
    """In proportion: a small network gets the share of its weights that 64 MB are of GPEN-512's `megabytes`."""
    model = managed(file, precision)
    whole = model(picture)
    management.unload_all_models()
    budget = 64 / megabytes * model.patcher.model_size()
    model.patcher.load(model.patcher.load_device, lowvram_model_memory=budget)
    assert model.patcher.model.model_lowvram and 0 < model.patcher.loaded_size() <= budget
    run_in_strips = sys.modules["gpen_pack.gpen.model.strips"].run_in_strips
    with torch.inference_mode():
        part = run_in_strips(model.network, picture.to(model.patcher.load_device, model.dtype), "normal")
    torch.testing.assert_close(part.cpu(), whole.cpu(), atol=1e-5, rtol=0)


def test_nothing_of_the_network_is_skipped_by_partial_loading(model: Any) -> None:
    # Core neither moves nor casts the parameters of a module that has children with parameters of their own.
    for name, module in model.network.named_modules():
        own = list(module.parameters(recurse=False))
        below = [child for child in module.children() if list(child.parameters())]
        assert not (own and below), name


def test_patcher_lives_as_long_as_the_model(management: Any, model: Any, picture: torch.Tensor) -> None:
    model(picture)
    loaded = management.current_loaded_models[0]
    assert loaded.model is model.patcher and not loaded.is_dead()


def test_interrupt_stops_the_network(management: Any, model: Any, picture: torch.Tensor) -> None:
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        model(picture)
    model(picture)


@pytest.mark.parametrize(
    ("flags", "device", "dtype"),
    [
        ([], "cpu", torch.float32),
        (["--force-fp16"], "cpu", torch.float32),  # which ComfyUI does not force on a CPU
        (["--force-fp16"], "cuda", torch.float16),
        (["--force-fp32"], "cuda", torch.float32),
    ],
)
def test_auto_precision_follows_the_flags(
    management: Any, monkeypatch: pytest.MonkeyPatch, flags: list[str], device: str, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(management.args, "force_fp16", "--force-fp16" in flags)
    monkeypatch.setattr(management, "FORCE_FP32", "--force-fp32" in flags)
    assert sys.modules["gpen_pack.nodes.bridge"].best_dtype(torch.device(device)) == dtype


@pytest.mark.parametrize(
    ("able", "dtype"), [({"fp16", "bf16"}, torch.float16), ({"bf16"}, torch.bfloat16), (set(), torch.float32)]
)
def test_auto_precision_follows_the_card(
    management: Any, monkeypatch: pytest.MonkeyPatch, able: set[str], dtype: torch.dtype
) -> None:
    for name in ("fp16", "bf16"):
        monkeypatch.setattr(management, f"should_use_{name}", lambda _, name=name: name in able)
    assert sys.modules["gpen_pack.nodes.bridge"].best_dtype(torch.device("cuda")) == dtype


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_of_the_loaded_network(management: Any, file: Path, precision: str, dtype: torch.dtype) -> None:
    model = managed(file, precision)
    assert model.network.encoder[0].weight.dtype == model.dtype == dtype


def test_pasting_says_why_there_is_nothing_to_paste(pack: ModuleType) -> None:
    """A clip whose crops `restore` lets go would have to be long: here it may keep none."""
    library, pipeline, paste = (sys.modules[f"gpen_pack.{name}"] for name in ("gpen", "gpen.pipeline", "nodes.paste"))
    picture = torch.from_numpy(photograph())[None].float() / 255
    model, detector = library.load_model("preview", device="cpu"), library.open_detector("mtcnn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "MOST_KEPT", 0)
        let_go = library.restore(model, picture, detector).faces
    assert paste._report(let_go).startswith("nothing to paste: the crops of so long a clip are not kept.")
    found = library.detect_faces(picture, detector)
    assert paste._report(found).startswith("nothing to paste: no face is restored.")
    assert paste._report(library.restore_faces(model, picture, let_go)).startswith("1 face found, 1 restored")
