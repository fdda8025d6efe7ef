"""Finding the faces of a batch of pictures."""

from dataclasses import replace
from typing import Any

from ..errors import advice_on_out_of_memory
from ..image.cuts import Change, Changes, flashes, scene_cuts
from ..image.given import GivenPicture
from ..image.picture import as_rgb, to_uint8
from ..options import settled
from ..progress import Progress
from .boxes import read_boxes
from .detectors.kind import Detector
from .face import Face, Faces
from .passes import detect_in, detect_in_box
from .settings import DetectSettings
from .sharpness import sharpness


@advice_on_out_of_memory("to look for faces", "give fewer or smaller pictures at a time")
def find_faces(
    picture: GivenPicture,
    detector: Detector,
    settings: DetectSettings | None = None,
    *,
    boxes: object = None,
    on_progress: Progress | None = None,
    **changes: Any,
) -> Faces:
    """Find the faces in each picture of a batch.

    Args:
        picture: (B, H, W, C) in 0..1.
        detector: what finds the faces; it is given as many pictures at once as it likes.
        settings: how sure it must be, at which size the pictures are looked at, and which further passes are made.
        boxes: where the faces are, if somebody else has found them, as `read_boxes` takes them: then the detector only
            finds the landmarks inside each.
        on_progress: called with (pictures done, pictures in all).
        **changes: single settings by name.

    Raises `PictureError` for something that is not a picture, `SettingError` for a setting that cannot be and for
    boxes that are none.
    """
    settings = settled(DetectSettings, settings, changes)
    threshold = settings.threshold or detector.kind.threshold
    picture = as_rgb(picture)
    frames, height, width, _ = picture.shape
    given = None if boxes is None else read_boxes(boxes, frames, width, height)
    faces: list[Face] = []
    thumbs, differ = Changes(), list[Change]()
    # Asked once: it may bring a network to its device to know.
    at_once = detector.at_once
    for first in range(0, frames, at_once):
        pictures = to_uint8(picture[first : first + at_once])
        if given is None:
            looked = detect_in(pictures, detector, threshold, settings)
        else:
            looked = [
                [detect_in_box(pixels, box, detector, threshold, settings) for box in given[frame]]
                for frame, pixels in enumerate(pictures, first)
            ]
        for frame, found in enumerate(looked, first):
            differ.append(thumbs.of(pictures[frame - first]))
            # A number is given once, when all passes have been made one.
            faces += [
                replace(face, frame=frame, number=0, sharpness=sharpness(picture[frame], face.landmarks))
                for face in found
                if face.problem is None
            ]
            if on_progress:
                on_progress(frame + 1, frames)
    return Faces(tuple(faces), width, height, frames, scene_cuts(differ), flashes(differ))
