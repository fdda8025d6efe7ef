"""Reading and writing GPEN checkpoints: any released file, in any container, checked against its own shapes."""

import errno
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..atomic_file import replacing
from ..errors import CheckpointError, SettingError, advice_on_out_of_memory, is_out_of_memory
from . import torch_file
from .config import GPENConfig

WRAPPERS = ("g_ema", "params_ema", "state_dict", "params")
"""Keys under which a checkpoint may hold the state dict: official training, BasicSR, Lightning, BasicSR without EMA."""

STRANGERS = (
    ("stylegan_decoder.", "a GFPGAN model"),
    ("quantize.embedding", "a CodeFormer or RestoreFormer model"),
    ("model.diffusion_model.", "a Stable Diffusion checkpoint"),
    ("ClassHead.", "a RetinaFace face detector"),
    ("out_mask_conv", "a ParseNet face parser"),
    ("cp.resnet.", "a BiSeNet face parser"),
    # GPEN's author, in the official repository: "GPEN-BFR-512-D is the discriminator".
    ("final_conv.0.weight", 'a discriminator (such as the released "-D" files), which only training uses'),
)
"""Part of a tensor's name → the model it gives away: what people keep in the same folder, and pick by mistake."""

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

MOST_HEADER = 4 << 20
"""Bytes of what a `.safetensors` file says about its tensors; a released network's has 40 kB."""
MOST_TENSORS = 5000
"""In a file; the largest released network has 330, a training with its optimisers 1500."""
MOST_LETTERS = 100
"""Of a tensor's name in a message."""

GET_ONE = "Choose a GPEN model (for example GPEN-BFR-512), or download the file again if this should be one."


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """One GPEN network as it lies in a file."""

    tensors: dict[str, Tensor]
    """Official name → tensor on the CPU, in the file's dtype, without FIR kernels. They may be mapped from the file."""
    config: GPENConfig
    metadata: dict[str, str]
    """What a `.safetensors` file says about itself; empty for other files."""
    path: Path


@advice_on_out_of_memory("to read the model", "choose a smaller one")
def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a GPEN checkpoint (`.pth`, `.pt` or `.safetensors`); its configuration follows from its tensor shapes.

    Raises `CheckpointError` where the file is missing, damaged, of another model, or not exactly one GPEN network.
    """
    path = Path(path)
    tensors, metadata = read_tensors(path)
    # The FIR kernels are constants that official code stores as buffers.
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith(".kernel")}
    return Checkpoint(tensors, _checked_config(tensors, str(path)), metadata, path)


def check_target(source: Path, target: Path) -> None:
    """Before a checkpoint is made out of another. Raises `SettingError` for a target that `write_checkpoint` must not
    or cannot write: the source itself, which is mapped into memory while it is read, or another kind of file."""
    if target.suffix != ".safetensors":
        raise SettingError(f"{target} should end in .safetensors: that is the only kind of file that is written.")
    if target.exists() and source.exists() and target.samefile(source):
        raise SettingError(
            f"{target} would be overwritten: no file is written onto itself, give the new one another name."
        )


@advice_on_out_of_memory("to write the model", "choose a smaller one")
def write_checkpoint(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write official tensors (no FIR kernels) as `.safetensors`, with their configuration in the metadata.

    The file appears complete or not at all. Known metadata: `name`, `task`, `source`, `license`.
    Raises `CheckpointError` where the tensors are not one GPEN network, or the file cannot be written, and
    `OutOfMemory`.
    """
    path = Path(path)
    config = _checked_config(tensors, f"the tensors for {path}")
    # Copied, because safetensors refuses tensors that share memory (two views of one tensor).
    contents = {name: torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor) for name, tensor in tensors.items()}
    header = {**(metadata or {}), "format": "gpen", "config": json.dumps(asdict(config))}
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(save(contents, header))  # safetensors' own `save_file` hides the file from others
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be written: {error}. Check its folder, the space there and your rights."
        ) from error


@advice_on_out_of_memory("to read the file", "choose a smaller one")
def read_tensors(path: Path, names_only: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of any checkpoint, out of their wrapper and without `module.` prefixes, and the file's metadata.

    With `names_only` no number is read, and what stands for the tensors may be empty.

    The container is told by its first bytes, because people rename files. Whatever a file says about itself, reading
    it takes no more work than its size. Raises `CheckpointError` where it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would never be read to its end
            raise OSError(errno.EINVAL, "it is not a file")
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be opened: {error.strerror}. Check its name, folder and rights."
        ) from error
    if head[8:9] == b"{":
        return _read_safetensors(path, int.from_bytes(head[:8], "little"), names_only)
    if not head.startswith((b"PK\x03\x04", b"\x80")):
        raise _unknown(path, head)
    if path.suffix == ".safetensors":  # a promise that it breaks; newer versions of torch.load go by the ending, too
        raise CheckpointError(
            f"{path} is not a .safetensors file but one of PyTorch. Rename it so that it ends in .pth."
        )
    return _read_torch(path), {}


