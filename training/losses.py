"""What the network is asked to make small. Pictures are (B, 3, H, W) in -1..1, float32; errors are (B,), one a picture.

Errors count on a logarithmic scale, as PSNR has it: being careful with a good picture pays as much as repairing a bad
one.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .places import attention

EDGE_WEIGHT = 0.25
FEATURE_WEIGHT = 0.2
OCTAVE_WEIGHTS = (0.2, 0.1)
"""Of the picture at a half and a quarter of the side."""
SMALLEST_ERROR = 1e-3
SMALLEST_DISTANCE = 2e-2
"""Where errors and distances stop to count: less cannot be seen."""


class FaceFeatures(nn.Module):
    """What a face detector sees: the first maps of RetinaFace-mobilenet0.25, frozen.

    Args:
        weights: facexlib's `detection_mobilenet0.25_Final.pth` (MIT).
    """

    def __init__(self, weights: Path):
        super().__init__()
        from facexlib.detection.retinaface_net import MobileNetV1

        body = MobileNetV1()
        state = torch.load(weights, map_location="cpu", weights_only=True)
        prefix = "module.body."
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        body.load_state_dict(state, strict=False)  # the classifier's head, which is not used, is not in the file
        stage1, stage2 = body.stage1, body.stage2
        self.blocks = nn.ModuleList([stage1[:2], stage1[2:4], stage1[4:], stage2])  # a half to a sixteenth of the side
        self.requires_grad_(False).eval()

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The maps (B, C, h, w), the finest first."""
        mean = torch.tensor([104.0, 117, 123], device=pictures.device)[:, None, None]
        maps = []
        x = (pictures.flip(1) + 1) * 127.5 - mean  # BGR in 0..255, less the mean, as it was trained
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps

    def distance(self, one: Tensor, other: Tensor, weighted: bool = True) -> Tensor:
        """How differently two pictures look to the detector: 0 is the same, about 1 nothing in common.

        `weighted`: eyes, brows and mouth count more, as in the errors of pixels.
        """
        distances = []
        for a, b in zip(self(one), self(other), strict=True):
            weight = attention(a.shape[3]).to(a) if weighted else 1
            distances.append((weight * (a - b).abs()).mean((1, 2, 3)) / (weight * b.abs()).mean((1, 2, 3)))
        return torch.stack(distances).mean(0)


def restoration_loss(octaves: list[Tensor], original: Tensor, features: FaceFeatures | None) -> Tensor:
    """The mean over the batch.

    Args:
        octaves: the picture as each octave of the generator leaves it, the finest last.
        original: what the last one should be.
        features: also compare what a face detector sees.
    """
    restored = octaves[-1]
    loss = torch.log(pixel_error(restored, original) + SMALLEST_ERROR)
    for weight, octave in zip(OCTAVE_WEIGHTS, octaves[-2::-1], strict=False):
        small = F.interpolate(original, octave.shape[2:], mode="area")
        loss = loss + weight * torch.log(pixel_error(octave, small) + SMALLEST_ERROR)
    if features is not None:
        loss = loss + FEATURE_WEIGHT * torch.log(features.distance(restored, original) + SMALLEST_DISTANCE)
    return loss.mean()


def pixel_error(restored: Tensor, original: Tensor) -> Tensor:
    """The root of the mean square error of the pixels, as PSNR has it, and, which keeps edges sharp, the mean absolute
    one of their differences to the right and below; more where people look first."""
    weight = attention(original.shape[3]).to(original)
    error = restored - original
    edges = [
        (weight[:, 1:] * (error[..., 1:] - error[..., :-1]).abs()).mean((1, 2, 3)),
        (weight[1:] * (error[..., 1:, :] - error[..., :-1, :]).abs()).mean((1, 2, 3)),
    ]
    square = (weight * error.square()).mean((1, 2, 3)) + SMALLEST_ERROR**2  # the slope of a root is endless at 0
    return square.sqrt() + EDGE_WEIGHT * (edges[0] + edges[1])


def psnr(restored: Tensor, original: Tensor) -> Tensor:
    """(B,) in dB, of pictures clamped to -1..1; 100 for one that is the same."""
    error = restored.clamp(-1, 1) - original
    return -10 * torch.log10(error.square().mean((1, 2, 3)) / 4 + 1e-10)
