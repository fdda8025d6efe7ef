"""`python -m benchmarks.pasting`: pasting many faces into a large picture, against warping the whole frame for each."""

import argparse
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import torch

import gpen
from gpen.faces.alignment import GPEN_TEMPLATE, align, template
from tests.support.faces import after_of, crop_of, paste_mask
from tests.support.measure import interleaved

WIDTH, HEIGHT, FACES, SIZE = 3840, 1642, 29, 512
COLUMNS = 10


def scene() -> tuple[torch.Tensor, gpen.Faces]:
    """A picture with `FACES` faces in three rows, each restored to something else."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, HEIGHT, WIDTH, 3, generator=generator)
    faces = []
    for index in range(FACES):
        side = 260 + 8 * (index % 7)
        landmarks = template(side) + np.array([index % COLUMNS * 370 + 20, index // COLUMNS * 500 + 60])
        left, top, right, bottom = (*landmarks.min(0).tolist(), *landmarks.max(0).tolist())
        pixels = torch.rand(SIZE, SIZE, 3, generator=generator)
        crop = gpen.Crop(pixels, align(landmarks, SIZE)[1], GPEN_TEMPLATE, after=1 - pixels)
        faces.append(gpen.Face(0, (left, top, right, bottom), landmarks, 0.9, crop=crop))
    return picture, gpen.Faces(tuple(faces), WIDTH, HEIGHT, 1)


def whole_frames(picture: torch.Tensor, faces: gpen.Faces, settings: gpen.PasteSettings) -> np.ndarray:
    """Every face and every mask warped to the size of the picture, as official code does."""
    frame = picture[0].numpy()
    size = (frame.shape[1], frame.shape[0])
    pasted, shares = np.zeros_like(frame), np.zeros(frame.shape[:2], np.float32)
    for face in faces:
        matrix, restored = crop_of(face).crop_to_picture, after_of(face)
        share = cv2.warpAffine(paste_mask(face, mask=settings.mask), matrix, size, flags=cv2.INTER_LINEAR)
        warped = cv2.warpAffine(restored.numpy(), matrix, size, flags=cv2.INTER_LINEAR)
        wins = share > shares
        shares[wins], pasted[wins] = share[wins], warped[wins]
    return frame * (1 - shares[..., None]) + pasted * shares[..., None]


def main() -> None:
    """Print the medians and how many times faster each way is than whole frames."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pasting", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each way (%(default)s)")
    options = parser.parse_args()
    picture, faces = scene()
    plain = gpen.PasteSettings(mask="box", large_faces="off")
    ways = {
        "box, no detail": plain,
        "oval, no detail": replace(plain, mask="oval"),
        "oval, keep detail (default)": gpen.PasteSettings(),
        "everything": gpen.PasteSettings(skin=0.3, color="full", grain=0.5),
    }
    calls = {"whole frames": partial(whole_frames, picture, faces, plain)}
    calls |= {name: partial(gpen.paste_faces, picture, faces, settings) for name, settings in ways.items()}
    timings = interleaved(calls, options.runs)
    reference = timings["whole frames"].median
    print(f"{FACES} faces into {WIDTH}×{HEIGHT}:")
    for name, timing in timings.items():
        print(f"{name:30} {timing.median:7.3f} s ± {timing.spread / 2:.3f}  {reference / timing.median:5.1f}×")


if __name__ == "__main__":
    main()
