"""Makes the pictures of the README and of the templates again: `python -m docs.pictures`."""

from pathlib import Path

import torch

import gpen
from gpen.image.files import write_picture
from tools.demo import damaged_photograph

DOCS = Path(__file__).parent
WORKFLOWS = DOCS.parent / "workflows"


def main() -> None:
    """The demo's photograph before and after, by the preview model: side by side, and in halves as a thumbnail."""
    damaged = torch.from_numpy(damaged_photograph().copy())[None].float() / 255
    restored = gpen.restore(gpen.load_model("preview"), damaged, gpen.find_detector("mtcnn")).image
    write_picture(DOCS / "demo.jpg", torch.cat([damaged, restored], dim=2))
    middle = damaged.shape[2] // 2
    halves = torch.cat([damaged[:, :, :middle], restored[:, :, middle:]], dim=2)
    write_picture(WORKFLOWS / "gpen_restore_faces.jpg", halves)


if __name__ == "__main__":
    main()
