"""Restorers that come as `.onnx`: finished programs for onnxruntime, which runs them on many kinds of cards.

ComfyUI's model management knows nothing of what onnxruntime takes. So the session is opened for the first face, and
`close` gives its memory back until the next one.
"""

import copy
import logging
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

from ..errors import CheckpointError, SettingError
from ..faces.alignment import ALIGNMENTS, Alignment
from ..model.tasks import TASKS
from .kind import RestorerKind, Wanted
from .protocol import check_settings, not_in_strips, only_full_detail
from .settings import VALUES
from .torch_model import finite

log = logging.getLogger(__name__)

PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "other": (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "MIGraphXExecutionProvider",
        "ROCMExecutionProvider",
        "DmlExecutionProvider",
        "CoreMLExecutionProvider",
        "OpenVINOExecutionProvider",
        "CPUExecutionProvider",
    ),
}
"""What onnxruntime may run on, the best first, where the processor is asked for and else."""

NAMES = {"gpen": "gpen", "gfpgan": "ffhq", "codeformer": "ffhq", "restoreformer": "ffhq", "restore_former": "ffhq"}
"""Part of a file's name → how faces lie in its crops. All of these count from -1 to 1."""

FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
BYTES_OF_ONE = 1 << 30
"""Of activations of one crop: a guess, as onnxruntime does not tell."""


class OnnxModel:
    """A session of onnxruntime as a restorer of faces.

    Args:
        path: the file.
        session: onnxruntime's, of that file.
        alignment: how faces lie in its crops.
        values: one of `VALUES`.
        wanted: how it was asked for.

    Raises `CheckpointError` where the file is no program for faces.
    """

    def __init__(self, path: Path, session: Any, alignment: Alignment, values: str, wanted: Wanted):
        self.path = path
        self.name = path.stem
        self.alignment = alignment
        self.values = values
        self.settings = wanted.settings
        self.task = TASKS["restoration"]
        self.providers = _providers(wanted)
        # Copies that share it open and close it for each other.
        self._open: list[Any] = [session]
        self.inputs = _inputs(session, path)
        self.output = _output(session, path, self.inputs.size)
        check_settings(f"{self.name} has no input for it, and so it", wanted.settings, _options(self.inputs))

    @property
    def size(self) -> int:
        """Side of the crops it restores, in pixels."""
        return self.inputs.size

    @property
    def dtype(self) -> torch.dtype:
        """What it is given, which says little of what it computes in."""
        return torch.float16 if self.inputs.dtype == np.float16 else torch.float32

    def session(self) -> Any:
        """The session, opened where it is not. Raises `CheckpointError` where it cannot be."""
        if not self._open:
            self._open.append(_session(self.path, self.providers))
        return self._open[0]

    @property
    def is_open(self) -> bool:
        """Whether its session takes memory now."""
        return bool(self._open)

    @property
    def runs_on(self) -> str:
        """What onnxruntime calls the part of itself that runs it."""
        return self.session().get_providers()[0]

    def close(self) -> None:
        """Give the memory of the session back; the next face opens another."""
        self._open.clear()

    def make_ready(self) -> None:
        """Runs before every batch, as that of `TorchModel` does."""

    def in_low_memory(self) -> Self | None:
        """None: it takes what it takes."""
        return None

    def at_detail(self, detail: str) -> Self:
        """Itself. Raises `SettingError` for less detail than "full", which it cannot give."""
        only_full_detail(self.name, detail)
        return self

    def for_parts(self) -> Self:
        """The same, sharing its session, for tiles of pictures that `task.finish` finishes as a whole."""
        model = copy.copy(self)
        model.task = self.task.unfinished()
        return model

    def pictures_at_once(self) -> int:
        """One: nobody can tell what more would take."""
        return 1

    def bytes_needed(self) -> int:
        """About the bytes of a card that it takes with one face at work."""
        return self.path.stat().st_size + BYTES_OF_ONE

    def restore(self, crops: Tensor) -> Tensor:
        """Aligned faces (B, S, S, 3) in 0..1 → the same faces restored, in 0..1, on the CPU; see `Restorer`."""
        self.make_ready()
        session = self.session()
        x = crops.movedim(3, 1).numpy()
        x = np.ascontiguousarray(x * 2 - 1 if self.values == VALUES[0] else x, dtype=self.inputs.dtype)
        step = len(x) if self.inputs.any_batch else 1
        given = self.inputs.given(self.settings.fidelity)
        results = [
            session.run([self.output], {self.inputs.picture: x[at : at + step], **given})[0]
            for at in range(0, len(x), step)
        ]
        y = finite(torch.from_numpy(np.concatenate(results).astype(np.float32)), self.name, self.dtype)
        y = y / 2 + 0.5 if self.values == VALUES[0] else y
        return self.task.finish(crops, y.clamp(0, 1).movedim(1, 3), None)


