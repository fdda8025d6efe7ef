"""The one bridge to ComfyUI: its model management, its progress bar and interrupt, and words on a node."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, cast

import comfy.model_management as management
import comfy.ops
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io, ui
from server import PromptServer
from torch import nn

from ..gpen.errors import SettingError
from ..gpen.faces.report import Report
from ..gpen.model.checkpoint import Checkpoint
from ..gpen.model.precision import choose_precision
from ..gpen.progress import Progress
from ..gpen.restorers.gpen import GPENModel, build_network
from ..gpen.restorers.protocol import Restorer
from ..gpen.restorers.through_onnx import OnnxModel
from ..gpen.restorers.through_spandrel import SpandrelModel

CATEGORY = "image/face/GPEN"
MOST_PREVIEWS = 8
"""Each is written to disk."""

ModelType = io.Custom("GPEN_MODEL")
# Other packs have a type of their own that they call FACES.
FacesType = io.Custom("GPEN_FACES")


class Patcher(ModelPatcher):
    """ComfyUI's, for weights whose channels lie innermost.

    ComfyUI pins contiguous weights alone, and newer versions bring others into that order each time they send them to
    the card: for GPEN-512 in half precision that took a processor 30 ms, more than the sending. So those that stay on
    the CPU are put in order once; the convolutions take them either way.
    """

    def pin_weight_to_device(self, key: str) -> None:
        weight = self.model.get_parameter(key)
        weight.data = weight.data.contiguous()
        super().pin_weight_to_device(key)


class Managed:
    """What makes a model of the library one whose weights ComfyUI moves on and off the card.

    It holds the patcher, because ComfyUI's list of loaded models only keeps weak references.
    """

    patcher: ModelPatcher

    @property
    def device(self) -> torch.device:
        return self.patcher.load_device

    def make_ready(self, activation_bytes: int) -> None:
        management.load_models_gpu([self.patcher], memory_required=activation_bytes)

    def free_bytes(self) -> float:
        # With the dynamic VRAM of newer versions, other models' weights stay on the card until their room is needed.
        free_memory = getattr(self.patcher, "get_free_memory", management.get_free_memory)
        # Of what is free now, the weights that are not loaded yet will take their part.
        to_load = self.patcher.model_size() - self.patcher.loaded_size()
        return free_memory(self.device) - to_load


class ManagedModel(Managed, GPENModel):
    """A GPEN network under ComfyUI's management."""

    def __init__(self, checkpoint: Checkpoint, name: str, task: str, precision: str, memory: str):
        device = management.get_torch_device()
        chosen = choose_precision(precision, device, best_dtype(device))
        network = build_network(checkpoint, chosen, comfy.ops.manual_cast)
        super().__init__(network, name, task, chosen.dtype, memory)
        for layer in (*network.encoder, *network.convs):
            layer.register_forward_pre_hook(_stop_if_interrupted)
        self.patcher = Patcher(network, load_device=device, offload_device=management.unet_offload_device())


class ManagedNetwork(Managed, SpandrelModel):
    """A network that spandrel built under ComfyUI's management."""

    def __init__(self, model: SpandrelModel):
        vars(self).update(vars(model))
        device = management.get_torch_device()
        follow_input(model.network, device, model.dtype)
        self.patcher = Patcher(model.network, load_device=device, offload_device=management.unet_offload_device())


class ManagedSession(OnnxModel):
    """A session of onnxruntime, which is closed when ComfyUI lets its models go."""

    def __init__(self, model: OnnxModel):
        vars(self).update(vars(model))
        self.patcher = SessionPatcher(model)
        self.make_ready()

    def make_ready(self) -> None:
        management.load_models_gpu([self.patcher])


class SessionPatcher(ModelPatcher):
    """Stands for a session among ComfyUI's loaded models: all that ComfyUI can do with it is to let it go.

    It is counted with the bytes of its file.
    """

    def __init__(self, model: OnnxModel):
        device, offload = management.get_torch_device(), management.unet_offload_device()
        super().__init__(nn.Module(), device, offload, size=model.path.stat().st_size)
        self.session_of = model

    def loaded_size(self) -> int:
        return self.model_size() if self.session_of.is_open else 0

    def partially_load(self, *_: Any, **__: Any) -> int:
        self.session_of.session()
        return self.model_size()

    def partially_unload(self, *_: Any, **__: Any) -> int:
        return 0  # then all of it is asked for

    def detach(self, unpatch_all: bool = True) -> Any:
        self.session_of.close()
        return self.model


def managed(model: Restorer) -> Restorer:
    """A restorer of the library under ComfyUI's management, as far as it can be."""
    if isinstance(model, SpandrelModel):
        return ManagedNetwork(model)
    return ManagedSession(model) if isinstance(model, OnnxModel) else model


def outside_of_management(model: Restorer) -> str:
    """What a person is to know of a restorer whose memory ComfyUI does not see; else nothing."""
    if not isinstance(model, OnnxModel):
        return ""
    return (
        f". It runs by onnxruntime on {model.runs_on}, whose memory is outside of ComfyUI's management; the session is "
        "closed when ComfyUI lets its models go"
    )


