"""A discriminator for the parts of a face that people look at: it is shown eyes and mouths, and says which are real.

It asks for detail that the errors of pixels would rather smooth away, and joins late, when these have settled.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .places import patches


class Critic(nn.Module):
    """Four convolutions with spectral normalisation (Miyato et al. 2018), one answer for every few pixels."""

    def __init__(self, width: int = 32):
        super().__init__()
        channels = (3, width, 2 * width, 4 * width)
        convs = [nn.Conv2d(i, o, 4, stride=2, padding=1) for i, o in pairwise(channels)]
        convs.append(nn.Conv2d(channels[-1], 1, 3, padding=1))
        self.convs = nn.ModuleList(spectral_norm(conv) for conv in convs)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) in -1..1 → answers, positive for real."""
        x = patches(pictures)
        for conv in self.convs[:-1]:
            x = F.leaky_relu(conv(x), 0.2)
        return self.convs[-1](x)


def critic_loss(critic: Critic, restored: Tensor, original: Tensor) -> Tensor:
    """The hinge loss: answers beyond 1 on the right side are good enough."""
    real, made = critic(torch.cat([original, restored])).unflatten(0, (3, 2, -1)).unbind(1)
    return F.relu(1 - real).mean() + F.relu(1 + made).mean()
