"""`python -m benchmarks.large_faces`: what becomes of a face much larger than the network's crop, in three ways.

Portraits are scaled until the crop of their face has a given side, and damaged at that size. The face then comes back
as the network's own pixels alone, enlarged; with the picture's own detail put back over them; or restored at its own
size in tiles. What is nearest to the undamaged portrait, by PSNR and SSIM over the middle of the face, is best.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

import gpen
from gpen.faces.detectors import Detector
from gpen.faces.face import Faces
from gpen.restorers.protocol import Restorer
from tests.support.large_faces import DAMAGES, Pixels, scaled_portrait, ways
from tests.support.photograph import shared_faces

SIDES = (1000, 2000)
"""Of the crop: to the preview, of 256 pixels, the first is what 2,000 pixels are to a network of 512."""
MIDDLE = 0.3
"""Half of the square that is compared, in sides of the crop: from the brow to the chin."""
RESULTS = Path(__file__).parent / "large_faces.md"


def middle(picture: Tensor, faces: Faces, side: int) -> Pixels:
    """The middle of the face, of a picture (1, H, W, 3)."""
    x, y = faces[0].landmarks.mean(0)
    top, bottom, left, right = (round(max(0.0, v + w * MIDDLE * side)) for v in (y, x) for w in (-1, 1))
    return picture[0, top:bottom, left:right].numpy()


def measure(model: Restorer, detector: Detector, files: list[Path], side: int) -> dict[str, dict[str, str]]:
    """Damage → way → mean PSNR in dB and SSIM."""
    values: dict[str, dict[str, list[tuple[float, float]]]] = {name: {} for name in DAMAGES}
    for file in files:
        clean, faces = scaled_portrait(file, detector, side)
        truth = middle(clean, faces, side)
        for name, damage in DAMAGES.items():
            damaged = torch.from_numpy(np.asarray(damage(clean[0].numpy()), np.float32))[None]
            for way, picture in ways(model, damaged, faces).items():
                values[name].setdefault(way, []).append(_likeness(middle(picture, faces, side), truth))
    return {
        name: {way: "{:.1f} / {:.3f}".format(*np.mean(pairs, axis=0)) for way, pairs in of_ways.items()}
        for name, of_ways in values.items()
    }


def _likeness(pixels: Pixels, truth: Pixels) -> tuple[float, float]:
    error = max(float(np.square(pixels - truth).mean()), 1e-10)
    similarity: Any = structural_similarity(pixels, truth, channel_axis=2, data_range=1)
    return -10 * float(np.log10(error)), float(similarity)


def main() -> None:
    """Measure, print the tables and write them to `large_faces.md`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_faces", description=__doc__)
    parser.add_argument("--model", default="preview", help="name, file or path (default: %(default)s)")
    parser.add_argument("--people", type=int, default=6, help="how many portraits (%(default)s)")
    options = parser.parse_args()
    files = sorted((shared_faces() / "us-senate").glob("*.jpg"))
    files = files[:: max(1, len(files) // options.people)][: options.people]
    model, detector = gpen.load_model(options.model, device="cpu"), gpen.open_detector("mtcnn")
    lines = [
        f"PSNR in dB / SSIM against the undamaged portrait, over the middle of the face: {len(files)} portraits,",
        f"restored by {model.name} ({model.size} pixels). The portraits have 1024 pixels and show nothing finer.",
    ]
    for side in SIDES:
        table = measure(model, detector, files, side)
        names = list(next(iter(table.values())))
        lines += ["", f"The face's crop is {side} pixels wide:", "", f"| damage | {' | '.join(names)} |"]
        lines += ["|---|" + "--:|" * len(names)]
        lines += [f"| {damage} | {' | '.join(row.values())} |" for damage, row in table.items()]
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
