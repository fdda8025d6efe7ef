"""The weights of a GPEN network out of an `.onnx` file: what other programs keep, read for what was put into it.

An exporter keeps a parameter's name where the graph uses it as it is. Official layers multiply their weights when they
run, though, and many exporters do that once and for all: what is left is a constant without a name. Such a constant is
known by its place, as the graph uses them in the order in which the network runs. Nothing is taken on trust: the
network that comes out is held against the file itself, run by onnxruntime.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import CheckpointError, is_out_of_memory
from ..model.checkpoint import Checkpoint
from ..model.config import GPENConfig, OfficialTensor
from ..model.layout import converted
from ..model.network import GPEN
from .catalogue import RELEASES

CLOSE = 1e-4
"""How far a pixel in -1..1 may be from what the file itself makes of a picture."""
ELSE = "Use it as it is, with onnxruntime, or take the official .pth file."

Array = npt.NDArray[np.floating[Any]]


@dataclass
class _Constants:
    """What lies in a file: numbers by name, and the names in the order in which the graph first uses them."""

    arrays: dict[str, Array] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    from_right: set[str] = field(default_factory=set)
    """Names of matrices that a graph multiplies from the right, so that they lie transposed."""


def read_onnx(path: Path) -> Checkpoint:
    """The GPEN network that an `.onnx` file was made from.

    Raises `CheckpointError` where it is none, or nothing tells which number is which, or the packages onnx and
    onnxruntime are not installed.
    """
    constants = _constants(path)
    for config in _configs(constants):
        tensors = _by_name(config, constants) or _by_order(config, constants)
        if tensors is not None and _is_the_same(path, config, tensors):
            return Checkpoint(tensors, config, {}, path)
    raise CheckpointError(
        f"{path} is an ONNX file in which the weights of a GPEN network cannot be told apart: neither by their names "
        f"nor by the order in which they are used, so nothing is guessed. {ELSE}"
    )


def _constants(path: Path) -> _Constants:
    onnx = _module("onnx", path)
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf has classes of its own
        if is_out_of_memory(error):
            raise
        raise CheckpointError(f"{path} is damaged, or no ONNX file: {' '.join(str(error).split())[:200]}") from error
    found = _Constants()
    for tensor in model.graph.initializer:
        found.arrays[tensor.name] = onnx.numpy_helper.to_array(tensor)
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    found.arrays[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)
    found.arrays = {name: array for name, array in found.arrays.items() if array.dtype.kind == "f"}
    for node in model.graph.node:
        if node.op_type in ("MatMul", "Gemm") and not any(a.name == "transB" and a.i for a in node.attribute):
            found.from_right.add(node.input[1])
    used = (name for node in model.graph.node for name in node.input if name in found.arrays)
    found.order = list(dict.fromkeys(used))
    return found


def _module(name: str, path: Path) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise CheckpointError(
            f"to take the weights out of {path}, the package {name} is needed, which is not installed here: "
            f"pip install onnx onnxruntime"
        ) from error


def _configs(constants: _Constants) -> Iterator[GPENConfig]:
    """What the network may be: as its names tell, else one of the released sizes."""
    shapes = {_official(name): tuple(array.shape) for name, array in constants.arrays.items()}
    try:
        yield GPENConfig.from_shapes(shapes)
    except CheckpointError:
        yield from RELEASED


RELEASED = tuple(dict.fromkeys(release.config for release in RELEASES if release.config))


def _official(name: str) -> str:
    """The name of a tensor as official code has it, out of what wraps may have put before it."""
    for mark in ("generator.", "ecd", "final_linear."):
        at = name.find(mark)
        if at > 0 and name[at - 1] in "./":
            return name[at:]
    return name


def _by_name(config: GPENConfig, constants: _Constants) -> dict[str, Tensor] | None:
    named = {_official(name): array for name, array in constants.arrays.items()}
    shapes = config.official_shapes()
    if any(tuple(named[name].shape) != shape for name, shape in shapes.items() if name in named):
        return None
    if not all(name in named for name in shapes):
        return None
    return {name: _tensor(named[name]) for name in shapes}


def _by_order(config: GPENConfig, constants: _Constants) -> dict[str, Tensor] | None:
    """Each tensor the first constant of its shape that is used no earlier than its layer; None where one lacks."""
    arrays, order = constants.arrays, constants.order
    named = {_official(name): at for at, name in enumerate(order)}
    own = {tensor.name for tensor in config.tensors()}
    free = [at for at, name in enumerate(order) if _official(name) not in own]
    found: dict[str, Tensor] = {}
    first = 0
    for layer in _as_it_runs(config):
        last = first
        for tensor in layer:
            at = named.get(tensor.name)
            if at is not None and tuple(arrays[order[at]].shape) == tensor.shape:
                found[tensor.name] = _tensor(arrays[order[at]])
            else:
                at = next((at for at in free if at >= first and _fits(arrays[order[at]], tensor)), None)
                if at is None:
                    return None
                free.remove(at)
                found[tensor.name] = _unscaled(arrays[order[at]], tensor, order[at] in constants.from_right)
            last = max(last, at)
        first = last
    return {tensor.name: found[tensor.name] for tensor in config.tensors()}


def _as_it_runs(config: GPENConfig) -> list[list[OfficialTensor]]:
    """The tensors, layer by layer as the network runs: encoder, latent, then the generator with its pictures."""
    tensors = {tensor.name: tensor for tensor in config.tensors()}

    def layer(*parts: str) -> list[OfficialTensor]:
        return [tensor for part in parts for name, tensor in tensors.items() if name.startswith(part)]

    layers = [layer(f"ecd{level}.") for level in range(len(config.encoder_channels))]
    layers += [layer("final_linear."), *(layer(f"generator.style.{i + 1}.") for i in range(config.mapping_layers))]
    # The constant goes into the first convolution, and some exporters have it after what makes that one's styles.
    layers += [layer("generator.input.", "generator.conv1."), layer("generator.to_rgb1.")]
    for octave in range((len(config.generator_channels) - 1) // 2):
        layers += [layer(f"generator.convs.{2 * octave}."), layer(f"generator.convs.{2 * octave + 1}.")]
        layers.append(layer(f"generator.to_rgbs.{octave}."))
    return [sorted(one, key=_first_used) for one in layers]


def _first_used(tensor: OfficialTensor) -> int:
    order = ("modulation.weight", "modulation.bias", "conv.weight", "noise.weight", "activate.bias", "weight", "bias")
    return next(i for i, end in enumerate(order) if tensor.name.endswith(end) or end == "bias")


def _fits(array: Array, tensor: OfficialTensor) -> bool:
    shape, own = _squeezed(array.shape), _squeezed(tensor.shape)
    # One number may be anything.
    return array.size > 1 and (shape == own or (len(own) == 2 and shape == own[::-1]))


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(side for side in shape if side != 1)


def _unscaled(array: Array, tensor: OfficialTensor, from_right: bool) -> Tensor:
    """A constant that an exporter multiplied by what official code multiplies a parameter with when it runs."""
    array = array.T if from_right and array.ndim == 2 else array
    return _tensor(array).reshape(tensor.shape) / tensor.scale


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))


def _is_the_same(path: Path, config: GPENConfig, tensors: Mapping[str, Tensor]) -> bool:
    """Whether the network gives what the file itself gives of a picture."""
    runtime = _module("onnxruntime", path)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given, *others), side = session.get_inputs(), config.input_size
    if others or given.type != "tensor(float)":
        return False
    rows = torch.linspace(-1, 1, side)
    picture = torch.stack([rows.outer(rows), rows[:, None].expand(side, side), -rows[None].expand(side, side)])[None]
    try:
        told = session.run(None, {given.name: picture.numpy()})[0]
    except Exception:  # another size
        return False
    with torch.device("meta"):
        network = GPEN(config)
    network.load_state_dict(dict(converted(config, tensors)), assign=True)
    with torch.inference_mode():
        ours = network.eval()(picture)
    return told.shape == tuple(ours.shape) and float((torch.from_numpy(told) - ours).abs().max()) <= CLOSE
