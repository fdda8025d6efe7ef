"""Align the portraits once, so that training reads one file: `python -m training.prepare`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from gpen.errors import DetectorError
from gpen.faces.alignment import align, crop_face
from gpen.faces.detectors import open_detector
from gpen.faces.face import Faces
from gpen.image.files import read_picture
from gpen.image.picture import to_uint8

from .data import CACHE, MARGIN, SIZE, SPLITS, save_crops, split_of


def main(arguments: Sequence[str] | None = None) -> None:
    shared = Path(os.environ.get("SHARED", "../shared"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, default=shared / "faces", help="folder of portraits, searched deeply")
    parser.add_argument("--detector-weights", type=Path, default=shared / "weights/face_detection_yunet_2023mar.onnx")
    parser.add_argument("--cache", type=Path, default=CACHE)
    settings = parser.parse_args(arguments)

    detector = open_detector("yunet", settings.detector_weights)
    files = sorted(settings.faces.rglob("*.jpg"))
    names, crops, skipped = [], [], []
    for file in tqdm(files, desc="aligning", unit="portrait"):
        picture = read_picture(file).rgb[0]
        # YuNet was made for faces up to about 300 pixels, and in these portraits they are larger.
        height, width = picture.shape[:2]
        small = (width * 3 // 8, height * 3 // 8)
        pixels = cv2.resize(to_uint8(picture), small, interpolation=cv2.INTER_AREA).astype(np.uint8)
        (faces,) = detector(pixels[None], 0.8)
        found = Faces(tuple(faces), *small, 1).scaled_to(width, height)
        if not found.faces:
            skipped.append(file.stem)
            continue
        face = max(found, key=lambda face: face.size)
        matrix, _ = align(face.landmarks, SIZE)
        matrix[:, 2] += MARGIN
        names.append(file.stem)
        crops.append(to_uint8(crop_face(picture, matrix, SIZE + 2 * MARGIN)))
    if not crops:
        raise DetectorError(
            f"no face in the {len(files)} *.jpg files under {settings.faces}; name the folder by --faces"
        )
    save_crops(settings.cache, names, np.stack(crops))
    counts = {split: sum(split_of(name) == split for name in names) for split in SPLITS}
    print(f"{len(names)} aligned portraits in {settings.cache}: {counts}; no face found in: {skipped or 'none'}")


if __name__ == "__main__":
    main()
