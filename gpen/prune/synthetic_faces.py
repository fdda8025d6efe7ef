"""Faces drawn by a formula: something like a picture, to see what a network does where there is no picture.

Ovals with soft edges for clothes, hair, face, eyes and mouth, in random colours and light, with clouds and noise over
them. Nobody would take them for photographs, but their colours, smooth areas, edges and places of features are more
like those of portraits than clouds alone are: for a share of 10 % they were worth 2 dB more.
Portraits are better still.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SKIN = (0.25, 0.9)
"""Darkest and brightest red of a skin, in 0..1."""


def synthetic_faces(count: int, size: int, seed: int) -> Tensor:
    """Random faces (count, size, size, 3) in 0..1."""
    random = torch.Generator().manual_seed(seed)
    faces = torch.cat([_face(size, random) for _ in range(count)])
    return ((faces + 1) / 2).movedim(1, 3)


def _face(size: int, random: torch.Generator) -> Tensor:
    def draw(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=random).item()

    def colour(low: float = 0.0, high: float = 1.0) -> Tensor:
        return (low + (high - low) * torch.rand(3, generator=random))[:, None, None]

    side = torch.linspace(-1, 1, size)
    y, x = side[:, None], side[None, :]
    softness = draw(0.005, 0.03)
    middle, height = draw(-0.06, 0.06), draw(-0.06, 0.06)
    face = colour() + 0.3 * draw(-1, 1) * x + 0.3 * draw(-1, 1) * y

    def paint(paint: Tensor, right: float, down: float, width: float, tall: float) -> None:
        nonlocal face
        distance = (((x - middle - right) / width) ** 2 + ((y - height - down) / tall) ** 2).sqrt()
        mask = torch.sigmoid((1 - distance) * min(width, tall) / softness)
        face = face + mask * (paint - face)

    red = draw(*SKIN)
    skin = torch.tensor([red, red * draw(0.65, 0.85), red * draw(0.45, 0.75)])[:, None, None]
    hair = torch.tensor([1.0, draw(0.6, 0.9), draw(0.4, 0.9)])[:, None, None] * draw(0.03, 0.6)
    light = (1 + 0.35 * draw(-1, 1) * x + 0.2 * draw(-1, 1) * y - 0.3 * (x * x + y * y)).clamp(0.3, 1.4)
    paint(colour(), 0, 1.4, 1.2, 0.75)  # clothes
    paint(hair, 0, -0.2, 0.68, 0.85)
    paint(skin * 0.8, 0, 0.7, 0.3, 0.45)  # neck
    paint(skin * light, 0, 0.05, 0.52, 0.72)
    for sign in (-1, 1):
        paint(hair, sign * 0.22, -0.2, 0.13, 0.025)  # brow
        paint(torch.tensor(draw(0.7, 0.95)), sign * 0.22, -0.1, 0.1, 0.045)
        paint(colour(0, 0.3), sign * 0.22, -0.1, 0.04, 0.042)
        paint(skin * 0.6, sign * 0.06, 0.2, 0.03, 0.02)  # nostril
    lips = torch.tensor([0.65, 0.3, 0.3])[:, None, None]
    paint(lips * draw(0.6, 1.3), 0, 0.38, 0.2, draw(0.03, 0.08))
    if draw(0, 1) < 0.5:
        paint(torch.tensor(0.85), 0, 0.38, 0.14, 0.02)  # teeth
    face = face[None] * 2 - 1 + _clouds(size, random) * draw(0, 0.35)
    return (face + torch.randn(face.shape, generator=random) * draw(0, 0.15)).clamp(-1, 1)


def _clouds(size: int, random: torch.Generator) -> Tensor:
    """Octaves of noise whose power falls as in photographs, mostly grey; (1, 3, size, size), about ±0.5."""
    clouds = torch.zeros(1, 3, size, size)
    for side in (4 << octave for octave in range((size // 4).bit_length())):
        grey = torch.randn(1, 1, side, side, generator=random)
        octave = grey + 0.4 * torch.randn(1, 3, side, side, generator=random)
        clouds += F.interpolate(octave, (size, size), mode="bicubic") * (4 / side)
    return clouds / clouds.std() * 0.45
