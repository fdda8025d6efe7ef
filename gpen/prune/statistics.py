"""What flows through the channels of a network: their second moments over a few pictures."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..model.network import GPEN

MOST_PIXELS = 4096
"""Taken from each map of each picture; there are up to a thousand channels to compare."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """What was seen of the maps of a network, which `channels.py` names; of the generator's, wide."""

    moments: dict[str, Tensor]
    """Map → mean products (C + 1, C + 1) of its channels and of one, float64; the last row is their mean."""
    latents: Tensor
    """(pictures, style_dim)"""

    def covariance(self, name: str) -> tuple[Tensor, Tensor]:
        """The mean (C) and the covariance (C, C) of a map's channels."""
        mean = self.moments[name][-1, :-1]
        return mean, self.moments[name][:-1, :-1] - mean[:, None] * mean


@torch.inference_mode()
def collect_statistics(network: GPEN, pictures: Tensor, step: Callable[[], None]) -> Statistics:
    """Run the network in float32 over pictures (N, 3, input_size, input_size), one by one.

    Calls `step` after each map of each picture.
    """
    random = torch.Generator().manual_seed(0)
    moments: dict[str, Tensor] = {}
    latents: list[Tensor] = []

    def add(name: str, x: Tensor) -> None:
        pixels = x[0].flatten(1)
        if pixels.shape[1] > MOST_PIXELS:
            # At random: every second pixel comes out of the same phase of an upsampling.
            pixels = pixels[:, torch.randint(pixels.shape[1], (MOST_PIXELS,), generator=random)]
        pixels = torch.cat([pixels, torch.ones(1, pixels.shape[1])]).double()
        product = pixels @ pixels.T / (pixels.shape[1] * len(pictures))
        moments[name] = moments[name] + product if name in moments else product
        step()

    for picture in pictures:
        features = network.encode(picture[None].clone())
        for level, feature in enumerate(reversed(features)):
            add(f"encoder.{level}", feature)
        latent = network.map(features[0])
        latents.append(latent)
        add("constant", network.constant(features[0]))
        for conv, hidden in enumerate(network.generate(features, latent, torch.float32)):
            add(f"convs.{conv}", hidden)
    return Statistics(moments, torch.cat(latents))
