"""ComfyUI's own model management, called directly, on a model of ours."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from gpen.model.checkpoint import write_checkpoint
from gpen.model.config import GPENConfig
from tests.support.photograph import photograph


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = GPENConfig.released(128, 2, 1 / 16, 64, 4)
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    write_checkpoint(path, {name: torch.randn(shape) for name, shape in config.official_shapes().items()})
    return path


@pytest.fixture
def model(management: Any, file: Path) -> Any:
    return managed(file, "fp32")


def managed(file: Path, precision: str) -> Any:
    bridge = sys.modules["gpen_pack.nodes.bridge"]
    return bridge.ManagedModel(checkpoint(file), "small", "restoration", precision, "auto")


def checkpoint(file: Path) -> Any:
    return sys.modules["gpen_pack.gpen.model.checkpoint"].read_checkpoint(file)


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)) * 2 - 1


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


@pytest.mark.parametrize("precision", ["fp32", "fp8"])
def test_weights_that_stay_on_the_cpu_can_be_pinned(
    management: Any, file: Path, picture: torch.Tensor, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ComfyUI pins nothing without a card, and what is not contiguous it does not pin with one."""
    pinned: list[torch.Tensor] = []
    monkeypatch.setattr(management, "pin_memory", pinned.append)
    with torch.inference_mode():  # as in a node
        model = managed(file, precision)
        whole = model(picture)
        assert not pinned and not model.network.convs[1].conv.weight.is_contiguous(), "on the device they lie better so"
        management.unload_all_models()
        model.patcher.load(model.patcher.load_device, lowvram_model_memory=1)
        assert any(weight.ndim == 4 for weight in pinned) and all(weight.is_contiguous() for weight in pinned)
        part = model.network(picture.to(model.patcher.load_device, model.dtype))
    torch.testing.assert_close(part.float().cpu(), whole.cpu(), atol=1e-5, rtol=0)


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


@pytest.fixture
def card(management: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A card of 8 GB that nobody has → its free memory; weights that are loaded to it go nowhere, but are counted."""

    def free(_: Any = None, torch_free_too: bool = False) -> Any:
        left = 8e9 - sum(loaded.model_loaded_memory() for loaded in management.current_loaded_models)
        return (left, 0.0) if torch_free_too else left

    monkeypatch.setattr(management, "get_free_memory", free)
    monkeypatch.setattr(management, "vram_state", management.VRAMState.NORMAL_VRAM)
    return free


@pytest.fixture
def on_card(model: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model, as if it were GPEN-512 in half precision on such a card."""
    model.patcher.load_device = model.patcher.offload_device = torch.device("meta")
    activation_bytes = {"normal": 240e6, "low": 49e6}
    monkeypatch.setattr(model, "activation_bytes", lambda pictures, memory: pictures * activation_bytes[memory])
    return model


def test_memory_is_chosen_when_others_have_made_room(management: Any, card: Callable[[], float], on_card: Any) -> None:
    from comfy.model_patcher import ModelPatcher  # pyright: ignore[reportMissingImports]
    from comfy.ops import manual_cast  # pyright: ignore[reportMissingImports]

    large = torch.nn.Sequential(*(manual_cast.Linear(8660, 8660, bias=False, device="meta") for _ in range(26)))
    for layer in large:
        layer.weight = torch.nn.Parameter(torch.empty(8660, 8660, device="meta"), requires_grad=False)
    other = ModelPatcher(large, torch.device("meta"), torch.device("meta"))
    management.load_models_gpu([other], force_full_load=True)
    assert card() < 240e6, "the test shows nothing where both fit"
    at_once = on_card.pictures_at_once()
    assert at_once >= 2 and other.loaded_size() > 5e9, "room is made for one picture, not for as many as possible"
    assert at_once == int(card() / 2 / 240e6)
    assert on_card._make_ready_for(at_once) == "normal"


def test_memory_that_is_given_back_when_asked_for_counts_as_free(
    management: Any, on_card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(on_card.patcher, "get_free_memory"):
        pytest.skip("this ComfyUI cannot tell")
    monkeypatch.setattr(
        management, "get_free_memory", lambda *_, torch_free_too=False: (2e8, 0) if torch_free_too else 2e8
    )
    assert on_card.pictures_at_once() == 2
    monkeypatch.setattr(on_card.patcher, "get_free_memory", lambda _: 6e9)
    assert on_card.pictures_at_once() == 8
    assert on_card._make_ready_for(8) == "normal"


def test_more_weights_stay_where_normal_memory_is_too_much(
    management: Any, card: Callable[[], float], on_card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_card, "activation_bytes", lambda _, memory: {"normal": 9e9, "low": 49e6}[memory])
    assert on_card._make_ready_for(1) == "low"
    assert on_card.patcher.loaded_size() == on_card.patcher.model_size()


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


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "fp8"])
def test_same_picture_as_without_management(management: Any, file: Path, picture: torch.Tensor, precision: str) -> None:
    """In particular with dynamic VRAM, where ComfyUI's layers are made in another way."""
    model = managed(file, precision)
    library = sys.modules["gpen_pack.gpen.restorers.gpen"]
    plain = library.load_network(checkpoint(file), "small", "restoration", precision)
    assert model.dtype == plain.dtype, "the CPU should mean the same by it"
    assert torch.equal(model(picture), plain(picture))


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_of_the_loaded_network(management: Any, file: Path, precision: str, dtype: torch.dtype) -> None:
    model = managed(file, precision)
    assert model.network.encoder[0].weight.dtype == model.dtype == dtype


def test_pasting_says_why_there_is_nothing_to_paste(pack: ModuleType) -> None:
    """A clip whose crops `restore` drops would have to be long: here it may keep none."""
    library, pipeline, paste = (sys.modules[f"gpen_pack.{name}"] for name in ("gpen", "gpen.pipeline", "nodes.paste"))
    picture = torch.from_numpy(photograph())[None].float() / 255
    model, detector = library.load_model("preview", device="cpu"), library.open_detector("mtcnn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "MOST_KEPT", 0)
        let_go = library.restore(model, picture, detector).faces
    assert str(paste._report(let_go)).startswith("nothing to paste: the crops of so long a clip are not kept.")
    found = library.detect_faces(picture, detector)
    assert str(paste._report(found)).startswith("nothing to paste: no face is restored.")
    assert str(paste._report(library.restore_faces(model, picture, let_go))).startswith("1 face found, 1 restored")
