"""The node that loads a network."""

from typing import Any

from comfy_api.latest import io

from ..gpen.by_name import open_restorer, restorer_kind
from ..gpen.faces.report import Report
from ..gpen.model.checkpoint import read_checkpoint
from ..gpen.model.choices import MEMORY, PRECISIONS
from ..gpen.prune.prune import PRUNING, parameters, prune
from ..gpen.restorers.kind import Wanted
from ..gpen.restorers.kinds import KINDS, check_installed, terms_of
from ..gpen.restorers.protocol import check_settings
from ..gpen.restorers.settings import RestorerSettings
from ..gpen.weights.catalogue import released, task_of
from ..gpen.weights.record import record_path
from .bridge import (
    CATEGORY,
    ManagedModel,
    ModelType,
    advanced,
    aliases,
    best_dtype,
    check_choices,
    managed,
    outside_of_management,
    progress,
    say,
    shown,
    torch_device,
)
from .files import check_file, fetched_model_path, folders, megabytes_to_fetch, model_choices, model_path, told
from .widgets import widgets


class GPENLoadModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GPENLoadModel",
            display_name="Load GPEN Model",
            category=CATEGORY,
            description="Loads a face restoration network. ComfyUI moves its weights on and off the card.",
            inputs=[
                _file_input(),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="auto",
                    tooltip="auto: what this device does well. fp16 and bf16 take half the memory; "
                    "fp16 is nearer to fp32 than bf16 is. fp8: weights in 8 bits, computed in 16; "
                    "the smallest, and not quite the same picture.",
                ),
                io.Combo.Input(
                    "memory",
                    options=list(MEMORY),
                    default="auto",
                    tooltip="How much memory a face takes on the card. low: a fraction, for the same picture, "
                    "a little slower. auto: low where normal does not fit beside what is loaded.",
                ),
                advanced(
                    io.Combo.Input(
                        "pruning",
                        options=list(PRUNING),
                        default="none",
                        optional=True,  # prompts from before it was there would be refused
                        tooltip="Makes the network smaller and faster. exact: only channels that cannot change the "
                        "picture go. A share: those that change it least go too, which costs quality; "
                        "choosing them takes about as long as restoring ten faces on the CPU.",
                    )
                ),
                *widgets(RestorerSettings),
            ],
            outputs=[ModelType.Output(display_name="model", tooltip="For Restore Faces (GPEN).")],
            hidden=[io.Hidden.unique_id],
            **aliases("face restoration model", "checkpoint", "加载模型", "人脸修复模型"),
        )

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: Any) -> float:
        # The name is part of ComfyUI's cache key already; a file that was replaced under it is not.
        # One that we fetched has a record to be checked against, and was not there yet when it was first asked for.
        path = model_path(file)
        return path.stat().st_mtime if path and not record_path(path).is_file() else 0.0

    @classmethod
    def execute(cls, file: str, precision: str, memory: str, pruning: str = "none", **settings: Any) -> io.NodeOutput:
        # Before anything is fetched.
        check_file(file)
        check_choices(
            ("precision", precision, PRECISIONS),
            ("memory", memory, MEMORY),
            ("pruning", pruning, PRUNING),
        )
        options = RestorerSettings(**settings)
        release = released(file)
        if release and file in (missing := megabytes_to_fetch()):
            check_installed(KINDS[release.architecture])
            place = folders()[release.kind][0]
            say(f"fetching {file}, about {missing[file]} MB, into {place}. Its terms: {release.terms}", cls)
        path = fetched_model_path(file)
        kind = restorer_kind(path)
        if kind.open is not None:
            device = torch_device()
            wanted = Wanted(precision, memory, device, best_dtype(device), options)
            model = managed(open_restorer(path, kind, wanted, pruning))
            words = f"{kind.name}, {model.size} pixels. Terms: {terms_of(path.name, kind)}"
            return io.NodeOutput(model, ui=shown(Report(message=words + outside_of_management(model))))
        check_settings(f"{path.stem} is a GPEN network, which", options, kind.options)
        checkpoint = read_checkpoint(path)
        task = task_of(path, checkpoint.metadata)
        pruned = prune(checkpoint, pruning, task, progress())
        ui: dict[str, Any] = {}
        if pruning != "none":
            sizes = f"{parameters(pruned) / 1e6:.1f} of {parameters(checkpoint) / 1e6:.1f} million weights"
            ui = shown(Report(message=f"pruned ({pruning}): {sizes} are left"))
        return io.NodeOutput(ManagedModel(pruned, path.stem, task, precision, memory), ui=ui)


def _file_input() -> io.Combo.Input:
    widget = io.Combo.Input(
        "file",
        options=list(model_choices()),
        default="preview",
        tooltip="preview: the small model that comes with the pack, for trying it out. Then the restorers in "
        "models/gpen and models/facerestore_models (GPEN, GFPGAN, RestoreFormer, CodeFormer, and .onnx files), then "
        "the released ones, which are fetched when the graph first runs: GPEN, about 76 MB (256) or 285 MB (others), "
        "into models/gpen, the others into models/facerestore_models (or your folders in extra_model_paths.yaml). "
        "The terms of use are beside the name: GPEN's authors allow academic and non-commercial use only, GFPGAN's and "
        "RestoreFormer's commercial use as well.",
    )
    # Workflows keep the bare file name; web/labels.js shows the size beside it.
    widget.extra_dict["megabytes_to_fetch"] = megabytes_to_fetch()
    widget.extra_dict["terms"] = told()
    return widget
