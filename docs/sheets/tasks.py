"""What the networks of other tasks are given, and what of a picture they leave alone.

Where a released network is not on disk (`$GPEN_MODELS`), a stand-in gives back a picture that is known: it shows what
this library does around the network, not how good the network is. A map of the parts of a face has no stand-in that
would not mislead: all of the face would be the stand-in's.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

import gpen
from gpen.image.luminance import luminance_of
from gpen.image.picture import resized, to_uint8
from gpen.model.config import GPENConfig
from gpen.model.network import GPEN
from gpen.restorers.gpen import GPENModel

from ..pictures import Row, captioned, portrait, scaled

SIDE = 512
WIDTH = 316
BLUE = torch.tensor([0.45, 0.75, 1.5])


class StandIn(GPENModel):
    """In the place of a network that is not on disk: gives back one picture (1, SIDE, SIDE, 3), whatever it sees."""

    def __init__(self, task: str, output: Tensor):
        super().__init__(GPEN(GPENConfig.released(SIDE, 1, 1 / 16, 32, 2)).eval(), "stand-in", task, torch.float32)
        self.output = output.movedim(3, 1) * 2 - 1

    def __call__(self, x: Tensor) -> Tensor:
        return self.output.expand_as(x)


def make() -> list[Row]:
    """Colorization and inpainting, each as it came, what the network says, and what is kept of that."""
    return [_colorization(), _inpainting()]


def _colorization() -> Row:
    original = _portrait("cory-booker")
    lighter = (_blurred(original, 6) * 1.1 + 0.12).clamp(0, 1)
    model, who = _model("GPEN-Colorization-1024", StandIn("colorization", lighter), "the original, lighter and blurred")
    grey = luminance_of(original)
    coloured = gpen.restore_aligned(model, grey)
    change = float((luminance_of(coloured) - grey).abs().max()) * 255
    return _row(
        {
            "colorization: a grey picture": grey.expand_as(original),
            who: _output(model, grey.expand_as(original)),
            f"result: its luminance changed by less than {np.ceil(change * 10 + 1e-9) / 10:.1f} grey levels": coloured,
            "the original": original,
        }
    )


def _inpainting() -> Row:
    original = _portrait("tammy-baldwin")
    blue = (original * BLUE).clamp(0, 1)
    model, who = _model("GPEN-Inpainting-1024", StandIn("inpainting", blue), "the original in blue")
    torn, inpaint_mask = _torn(original)
    done = gpen.restore_aligned(model, torn, inpaint_mask=inpaint_mask)
    outside = inpaint_mask[..., None].expand_as(torn) == 0
    same = "every pixel" if torch.equal(done[outside], torn[outside]) else "not every pixel"
    return _row(
        {
            "inpainting: a torn picture": torn,
            "mask: white is filled in": inpaint_mask[..., None].expand_as(torn),
            who: _output(model, torn, inpaint_mask),
            f"result: {same} outside of the mask is the one that it was": done,
        }
    )


def _model(name: str, stand_in: StandIn, role: str) -> tuple[GPENModel, str]:
    """A released network where it is on disk, or its stand-in; and what its bare output is, for a caption."""
    try:
        model = gpen.load_model(name, download=False, device="cpu")
        assert isinstance(model, GPENModel)
        return model, f"{name}'s bare output"
    except gpen.DownloadError:
        print(f"tasks: a stand-in for {name}, which is not on disk ($GPEN_MODELS)")
        return stand_in, f"stand-in for the network: gives {role}"


def _output(model: GPENModel, picture: Tensor, inpaint_mask: Tensor | None = None) -> Tensor:
    """What the bare network says of a whole picture."""
    given = model.task.prepare(picture, None if inpaint_mask is None else inpaint_mask[..., None])
    x = resized(given, model.size, model.size).movedim(3, 1) * 2 - 1
    return (model(x).cpu().movedim(1, 3) + 1) / 2


def _portrait(name: str) -> Tensor:
    """An official portrait of the US Senate (public domain), the face filling more of it."""
    pixels = portrait(f"us-senate/{name}.jpg", 1024)[:820, 102:922]
    return torch.from_numpy(scaled(pixels, SIDE))[None].float() / 255


def _torn(picture: Tensor) -> tuple[Tensor, Tensor]:
    """The picture with tears, and the mask of them."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    for start, end in (((120, 60), (330, 300)), ((210, 400), (390, 190)), ((60, 330), (250, 250))):
        cv2.line(mask, start, end, 1.0, 16)
    inpaint_mask = torch.from_numpy(mask)[None]
    return torch.where(inpaint_mask[..., None] > 0, torch.tensor(0.96), picture), inpaint_mask


def _blurred(picture: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(cv2.GaussianBlur(picture[0].numpy(), (0, 0), sigma))[None]


def _row(pictures: dict[str, Tensor]) -> Row:
    return captioned({text: scaled(to_uint8(picture)[0], WIDTH) for text, picture in pictures.items()})
