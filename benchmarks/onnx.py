"""The same network exported to ONNX and run by onnxruntime, for people who come from there."""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from gpen.model.config import GPENConfig
from gpen.model.layout import from_official
from gpen.model.network import GPEN


def session(config: GPENConfig, tensors: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor] | None:
    """A function that runs the network in onnxruntime; None, said aloud, where the packages are not installed."""
    try:
        # Optional: pyright may not find them either.
        import onnxruntime  # pyright: ignore[reportMissingImports]
        import onnxscript  # noqa: F401 - the exporter needs it # pyright: ignore[reportMissingImports]
    except ImportError as error:
        print(
            f"no row for onnxruntime: {error.name} is not installed (pip install onnx onnxscript onnxruntime)",
            file=sys.stderr,
        )
        return None
    network = GPEN(config).eval()
    network.load_state_dict(from_official(config, tensors))
    picture = torch.zeros(1, 3, config.input_size, config.input_size)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gpen.onnx"
        with torch.no_grad():
            torch.onnx.export(network, (picture,), str(file), dynamo=True, input_names=["x"])
        runner = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(runner.run(None, {"x": x.numpy()})[0])
