"""`python -m benchmarks.cards`: the memory on a card that restoring one face takes, for each released network.

Nothing runs: weights are counted, and activations come from the formula that `tests/unit/test_low_memory.py` holds
against the allocator's peaks on a CPU, here with the strips that a card gets.
"""

from pathlib import Path

import torch

from gpen.model.checkpoint import Checkpoint
from gpen.model.config import GPENConfig
from gpen.model.memory import activation_bytes
from gpen.model.precision import choose_precision
from gpen.restorers.gpen import build_network

RESULTS = Path(__file__).parent / "cards.md"
NETWORKS = {
    "GPEN-BFR-256": GPENConfig.released(256, 1, 0.5),
    "GPEN-BFR-512": GPENConfig.released(512),
    "GPEN-BFR-1024": GPENConfig.released(1024),
    "GPEN-BFR-2048": GPENConfig.released(2048),
}
"""All networks of 1024 pixels are built alike, as are those of 512."""
PRECISIONS = ("fp16", "fp8")
CARD = torch.device("cuda")


def main() -> None:
    """Print the table and write it to `cards.md`."""
    table = markdown()
    print(table)
    RESULTS.write_text(table, encoding="utf-8")


def markdown() -> str:
    """A row for each network and precision, in MB of 10⁶ bytes."""
    lines = [
        "MB (10⁶ bytes) on a CUDA card for one face. Weights are counted; activations are estimated by",
        "`gpen.model.memory.activation_bytes`, which a test holds against the allocator on a CPU. No GPU has measured",
        "them yet. What CUDA itself and a detector take comes on top. Made by `python -m benchmarks.cards`.",
        "",
        "| network | precision | weights | activations, normal | activations, low | together, normal | together, low |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for name, config in NETWORKS.items():
        for precision in PRECISIONS:
            weights, normal, low = needed(config, precision)
            figures = (weights, normal, low, weights + normal, weights + low)
            lines.append(f"| {name} | {precision} | " + " | ".join(f"{value / 1e6:.0f}" for value in figures) + " |")
    return "\n".join(lines) + "\n"


def needed(config: GPENConfig, precision: str) -> tuple[int, int, int]:
    """Bytes of the weights, and of one face's activations with memory "normal" and "low"."""
    chosen = choose_precision(precision, CARD)
    # Tensors without contents: the layers say what is stored how.
    tensors = {name: torch.empty(shape, device="meta") for name, shape in config.official_shapes().items()}
    network = build_network(Checkpoint(tensors, config, {}, Path("shapes")), chosen)
    weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    normal, low = (
        activation_bytes(config, 1, chosen.dtype, memory, CARD.type, in_8_bits=chosen.in_8_bits)
        for memory in ("normal", "low")
    )
    return weights, normal, low


if __name__ == "__main__":
    main()
