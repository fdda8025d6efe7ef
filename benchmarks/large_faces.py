"""`python -m benchmarks.large_faces`: what becomes of a face much larger than the network's crop, in three ways.

Portraits are scaled until the crop of their face has a given side, and damaged at that size. The face then comes back
as the network's own pixels alone, enlarged; with the picture's own detail put back over them; or restored at its own
size in tiles. What is nearest to the undamaged portrait, by PSNR and SSIM over the middle of the face, is best.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

import gpen
from docs.pictures import shared_faces
from gpen.faces.alignment import align
from gpen.faces.detectors import Detector
from gpen.faces.face import Faces
from gpen.image.files import read_picture
from gpen.image.warp import scale_of
from gpen.restorers.gpen import GPENModel
from training.degrade import jpeg

SIDES = (1000, 2000)
"""Of the crop: to the preview, of 256 pixels, the first is what 2,000 pixels are to a network of 512."""
MIDDLE = 0.3
"""Half of the square that is compared, in sides of the crop: from the brow to the chin."""
RESULTS = Path(__file__).parent / "large_faces.md"

Pixels = np.ndarray
"""(H, W, 3) float32 in 0..1"""


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    noise = np.random.default_rng(0).standard_normal(pixels.shape, np.float32)
    return (pixels + noise * np.float32(sigma)).clip(0, 1)


def enlarged(pixels: Pixels, times: int) -> Pixels:
    """As an upscaler is given it: small, compressed, and made large again."""
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (width // times, height // times), interpolation=cv2.INTER_AREA)
    return cv2.resize(jpeg(small, 80), (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


DAMAGES: dict[str, Callable[[Pixels], Pixels]] = {
    "none": lambda pixels: pixels,
    "noise, σ = 0.05": lambda pixels: noisy(pixels, 0.05),
    "noise and JPEG": lambda pixels: jpeg(noisy(pixels, 0.1), 40),
    "blur, σ = 6": lambda pixels: noisy(cv2.GaussianBlur(pixels, (0, 0), 6), 0.01),
    "enlarged 8×": lambda pixels: enlarged(pixels, 8),
    "enlarged 16×": lambda pixels: enlarged(pixels, 16),
}


def ways(model: GPENModel, picture: Tensor, faces: Faces) -> dict[str, Tensor]:
    """The picture with its face restored in each way."""
    whole, tiled = (gpen.restore_faces(model, picture, faces, tiles=tiles) for tiles in (False, True))
    return {
        "as it came": picture,
        "the network's pixels": gpen.paste_faces(picture, whole, large_faces="off").image,
        "detail kept": gpen.paste_faces(picture, whole).image,
        "in tiles": gpen.paste_faces(picture, tiled).image,
    }


def scaled_portrait(file: Path, detector: Detector, side: int) -> tuple[Tensor, Faces]:
    """A portrait (1, H, W, 3) whose face's crop is `side` pixels wide, and its face."""
    picture = read_picture(file).rgb
    faces = gpen.detect_faces(picture, detector)
    scale = side / scale_of(align(faces[0].landmarks, 1)[1])
    height, width = (round(length * scale) for length in picture.shape[1:3])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LANCZOS4
    pixels = np.asarray(cv2.resize(picture[0].numpy(), (width, height), interpolation=how), np.float32)
    return torch.from_numpy(pixels.clip(0, 1))[None], faces.scaled_to(width, height)


def middle(picture: Tensor, faces: Faces, side: int) -> Pixels:
    """The middle of the face, of a picture (1, H, W, 3)."""
    x, y = faces[0].landmarks.mean(0)
    top, bottom, left, right = (round(max(0.0, v + w * MIDDLE * side)) for v in (y, x) for w in (-1, 1))
    return picture[0, top:bottom, left:right].numpy()


def measure(model: GPENModel, detector: Detector, files: list[Path], side: int) -> dict[str, dict[str, str]]:
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
    return -10 * float(np.log10(error)), float(structural_similarity(pixels, truth, channel_axis=2, data_range=1))


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
