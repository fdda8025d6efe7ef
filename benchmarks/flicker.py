"""`python -m benchmarks.flicker`: how much a restored face flickers in a still clip with noise, tracked and not."""

import argparse

import cv2
import numpy as np
import torch
from torch import Tensor

import gpen
from tests.support.clips import flicker, still_clip


def sharpness(clip: Tensor, mask: Tensor) -> float:
    """Mean square of the Laplacian inside the mask: calm must not mean blurred."""
    inside = (mask > 0.9).all(0).numpy()
    return float(np.mean([np.square(cv2.Laplacian(frame.numpy(), cv2.CV_32F))[inside].mean() for frame in clip]))


def main() -> None:
    """Print the flicker of the clip, of its faces restored frame by frame, and of the same faces tracked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flicker", description=__doc__)
    parser.add_argument("--model", default="preview", help="(default: %(default)s)")
    parser.add_argument("--detector", default="mtcnn", help="(default: %(default)s)")
    options = parser.parse_args()
    clip, model = still_clip(), gpen.load_model(options.model)
    found = gpen.detect_faces(clip, options.detector)
    ways = {"frame by frame": found}
    for smoothing in (0.25, 0.5, 1.0):
        ways[f"tracked, smoothing {smoothing}"] = gpen.track_faces(found, smoothing=smoothing)
    print("| faces | change from frame to frame, grey levels | of that frame by frame | sharpness |\n|---|--:|--:|--:|")
    alone, mask = 0.0, torch.zeros(0)
    for name, faces in ways.items():
        pasted = gpen.paste_faces(clip, gpen.restore_faces(model, clip, faces))
        change, mask = flicker(pasted.image, pasted.mask), pasted.mask
        alone = alone or change
        print(f"| {name} | {change:.2f} | {change / alone:.0%} | {sharpness(pasted.image, pasted.mask) * 1e4:.1f} |")
    print(f"| not restored | {flicker(clip, mask):.2f} | | |")


if __name__ == "__main__":
    main()
