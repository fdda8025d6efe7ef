"""The restorers, a row each: all that tells one kind from its like stands here.

One more that spandrel builds is a row; one of another kind is one file here, which imports nothing heavy before it is
opened, and a row.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CheckpointError
from ..faces.alignment import GPEN_ALIGNMENT
from ..model.checkpoint import read_tensors
from ..weights.catalogue import APACHE_TERMS, GPEN_TERMS, S_LAB_TERMS, released
from .kind import RestorerKind, Wanted
from .protocol import Restorer
from .settings import RestorerSettings
from .through_onnx import open_onnx
from .through_spandrel import open_spandrel, what_spandrel_sees

__all__ = [
    "KINDS",
    "Restorer",
    "RestorerKind",
    "RestorerSettings",
    "Wanted",
    "check_installed",
    "kind_of",
    "terms_of",
    "what_else",
]


def _gfpgan(descriptor: Any, x: Tensor, _: RestorerSettings) -> Tensor:
    # Official code draws new noise at each run. The file has some as well, which gives the same face each time and in
    # each frame. Spandrel itself would run it in 0..1, which it was not trained for.
    return descriptor.model(2 * x - 1, return_rgb=False, randomize_noise=False)[0] / 2 + 0.5


def _restoreformer(descriptor: Any, x: Tensor, _: RestorerSettings) -> Tensor:
    return descriptor.model(2 * x - 1)[0] / 2 + 0.5


def _codeformer(descriptor: Any, x: Tensor, settings: RestorerSettings) -> Tensor:
    return descriptor.model(2 * x - 1, weight=settings.fidelity)[0] / 2 + 0.5


_ROWS = (
    RestorerKind("GPEN", GPEN_TERMS, marks=("generator.style.", "ecd0."), alignment=GPEN_ALIGNMENT, package=""),
    RestorerKind(
        "GFPGAN",
        APACHE_TERMS,
        open_spandrel,
        marks=("stylegan_decoder.style_mlp.", "toRGB.0.weight"),
        run=_gfpgan,
        bytes_of_one=681_000_000,
    ),
    RestorerKind(
        "RestoreFormer",
        APACHE_TERMS,
        open_spandrel,
        marks=("quantize.embedding.weight", "encoder.conv_in.weight", "mid.attn_1.norm1.weight"),
        run=_restoreformer,
        bytes_of_one=722_000_000,
    ),
    RestorerKind(
        "CodeFormer",
        S_LAB_TERMS,
        open_spandrel,
        marks=("position_emb", "ft_layers.0.self_attn.in_proj_weight"),
        options=("fidelity",),
        package="spandrel_extra_arches",
        run=_codeformer,
        bytes_of_one=588_000_000,
    ),
    RestorerKind(
        "ONNX",
        "those of the weights it was made from",
        open_onnx,
        suffix=".onnx",
        options=("fidelity", "template", "values"),
        package="onnxruntime",
    ),
)

KINDS = {row.name: row for row in _ROWS}
"""Kind by name, in the order in which files are looked at."""


def kind_of(path: Path) -> RestorerKind | None:
    """The kind of restorer in a file, by what it holds; None where it is none that is known.

    Raises `CheckpointError` where it cannot be read.
    """
    for kind in KINDS.values():
        if kind.suffix and path.suffix.lower() == kind.suffix:
            return kind
    names = list(read_tensors(path, names_only=True)[0])
    for kind in KINDS.values():
        if kind.marks and all(any(mark in name for name in names) for mark in kind.marks):
            return kind
    return None


def terms_of(name: str, kind: RestorerKind) -> str:
    """The terms of use of a file of that name: those of the release it is called after, else those of its kind."""
    release = released(name)
    if release and release.kind in ("gpen", "restorer"):
        return release.terms
    if kind.suffix:  # an export, of whatever its name says
        return next((one.terms for one in KINDS.values() if one.name.lower() in name.lower()), kind.terms)
    return kind.terms


def check_installed(kind: RestorerKind) -> None:
    """Raise `CheckpointError` where a package that a kind of restorer needs is not installed; nothing is imported."""
    package = kind.package
    if package and find_spec(package) is None:
        raise CheckpointError(
            f"{kind.name} networks need the package {package}, which is not installed here: "
            f"pip install {package.replace('_', '-')}, or choose another file"
        )


def what_else(path: Path) -> str | None:
    """What a file is that is no restorer, as far as anybody here knows."""
    try:
        return what_spandrel_sees(read_tensors(path)[0])
    except CheckpointError:
        return None