CAST = ("Linear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "GroupNorm", "LayerNorm")
"""Layers of PyTorch that ComfyUI has as well, with weights that may lie elsewhere than what they are given."""


def follow_input(network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Let a network run whose weights are only partly on the device, as ComfyUI leaves them where it is full.

    Layers that ComfyUI knows become its own, which fetch their weights when they run. Whatever else has weights gets
    them for as long as it runs: parameters in the middle of a network, and layers whose weights others look into.
    """
    for module in network.modules():
        name = type(module).__name__
        if name in CAST and type(module) is getattr(nn, name) and module.weight is not None:
            module.__class__ = getattr(comfy.ops.manual_cast, name)
            module.register_forward_pre_hook(_stop_if_interrupted)
    for module in network.modules():
        if not hasattr(module, "comfy_cast_weights"):
            near = [child for child in module.children() if not hasattr(child, "comfy_cast_weights")]
            owners = [module, *(child for child in near if not list(child.children()))]
            if any(owner._parameters or owner._buffers for owner in owners):
                _lend(module, owners, device, dtype)


def _lend(module: nn.Module, owners: list[nn.Module], device: torch.device, dtype: torch.dtype) -> None:
    """While a module runs, let parameters and buffers of its `owners` be on the device."""
    lent: list[list[tuple[dict[str, Any], str, torch.Tensor]]] = []

    def lend(*_: Any) -> None:
        taken = []
        for owner in owners:
            for tensors in cast("tuple[dict[str, Any], ...]", (owner._parameters, owner._buffers)):
                for name, tensor in tensors.items():
                    wanted = dtype if tensor is not None and tensor.is_floating_point() else None
                    if tensor is not None and (tensor.device != device or tensor.dtype != (wanted or tensor.dtype)):
                        taken.append((tensors, name, tensor))
                        tensors[name] = tensor.to(device, wanted)
        lent.append(taken)

    def give_back(*_: Any) -> None:
        for tensors, name, tensor in lent.pop():
            tensors[name] = tensor

    module.register_forward_pre_hook(lend)
    module.register_forward_hook(give_back, always_call=True)


def managed_place() -> Callable[[nn.Module], torch.device]:
    """A place for one detector's network, under ComfyUI's model management, for as long as the place is held."""
    patcher: ModelPatcher | None = None

    def place(network: nn.Module) -> torch.device:
        nonlocal patcher
        device = management.get_torch_device()
        patcher = patcher or ModelPatcher(network, device, management.unet_offload_device())
        # Its layers are not ComfyUI's, which could be left on the CPU one by one.
        management.load_models_gpu([patcher], force_full_load=True)
        return device

    return place


def torch_device() -> torch.device:
    """Where ComfyUI runs networks."""
    return management.get_torch_device()


def best_dtype(device: torch.device | None = None) -> torch.dtype:
    """What precision "auto" stands for: it follows the device and ComfyUI's flags (`--force-fp16`, `--cpu` …)."""
    device = device or management.get_torch_device()
    if management.should_use_fp16(device):
        return torch.float16
    return torch.bfloat16 if management.should_use_bf16(device) else torch.float32


def _stop_if_interrupted(*_: Any) -> None:
    management.throw_exception_if_processing_interrupted()


def progress() -> Progress:
    """What the library calls with (done, in all): ComfyUI's progress bar, and the place where a cancel takes effect."""
    bar = comfy.utils.ProgressBar(1)

    def on_step(done: int, total: int | None) -> None:
        management.throw_exception_if_processing_interrupted()
        if total is not None:  # a server may not say how large a download is
            bar.update_absolute(done, total)

    return on_step


def on_intermediate_device(tensor: torch.Tensor) -> torch.Tensor:
    """Where ComfyUI wants pictures between nodes."""
    return tensor.to(management.intermediate_device())


def say(text: str, node: type[io.ComfyNode]) -> None:
    """Show a text on the running node, while it runs."""
    server = PromptServer.instance
    if server is not None and hasattr(server, "send_progress_text"):  # older versions have no such message
        server.send_progress_text(text, node.hidden.unique_id)


def shown(report: Report) -> dict[str, Any]:
    """A report as a node's `ui`: the text for those who read the history, the facts for `web/report.js`."""
    return {"text": (str(report),), "gpen_report": (report.facts(),)}


def preview_on_node(pictures: torch.Tensor) -> dict[str, Any]:
    """Pictures (B, H, W, 3) as a node's `ui`: the page draws them on the node. Of a clip the first few."""
    return {"images": ui.PreviewImage(pictures[:MOST_PREVIEWS]).as_dict()["images"]}


def shown_again() -> dict[str, Any]:
    """For the schema of a node that says something: a kept result is said again, where this ComfyUI does so."""
    known = any(field.name == "has_intermediate_output" for field in fields(io.Schema))
    return {"has_intermediate_output": True} if known else {}


def check_choices(*checks: tuple[str, object, tuple[str, ...]]) -> None:
    """Raise `SettingError` for a choice that is none: (what it is, its value, the choices) of each.

    For `execute`. Newer versions of ComfyUI check the combos of a node themselves, with one error for each, unless its
    `validate_inputs` names them; then its answer is shown once for every name. So it is to name none.
    """
    for what, value, choices in checks:
        if value not in choices:
            raise SettingError.unknown(what, value, choices)


def report_output() -> io.String.Output:
    """What became of each face, as a text that a graph can save or show."""
    return io.String.Output(display_name="report", tooltip="What became of each face, a line each.")


def advanced(widget: io.WidgetInput) -> io.WidgetInput:
    """Fold an input away among the advanced ones, where this version of ComfyUI does so."""
    widget.extra_dict["advanced"] = True
    return widget


def aliases(*words: str) -> dict[str, Any]:
    """Further words by which the page's search finds a node, for its schema; nothing where ComfyUI knows none."""
    known = any(field.name == "search_aliases" for field in fields(io.Schema))
    return {"search_aliases": list(words)} if known else {}
