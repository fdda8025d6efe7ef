"""Memory that runs out at each place that asks for some: the same result, or the error that says what to do."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

import gpen
from gpen.errors import OutOfMemory
from gpen.model.checkpoint import read_checkpoint
from gpen.weights.convert import convert
from tests.support.networks import write_small
from tests.support.photograph import photograph, tensor
from tools.comfyui import ROOT

from .conftest import Trials, of

SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "gpen").rglob("*.py"))
POINTS = np.array([[85.0, 102], [132, 103], [109, 125], [91, 152], [128, 152]])


def _errors() -> dict[str, Exception]:
    """What each library raises, in its own words."""
    return {
        "torch": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        "numpy": MemoryError("Unable to allocate 2.00 GiB for an array"),
        "cv2": cv2.error(
            "OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 2147483648 bytes in "
            "function 'OutOfMemoryError'"
        ),
    }


class Shortage(TorchDispatchMode):
    """Counts what asks for memory, and refuses it to the one at `at`."""

    def __init__(self, at: int | None = None):
        super().__init__()
        self.at, self.count = at, 0

    def ask(self, library: str) -> None:
        self.count += 1
        if self.count == self.at:
            raise _errors()[library]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.ask("torch")
        return func(*args, **(kwargs or {}))


@contextmanager
def short(at: int | None = None) -> Iterator[Shortage]:
    """Every operation of PyTorch, and every function of NumPy and OpenCV that the library calls, asks first."""
    shortage = Shortage(at)
    with ExitStack() as stack:
        for library, module in (("numpy", np), ("cv2", cv2)):
            prefix = "np" if module is np else "cv2"
            for name in sorted(set(re.findall(rf"\b{prefix}\.([a-zA-Z_]+)\(", SOURCES))):
                function = getattr(module, name, None)
                if callable(function) and not isinstance(function, (type, np.ufunc)):
                    stack.enter_context(patch.object(module, name, _asking(shortage, library, function)))
        stack.enter_context(patch("gpen.model.checkpoint.safe_open", partial(Asking, shortage)))
        stack.enter_context(shortage)
        yield shortage


class Asking:
    """A `.safetensors` file that asks before each tensor; its reader cannot be run while a mode is on."""

    def __init__(self, shortage: Shortage, *arguments: Any, **more: Any):
        self.shortage, self.file = shortage, safe_open(*arguments, **more)

    def __enter__(self) -> "Asking":
        self.opened = self.file.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.file.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.opened, name)

    def get_tensor(self, name: str) -> torch.Tensor:
        self.shortage.ask("torch")
        with _disable_current_modes():
            return self.opened.get_tensor(name)


def _asking(shortage: Shortage, library: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def asking(*args: Any, **kwargs: Any) -> Any:
        shortage.ask(library)
        return function(*args, **kwargs)

    return asking


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Callable[[], Any]]:
    """What a picture goes through, one call each."""
    path = write_small(tmp_path_factory.mktemp("models") / "small.safetensors")
    model = gpen.load_model(path, device="cpu")
    picture = tensor(photograph())
    corner = picture[:, :100, :100]
    faces = gpen.Faces((gpen.Face(0, (70.0, 70, 150, 170), POINTS, 0.9),), 220, 220, 1)
    restored = gpen.restore_faces(model, picture, faces)
    inside = {"x": 70, "y": 70, "width": 80, "height": 100}

    def loaded() -> torch.Tensor:
        return next(iter(read_checkpoint(path).tensors.values()))

    def after(faces: gpen.Faces) -> torch.Tensor:
        crop = faces[0].crop
        assert crop is not None
        return crop.latest

    return {
        "load": loaded,
        "detect": lambda: gpen.detect_faces(picture, "mtcnn", boxes=inside)[0].landmarks,
        "cut": lambda: gpen.face_crops(picture, faces).crops,
        "restore": lambda: after(gpen.restore_faces(model, picture, faces)),
        "whole": lambda: gpen.restore_aligned(model, picture),
        "tiles": lambda: gpen.restore_tiled(model, corner, overlap=16),
        "paste": lambda: gpen.paste_faces(picture, restored, skin=0.5, color="full", grain=0.5).image,
        "lens": lambda: gpen.correct_lens(picture, 0.5),
    }


@pytest.mark.parametrize("step", ["load", "detect", "cut", "restore", "whole", "tiles", "paste", "lens"])
def test_shortage(step: str, steps: dict[str, Callable[[], Any]], trials: Trials) -> None:
    """Memory that runs out at each place that asks for it."""
    trials.kind += f": {step}"
    run = steps[step]
    expected = run()
    with short() as counted:
        run()
    places = np.unique(np.linspace(1, counted.count, min(of(12, 250), counted.count)).astype(int))
    for at in places:
        with trials.trial(f"{step}, place {at} of {counted.count}", OutOfMemory):
            with short(int(at)):
                result = run()
            np.testing.assert_allclose(result, expected, atol=1e-4, err_msg="another result")
    trials.check()


def test_files_stay_whole(trials: Trials, tmp_path: Path) -> None:
    """Memory that runs out while a model is written."""
    source, target = write_small(tmp_path / "source.safetensors"), tmp_path / "target.safetensors"
    with short() as counted:
        convert(source, target)
    whole = target.read_bytes()
    for at in np.unique(np.linspace(1, counted.count, min(of(12, 200), counted.count)).astype(int)):
        with trials.trial(f"place {at}", OutOfMemory), short(int(at)):
            convert(source, target)
        assert target.read_bytes() == whole
        assert len(list(tmp_path.iterdir())) == 2
    trials.check()
