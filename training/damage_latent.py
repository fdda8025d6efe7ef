"""A latent that knows from the first step how damaged a picture is.

The latent styles every layer, so it is what lets the network smooth a noisy picture and leave a clean one alone. From a
usual start it is all but the same for every picture (the 4×4 map of random layers says little about noise), and the
network smooths them all alike for thousands of steps. So some channels of the encoder start as detectors of fine
structure, the ones below carry their mean strength down to the 4×4 map, and the latent starts from these.
"""

from typing import cast

import torch
from torch import Tensor, nn

from gpen.model.network import GPEN, activate

from .identity_init import CARRIED, PAIRS, SLOPE, layers, mapping

DETECTORS = slice(6, 14)
FIRST_ENERGY = 14
BANDS = 3
"""Octaves whose fine structure is measured, the finest first."""
GAIN = 10.0
"""Brings what the detectors see, some hundredths, near 1."""
STYLE_SCALE = 0.1
"""How much of the usual spread the styles start with: the same for every picture, but ready to differ."""

LAPLACIAN = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]]) / 4
CHECKER = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 4
"""Blind to straight edges along the axes, so it sees noise rather than structure."""
GREY = torch.tensor([1.0, 1, 1]) / 3
COLOUR = torch.tensor([1.0, 0, -1]) / 2


@torch.no_grad()
def sense_damage(network: GPEN, pictures: Tensor) -> None:
    """Set up the detectors and the latent in place, for a network whose encoder carries the picture: one that
    `identity_init.py` has begun.

    What a network computes besides stays the same, but for the channels that are taken for the detectors.

    Args:
        pictures: damaged ones (N, 3, S, S) in -1..1: over them the latent varies with mean 0 and variance 1.
    """
    encoder, convs, to_rgbs = layers(network)
    before = network.map(network.encode(pictures)[0]).mean(0)
    bands = min(BANDS, len(encoder) - 2)
    _ignore(network, slice(DETECTORS.start, FIRST_ENERGY + 4 * bands))
    filters = [
        torch.einsum("c,hw->chw", colour, kernel) for colour in (GREY, COLOUR) for kernel in (LAPLACIAN, CHECKER)
    ]
    pairs = torch.stack([sign * GAIN * kernel for kernel in filters for sign in (1, -1)])  # (8, RGB, 3, 3)
    for level, conv in enumerate(encoder):
        if 1 <= level <= bands:
            _overwrite(conv, DETECTORS)
            conv.weight[DETECTORS, CARRIED] = torch.einsum("pc,ochw->ophw", PAIRS, pairs) / (1 + SLOPE)
        for band in range(1, min(level - 1, bands) + 1):
            energies = slice(FIRST_ENERGY + 4 * (band - 1), FIRST_ENERGY + 4 * band)
            _overwrite(conv, energies)
            if band == level - 1:  # of a detector and its negative the sum is the amount
                conv.weight[energies, DETECTORS, 1, 1] = torch.eye(4).repeat_interleave(2, dim=1)
            else:
                conv.weight[energies, energies, 1, 1] = torch.eye(4)
    _read_energies(network, pictures, slice(FIRST_ENERGY, FIRST_ENERGY + 4 * bands))
    after = _normalise_mapping(network, pictures)
    for modulated in (*convs, *to_rgbs):
        # Each style stays what it was for the mean picture.
        modulation = modulated.modulation
        modulation.bias.add_(modulation.weight @ before)
        modulation.weight.mul_(STYLE_SCALE)
        modulation.bias.sub_(modulation.weight @ after)


def _read_energies(network: GPEN, pictures: Tensor, energies: slice) -> None:
    """`to_latent` becomes mixtures of the 4×4 map's energies, at random, of mean 0 and variance 1 over the pictures."""
    coarsest = network.encode(pictures)[0]
    amounts = coarsest[:, energies].mean((2, 3)).double()  # (N, energies)
    values, vectors = torch.linalg.eigh(torch.cov(amounts.T))
    # Directions in which pictures hardly differ would only be noise.
    whitening = (vectors / values.clamp(min=1e-3 * values.max() + 1e-12).sqrt()).T
    latent = network.to_latent
    mix = torch.randn(latent.weight.shape[0], len(whitening)).double() / len(whitening) ** 0.5
    rows = mix @ whitening
    weight = torch.zeros(latent.weight.shape[0], coarsest.shape[1], 16)
    weight[:, energies] = (rows[:, :, None] / 16).float()
    latent.weight.copy_(weight.flatten(1))
    latent.bias.copy_(-(rows @ amounts.mean(0)).float())


def _normalise_mapping(network: GPEN, pictures: Tensor) -> Tensor:
    """Scale and shift each mapping layer so that what it hands on varies as much; returns the mean latent."""
    z = activate(network.to_latent(network.encode(pictures)[0].flatten(1)))
    w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
    for linear in mapping(network):
        linear.bias.zero_()
        values = linear(w)
        scale = 1 / (values.std(0) + 1e-2)
        linear.weight.mul_(scale[:, None])
        linear.bias.copy_(-values.mean(0) * scale)
        w = activate(linear(w))
    return w.mean(0)


def _overwrite(conv: nn.Conv2d, channels: slice) -> None:
    conv.weight[channels] = 0
    cast(Tensor, conv.bias)[channels] = 0


def _ignore(network: GPEN, channels: slice) -> None:
    """Nobody reads these channels of the encoder's maps below the finest: they will mean something else."""
    encoder, convs, to_rgbs = layers(network)
    for conv in encoder[2:]:
        conv.weight[:, channels] = 0
    finest = len(convs) - 2  # the two convolutions of the last octave get the finest map
    for number, styled in enumerate(convs[:finest]):
        first = styled.noise.channels
        taken = slice(first + channels.start, first + channels.stop)
        following = convs[number + 1].conv
        weight = following.weight.transpose(0, 1) if isinstance(following, nn.ConvTranspose2d) else following.weight
        weight[:, taken] = 0
        if number % 2 == 0:
            to_rgbs[number // 2].conv.weight[:, taken] = 0