class _Inputs:
    """What a session takes: a picture, and perhaps a number."""

    def __init__(self, picture: Any, numbers: list[Any]):
        self.picture: str = picture.name
        self.size: int = picture.shape[3]
        self.any_batch = picture.shape[0] != 1
        self.dtype = FLOATS[picture.type]
        self.numbers = {one.name: (FLOATS[one.type], [1] * len(one.shape)) for one in numbers}

    def given(self, fidelity: float) -> dict[str, Any]:
        return {name: np.full(shape, fidelity, dtype) for name, (dtype, shape) in self.numbers.items()}


def open_onnx(kind: RestorerKind, path: Path, wanted: Wanted) -> OnnxModel:
    """Open an `.onnx` file.

    Raises `CheckpointError` where it is no restorer of faces, or onnxruntime is not installed, and `SettingError`
    where it cannot do what is asked for, or nothing tells how its faces lie.
    """
    what = f"{path.name} is a finished program, which"
    if wanted.precision not in ("auto", "fp32"):
        raise SettingError(f"{what} has a precision of its own; leave precision at auto, not {wanted.precision}")
    not_in_strips(what, wanted.memory)
    session = _session(path, _providers(wanted))
    # What a file says of itself: its `metadata_props`.
    told: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    by_name = next((template for part, template in NAMES.items() if part in path.name.lower()), None)
    template = _first(wanted.settings.template, told.get("template"), by_name)
    values = _first(wanted.settings.values, told.get("values"), VALUES[0] if by_name else None)
    if template not in ALIGNMENTS or values not in VALUES:
        raise SettingError(
            f"neither {path.name} nor its name tells how faces lie in its crops and how it counts from black to white; "
            f"choose template ({' or '.join(ALIGNMENTS)}) and values ({' or '.join(VALUES)})"
        )
    return OnnxModel(path, session, ALIGNMENTS[template], values, wanted)


def _first(chosen: str, *others: str | None) -> str | None:
    return chosen if chosen != "auto" else next((other for other in others if other), None)


def _providers(wanted: Wanted) -> tuple[str, ...]:
    return PROVIDERS["cpu" if wanted.device.type == "cpu" else "other"]


def _session(path: Path, providers: tuple[str, ...]) -> Any:
    try:
        runtime = import_module("onnxruntime")
    except ImportError as error:
        raise CheckpointError(
            f"{path} is an ONNX file, which onnxruntime runs, and that is not installed here: pip install onnxruntime "
            "(onnxruntime-gpu for NVIDIA, onnxruntime-directml for AMD and Intel on Windows), or choose a .pth or "
            ".safetensors file"
        ) from error
    there = [name for name in providers if name in runtime.get_available_providers()]
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(str(path), options, providers=there)
    except Exception as error:  # it has classes of its own for each thing that may be wrong
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} is damaged, or not an ONNX file that onnxruntime can run: {reason}") from error
    log.info("%s runs on %s", path.name, session.get_providers()[0])
    return session


def _inputs(session: Any, path: Path) -> _Inputs:
    """Raises `CheckpointError` for inputs that are not one square picture and at most one number."""
    inputs = session.get_inputs()
    pictures = [one for one in inputs if _is_picture(one)]
    numbers = [one for one in inputs if one.type in FLOATS and all(side == 1 for side in one.shape)]
    if len(pictures) != 1 or len(numbers) > 1 or len(pictures) + len(numbers) != len(inputs):
        raise CheckpointError(
            f"{path} is an ONNX file, but no restorer of faces: it takes {_told_of(inputs)}, and what is needed is one "
            "square picture (1 or N, 3, S, S), and perhaps one number beside it. Choose another file"
        )
    return _Inputs(pictures[0], numbers)


def _output(session: Any, path: Path, size: int) -> str:
    """The name of the output that is the picture. Raises `CheckpointError` where none is."""
    outputs = session.get_outputs()
    for one in outputs:
        # A side that has a name, or none, is whatever comes out.
        told = [side for side in zip(one.shape[1:], (3, size, size), strict=False) if isinstance(side[0], int)]
        if len(one.shape) == 4 and all(side == own for side, own in told):
            return one.name
    raise CheckpointError(
        f"{path} is an ONNX file, but no restorer of faces: of a picture of {size}×{size} it makes "
        f"{_told_of(outputs)}, and what is needed is a picture of the same size. Choose another file"
    )


def _is_picture(one: Any) -> bool:
    sides = one.shape
    square = len(sides) == 4 and sides[1] == 3 and isinstance(sides[2], int) and sides[2] == sides[3]
    return square and one.type in FLOATS and not (isinstance(sides[0], int) and sides[0] != 1)


def _told_of(tensors: list[Any]) -> str:
    return ", ".join(f"{one.name} {tuple(one.shape)} {one.type}" for one in tensors[:4]) or "nothing"


def _options(inputs: _Inputs) -> tuple[str, ...]:
    return ("template", "values", *(("fidelity",) if inputs.numbers else ()))
