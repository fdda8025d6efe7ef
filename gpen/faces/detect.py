"""Finding the faces of a batch of pictures."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from ..errors import SettingError
from ..image.picture import as_rgb, to_uint8
from .boxes import read_boxes
from .detectors.kind import Detector
from .face import Face, Faces
from .passes import Search, look_into, look_through
from .sharpness import sharpness


def find_faces(
    picture: Tensor,
    detector: Detector,
    threshold: float | None = None,
    on_frame: Callable[[int, int], None] | None = None,
    *,
    search: Search | None = None,
    boxes: object = None,
) -> Faces:
    """Find the faces in each picture of a batch.

    Args:
        picture: (B, H, W, C) in 0..1.
        detector: what finds the faces; it is given as many pictures at once as it likes.
        threshold: how sure the detector must be, 0..1; 0 and None are what suits the detector.
        on_frame: called with (frames done, frames in all); what it raises stops the search.
        search: at which size the pictures are looked at, and which further passes are made.
        boxes: where the faces are, if somebody else has found them, as `read_boxes` takes them: then the detector only
            finds the landmarks inside each.

    Raises `PictureError` for something that is not a picture, `SettingError` for a threshold outside 0..1 and for
    boxes that are none.
    """
    threshold = threshold or detector.kind.threshold
    if not 0 <= threshold <= 1:
        raise SettingError(f"the detection threshold must be between 0 and 1, and it is {threshold}")
    picture = as_rgb(picture)
    frames, height, width, _ = picture.shape
    search = search or Search()
    given = None if boxes is None else read_boxes(boxes, frames)
    faces: list[Face] = []
    # Asked once: it may bring a network to its device to know.
    at_once = detector.at_once
    for first in range(0, frames, at_once):
        pictures = to_uint8(picture[first : first + at_once])
        if given is None:
            looked = look_through(pictures, detector, threshold, search)
        else:
            looked = [
                [look_into(pixels, box, detector, threshold, search) for box in given[frame]]
                for frame, pixels in enumerate(pictures, first)
            ]
        for frame, found in enumerate(looked, first):
            faces += [
                replace(face, frame=frame, sharpness=sharpness(picture[frame], face.landmarks))
                for face in found
                if face.flaw is None
            ]
            if on_frame:
                on_frame(frame + 1, frames)
    return Faces(tuple(faces), width, height, frames)
