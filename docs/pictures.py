"""Makes the pictures of the README again: `python -m docs.pictures`."""

from pathlib import Path

import torch

import gpen
from gpen.image.files import write_picture
from tools.demo import damaged_photograph

HERE = Path(__file__).parent


def demo() -> None:
    """The demo's photograph before and after, side by side, by the preview model."""
    damaged = torch.from_numpy(damaged_photograph().copy())[None].float() / 255
    restored = gpen.restore(gpen.load_model("preview"), damaged, gpen.find_detector("mtcnn")).image
    write_picture(HERE / "demo.jpg", torch.cat([damaged, restored], dim=2))


if __name__ == "__main__":
    demo()
