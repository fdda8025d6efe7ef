"""How a picture flows: find the faces, cut each out upright, run the network, put it back."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .faces.detect import find_faces
from .faces.detectors import Detector
from .faces.face import Face, Faces
from .faces.passes import Search
from .faces.select import Selected
from .faces.track import track_faces
from .image.picture import as_rgb
from .paste.compose import paste_faces
from .paste.settings import PasteSettings
from .restore.faces import OnStep, one_by_one
from .restore.inpaint import hole_for
from .restorers.gpen import GPENModel

# `restore` keeps the crops of so many bytes, for pasting again, and none of a longer clip's.
MOST_KEPT = 2**30


@dataclass(frozen=True, eq=False)
class Restored:
    """A batch of pictures with its faces restored."""

    image: Tensor
    """(B, H, W, 3) float32 in 0..1"""
    mask: Tensor
    """(B, H, W) in 0..1: how much of each pixel comes from a restored face"""
    faces: Faces


def restore(
    model: GPENModel,
    picture: Tensor,
    detector: Detector,
    *,
    threshold: float | None = None,
    paste: PasteSettings | None = None,
    perspective: str = "auto",
    clip: bool = False,
    inpaint_mask: Tensor | None = None,
    search: Search | None = None,
    select: Callable[[Faces], Selected] | None = None,
    detail: str = "full",
    on_step: OnStep | None = None,
) -> Restored:
    """Restore the faces of a batch of pictures (B, H, W, C) in 0..1: all stations in a row.

    Each picture is done before the next one is begun, and the crops of more than `MOST_KEPT` bytes are let go, so that
    a clip needs no more memory than the pictures that come in and go out. With `clip` the batch is one: its faces are
    followed with `track_faces`. `paste` says how they go back. `on_step` is called by each station, so that the work
    can be stopped anywhere.

    `select` says which faces are restored; by default all. Those left out are among the faces that come back, and their
    fate says why. `detail` is that of `restore_faces`.
    """
    model = model.at_detail(detail)
    picture, settings = as_rgb(picture), paste or PasteSettings()
    hole = hole_for(model, picture, inpaint_mask)
    faces = find_faces(picture, detector, threshold, on_frame=on_step, search=search)
    selected = select(faces) if select else None
    if selected:
        faces = selected.chosen
    if clip:
        faces = track_faces(faces)
    faces = faces.with_faces(sorted(faces, key=lambda face: face.frame))
    keep = len(faces) * 2 * 3 * 4 * model.size**2 <= MOST_KEPT
    image, shares = torch.empty_like(picture, memory_format=torch.contiguous_format), torch.empty(picture.shape[:3])
    restored = one_by_one(model, picture, faces, None, perspective, hole, tiles=False)
    done: list[Face] = []
    for frame in range(faces.frames):
        here = []
        for _ in faces.of_frame(frame):
            here.append(next(restored))
            if on_step:
                on_step(len(done) + len(here), len(faces))
        alone = Faces(tuple(replace(face, frame=0) for face in here), faces.width, faces.height, 1)
        pasted = paste_faces(picture[frame : frame + 1], alone, settings.of_frame(frame, faces.frames))
        image[frame], shares[frame] = pasted.image[0], pasted.mask[0]
        done += here if keep else [_without_crops(face) for face in here]
    faces = faces.with_faces(done)
    if selected:
        faces = selected.with_chosen(faces, same=not clip)
    return Restored(image, shares, faces)


def _without_crops(face: Face) -> Face:
    if face.restored is None:
        return face
    fate = f"{face.fate}: its crop is not kept, as there are so many"
    return replace(face, crop=None, restored=None, crop_to_picture=None, crops_let_go=True, fate=fate)
