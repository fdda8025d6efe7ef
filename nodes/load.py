"""The node that loads a network."""

from typing import Any

from comfy_api.latest import io

from ..gpen.faces.report import Report
from ..gpen.model.checkpoint import read_checkpoint
from ..gpen.model.precision import PRECISIONS
from ..gpen.prune.prune import PRUNING, parameters, prune
from ..gpen.restorers.gpen import MEMORY
from ..gpen.weights.catalogue import GPEN_TERMS, task_of
from ..gpen.weights.record import record_path
from .bridge import CATEGORY, ManagedModel, ModelType, advanced, aliases, check_choices, progress, say, shown
from .files import fetched_model_path, folders, megabytes_to_fetch, model_choices, model_path


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
            ],
            outputs=[ModelType.Output(display_name="model", tooltip="For Restore Faces (GPEN).")],
            hidden=[io.Hidden.unique_id],
            **aliases("face restoration model", "checkpoint", "加载模型", "人脸修复模型"),
        )

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: str) -> float:
        # The name is part of ComfyUI's cache key already; a file that was replaced under it is not.
        # One that we fetched has a record to be checked against, and was not there yet when it was first asked for.
        path = model_path(file)
        return path.stat().st_mtime if path and not record_path(path).is_file() else 0.0

    @classmethod
    def execute(cls, file: str, precision: str, memory: str, pruning: str = "none") -> io.NodeOutput:
        # Before anything is fetched.
        check_choices(
            ("model file", file, model_choices()),
            ("precision", precision, PRECISIONS),
            ("memory", memory, MEMORY),
            ("pruning", pruning, PRUNING),
        )
        if file in (missing := megabytes_to_fetch()):
            place = folders()["gpen"][0]
            say(f"fetching {file}, about {missing[file]} MB, into {place}. Its terms: {GPEN_TERMS}", cls)
        path = fetched_model_path(file)
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
        tooltip="preview: the small model that comes with the pack, for trying it out. Then the files in models/gpen "
        "and models/facerestore_models, then the released models, about 76 MB (256) or 285 MB (all others), which are "
        "fetched into models/gpen (or your folder in extra_model_paths.yaml) when the graph first runs; their authors "
        "allow academic and non-commercial use only.",
    )
    # Workflows keep the bare file name; web/labels.js shows the size beside it.
    widget.extra_dict["megabytes_to_fetch"] = megabytes_to_fetch()
    return widget
