"""What a person can choose of a network, by name: for whoever only lists it, and so needs no PyTorch."""

PRECISIONS = ("auto", "fp32", "fp16", "bf16", "fp8")
"""See `precision.choose_precision`."""

MEMORY = ("auto", "normal", "low")
"""See `gpen.GPENModel`."""

DETAIL = {"full": 0, "half": 1, "quarter": 2}
"""How much of the picture is made → how many of the last octaves are left out."""

TASK_NAMES = ("restoration", "colorization", "inpainting", "segmentation")
"""See `tasks.TASKS`."""