def _read_safetensors(path: Path, header: int, names_only: bool) -> tuple[dict[str, Tensor], dict[str, str]]:
    if header > MOST_HEADER:
        raise _damaged(path, ValueError(f"its header should have {header:,} bytes"))
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = file.keys()
            if len(names) > MOST_TENSORS:
                raise ValueError(f"{len(names):,} tensors; expected {MOST_TENSORS:,} at most")
            unread = torch.empty(0)
            tensors = {_unprefixed(name): unread if names_only else file.get_tensor(name) for name in names}
            return tensors, dict(file.metadata() or {})
    except Exception as error:  # damaged bytes fail in many ways
        if is_out_of_memory(error):
            raise
        raise _damaged(path, error) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        file = torch_file.read(path)
        stored = _state_dict(file.content, path)
        return file.map(stored)
    except CheckpointError:
        raise
    except torch_file.ForeignError as error:
        raise CheckpointError(
            f"{path} holds {error}. GPEN networks are plain tensors, and what else a file holds could run code or "
            "never end, so it was not loaded. Take the official file, or one that ends in .safetensors."
        ) from error
    except Exception as error:  # damaged bytes fail in many ways
        if is_out_of_memory(error):
            raise
        raise _damaged(path, error) from error


def _unknown(path: Path, head: bytes) -> CheckpointError:
    if path.suffix.lower() == ".onnx" or (head[:1] == b"\x08" and head[2:3] == b"\x12"):
        return CheckpointError(
            f"{path} is an ONNX file, as ReActor, FaceFusion and others use them: a finished program for onnxruntime, "
            "and not the network's weights, which are needed here. It can be loaded as it is where it ends in .onnx, "
            "and `python -m gpen convert` takes GPEN's weights out of it; or choose a .pth or .safetensors file."
        )
    return CheckpointError(
        f"{path} is not a checkpoint: expected a .pth, .pt or .safetensors file, found {_describe(head)}. "
        "Delete it and download the file itself, not the page that links to it."
    )


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
    return CheckpointError(
        f"{path} is damaged or incomplete ({path.stat().st_size:,} bytes): {reason}\nDelete it and download it again."
    )


def _describe(head: bytes) -> str:
    start = head.lstrip()
    if not start:
        return "an empty file"
    if start.startswith(b"<"):
        return "a web page"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, which only stands for the file"
    return f"a file that starts with {start[:16]!r}"


def _state_dict(content: Any, path: Path) -> dict[str, torch_file.Stored]:
    if isinstance(content, Mapping):
        wrapped = (content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping))
        content = next(wrapped, content)
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        kind = "Tensor" if isinstance(content, torch_file.Stored) else type(content).__name__
        raise CheckpointError(f"{path} is not a checkpoint: expected tensors by name, found a {kind}. {GET_ONE}")
    stored = {_unprefixed(name): value for name, value in content.items() if isinstance(value, torch_file.Stored)}
    if len(stored) < len(content):
        others = [name for name, value in content.items() if not isinstance(value, torch_file.Stored)]
        raise CheckpointError(
            f"{path} is not a checkpoint: expected tensors by name (perhaps under {', '.join(WRAPPERS)}), "
            f"but found other things: {_some(others)}. {GET_ONE}"
        )
    return stored


def _unprefixed(name: str) -> str:
    return name.removeprefix("module.")  # left by DataParallel training


def _checked_config(tensors: Mapping[str, Tensor], where: str) -> GPENConfig:
    """The configuration of exactly one sound GPEN network; `where` names the tensors in the error's message."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        config = GPENConfig.from_shapes(shapes)
        if config.mapping_layers == 0:
            raise CheckpointError("not a GPEN checkpoint: the mapping layers (generator.style.*) are missing")
    except CheckpointError as error:
        stranger = next((what for part, what in STRANGERS if any(part in name for name in shapes)), None)
        looks = f" It looks like {stranger}." if stranger else ""
        raise CheckpointError(
            f"{where}: {error}.\nFound {len(shapes)} tensors: {_some(shapes)}.{looks}\n{GET_ONE}"
        ) from error
    expected = config.official_shapes()
    problems = {
        "missing": [name for name in expected if name not in shapes],
        "unexpected": [name for name in shapes if name not in expected],
        "of the wrong shape": [
            f"{name} {list(shapes[name])} instead of {list(shape)}"
            for name, shape in expected.items()
            if shapes.get(name, shape) != shape
        ],
        "not floating point": [name for name, tensor in tensors.items() if tensor.dtype not in FLOATS],
    }
    if not any(problems.values()):
        problems["not finite (NaN or infinite)"] = [name for name, tensor in tensors.items() if not _is_finite(tensor)]
    found = [f"{what}: {_some(names)}" for what, names in problems.items() if names]
    if found:
        raise CheckpointError(
            f"{where}: its tensors are not one complete GPEN network of {config.size} pixels.\n"
            + "\n".join(found)
            + f"\nThe file is damaged or was changed. {GET_ONE}"
        )
    return config


def _is_finite(tensor: Tensor) -> bool:
    # NaN and infinity survive a sum, which takes a fifth of the time of looking at each number.
    return bool(tensor.sum(dtype=torch.float32).isfinite())


def _some(names: Iterable[str], most: int = 3) -> str:
    names = [_readable(name) for name in names]
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "") if names else "none"


def _readable(name: str) -> str:
    """A name out of a stranger's file: not longer than people's names are, and on one line."""
    text = name if len(name) <= MOST_LETTERS else f"{name[:MOST_LETTERS]}…"
    return text if text.isprintable() else ascii(text)
