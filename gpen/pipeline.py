"""How a picture flows: find the faces, choose, follow, cut each out upright, run the network, put it back.

Where the rest of the picture is to be enlarged, faces are found in and cut out of the picture as it came, and put into
the enlarged one.
"""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .by_name import detect_faces, open_parser
from .errors import advice_on_out_of_memory
from .faces.detectors import Detector
from .faces.face import Face, Faces, Outcome
from .faces.preview import preview
from .faces.select import select_faces
from .faces.settings import DetectSettings, SelectSettings, TrackSettings
from .faces.track import track_faces
from .image.given import GivenPicture
from .image.picture import as_mask, as_rgb, with_alpha_of
from .paste.compose import paste_frame
from .paste.parsers import Parser
from .paste.settings import PasteSettings
from .progress import Progress
from .restore.faces import one_by_one
from .restore.settings import RestoreSettings
from .restorers.protocol import Restorer
from .upscaler.network import Upscaler
from .upscaler.settings import UpscaleSettings
from .upscaler.upscale import enlarged_size
from .upscaler.upscale import upscale as enlarge
from .weights.locate import Folders

# `restore` keeps the crops of so many bytes, for pasting again, and none of a longer clip's.
MOST_KEPT = 2**30


@dataclass(frozen=True, eq=False)
class Restored:
    """A batch of pictures with its faces restored."""

    image: Tensor = field(repr=False)
    """(B, H, W, 3) float32 in 0..1; (B, H, W, 4) where the pictures came with alpha"""
    mask: Tensor = field(repr=False)
    """(B, H, W) in 0..1: how much of each pixel comes from a restored face"""
    faces: Faces
    """All that were found, with what became of each; places are those of the pictures as they came."""

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: the restored pictures, their faces numbered."""
        return preview(self.image, self.faces)._repr_png_()


@dataclass(frozen=True, eq=False)
class Masks:
    """The masks of a batch of pictures (B, H, W), each in 0..1 and of any size."""

    select: Tensor | None = None
    """Only faces inside it are restored; see `select_faces`."""
    inpaint: Tensor | None = None
    """What an inpainting model fills in; see `restore_faces`."""
    paste: Tensor | None = None
    """Where restored pixels may go; `custom_mask` of `paste_faces`."""
    texture: Tensor | None = None
    """Places whose own texture stays; `keep_texture` of `paste_faces`."""


@advice_on_out_of_memory("to restore the faces of these pictures", "give fewer or smaller pictures at a time")
def restore(
    model: Restorer,
    picture: GivenPicture,
    detector: str | Detector = "auto",
    *,
    detect: DetectSettings | None = None,
    select: SelectSettings | None = None,
    track: TrackSettings | None = None,
    restore: RestoreSettings | None = None,
    paste: PasteSettings | None = None,
    boxes: object = None,
    masks: Masks | None = None,
    parser: Parser | None = None,
    background: Upscaler | None = None,
    upscale: UpscaleSettings | None = None,
    folders: Folders | None = None,
    on_progress: Progress | None = None,
) -> Restored:
    """Restore the faces of a batch of pictures (B, H, W, C) in 0..1: all steps in a row.

    Each picture is done before the next one is begun, and the crops of more than `MOST_KEPT` bytes are dropped, so that
    a clip needs no more memory than the pictures that come in and go out.

    Args:
        model: what restores them.
        picture: the pictures.
        detector: what finds their faces, or its name; see `open_detector`.
        detect, select, restore, paste: the settings of each step, by default its own.
        track: how faces are followed through the batch as through a clip; None: each picture is one of its own.
        boxes: where the faces are, if somebody else has found them; see `find_faces`.
        masks: what limits each step to a part of the pictures.
        parser: for the masks that need one; by default it is opened by name.
        background: what enlarges the pictures, and so all of them that is no restored face; see `open_upscaler`. None:
            they keep their size and their pixels.
        upscale: how it does, by default as large as it makes them.
        folders: where files are looked for; see `load_model`.
        on_progress: called by each step with (done, in all); what it raises stops the work.

    Faces that were left out are among those that come back, and their outcome says why.
    """
    given, picture, masks, paste = picture, as_rgb(picture), masks or Masks(), paste or PasteSettings()
    parser = parser or open_parser(paste.mask, folders=folders, on_progress=on_progress)
    found = detect_faces(picture, detector, detect, boxes=boxes, folders=folders, on_progress=on_progress)
    selection = select_faces(found, select, mask=masks.select)
    faces = track_faces(selection.chosen, track) if track else selection.chosen.by_frame()
    restored = one_by_one(model, picture, faces, restore or RestoreSettings(), masks.inpaint)
    keep = len(faces) * 2 * 3 * 4 * model.size**2 <= MOST_KEPT
    upscale = upscale or UpscaleSettings()
    height, width = enlarged_size(background, upscale, picture) if background else picture.shape[1:3]
    image, shares = picture.new_empty(len(picture), height, width, 3), torch.empty(len(picture), height, width)
    allowed, texture = (as_mask(mask, image) for mask in (masks.paste, masks.texture))
    done: list[Face] = []
    for frame, before in enumerate(picture):
        here: list[Face] = []
        for _ in faces.of_frame(frame):
            here.append(next(restored))
            if on_progress:
                on_progress(len(done) + len(here), len(faces))
        limits = [None if mask is None else mask[frame] for mask in (allowed, texture)]
        under = enlarge(background, before[None], upscale, on_progress=on_progress)[0] if background else before
        placed = faces.with_faces(here).scaled_to(width, height).faces
        image[frame], shares[frame] = paste_frame(
            under,
            placed,
            paste,
            parser=parser,
            allowed=limits[0],
            texture=limits[1],
            source=before if background else None,
        )
        done += here if keep else map(_without_crop, here)
    return Restored(with_alpha_of(given, image), shares, selection.with_chosen(faces.with_faces(done)))


def _without_crop(face: Face) -> Face:
    if face.crop is None:
        return face
    return replace(face, crop=None, outcome=Outcome("restored", "its crop is not kept, as there are so many"))
