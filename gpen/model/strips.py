"""Runs GPEN in strips of rows: the same result in less memory, and faster where strips fit a processor's cache.

StyleGAN2 takes no statistics over a map (its demodulation depends on weights and style alone), so all that ties the
rows of a map together are the borders of its convolutions. Any strip of a map can be computed from a slightly higher
strip of the map before it, and that from a strip of the one before, back to a map that is kept whole.

With `memory="normal"` all maps of the encoder and all but the last of the generator are kept until they were used.
With "low" only maps of up to a quarter of the picture's side are: the generator's last two octaves run depth-first,
and the encoder's two finest maps are computed twice, for the latent and then for each strip of the picture.

The generator adds up a picture octave by octave. With `detail="half"` or "quarter" it stops one or two octaves early,
with a smaller picture; the encoder's maps that only a later octave would use are not kept then.

Octave 0 is 4×4, octave 1 is 8×8 and so on, in the encoder and in the generator; rows `top` to `bottom` never include
`bottom`. `memory.py` knows how many bytes all this takes: what changes here changes there.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from . import network
from .choices import DETAIL
from .config import GPENConfig


def run_in_strips(net: network.GPEN, x: Tensor, memory: str, detail: str = "full") -> Tensor:
    """What `net(x)` computes, without gradients; `memory` is "normal" or "low", `detail` one of `DETAIL`."""
    plan = Plan(net.config, memory, len(x), x.dtype, x.device.type, detail)
    encoder = EncoderRows(net, x.contiguous(memory_format=torch.channels_last), plan)
    return GeneratorRows(net, encoder, plan).picture()


class Plan:
    """Which maps are kept whole, and how high strips are.

    Args:
        config: of the network.
        memory: "normal" or "low".
        batch: pictures at once.
        dtype: of the activations.
        device: type of the device.
        detail: one of `DETAIL`.
    """

    def __init__(
        self, config: GPENConfig, memory: str, batch: int, dtype: torch.dtype, device: str, detail: str = "full"
    ):
        self.config, self.batch, self.dtype = config, batch, dtype
        # A few of these fit a processor's last cache; a GPU needs more pixels at once to be busy. Lower strips than
        # those of "low" in float32 would make the rows around a strip count, so that it has as many in half precision.
        self.strip_bytes = (2 * dtype.itemsize if memory == "low" else 8 if device == "cpu" else 64) * 2**20
        octaves = len(config.generator_channels) // 2
        self.last_octave = max(1, octaves - DETAIL[detail])
        self.encoder_octaves = len(config.encoder_channels)
        self.kept_octaves = max(1, self.last_octave if memory == "normal" else self.last_octave - 1)
        """So many of the generator's octaves, the coarsest ones, are kept whole."""
        small = octaves + 1 if memory == "normal" else max(1, octaves - 1)
        self.kept_features = min(self.encoder_octaves, small, self.last_octave + 1)
        """So many of the encoder's: with less detail, too, all that are small, for to compute them again takes long."""

    def generator_step(self, octave: int) -> int:
        """Rows of a strip of the generator's map."""
        return self._step(self.config.input_channels(2 * octave) * (4 << octave))

    def encoder_step(self, octave: int) -> int:
        """Rows of a strip of an encoder's map."""
        # A strip is twice as high in each finer map that is computed for it.
        finer = self.encoder_octaves - 1 - octave if octave == self.kept_features - 1 else 0
        channels = self.config.encoder_channels[self.encoder_octaves - 1 - octave - finer]
        return self._step(channels * (4 << octave + finer)) >> finer

    def _step(self, numbers: int) -> int:
        """Even, and enough for the rows around a strip to count for little; `numbers` make one row."""
        return max(16, self.strip_bytes // (numbers * self.batch * self.dtype.itemsize) // 2 * 2)


class EncoderRows:
    """Rows of the encoder's maps: cut from a map that is kept, or computed when they are asked for."""

    def __init__(self, net: network.GPEN, x: Tensor, plan: Plan):
        self.net, self.x, self.plan = net, x, plan
        self.kept: dict[int, Tensor] = {}
        for octave in reversed(range(plan.kept_features)):
            (self.kept[octave],) = assemble(octave, plan.encoder_step(octave), lambda *rows: (self.rows(*rows),))

    def rows(self, octave: int, top: int, bottom: int) -> Tensor:
        """(B, C, bottom - top, side)."""
        if octave in self.kept:
            return self.kept[octave][:, :, top:bottom]
        level = self.plan.encoder_octaves - 1 - octave
        convolution = self.net.encoder[level]
        if level == 0:
            return network.activate(convolution(self.x[:, :, top:bottom]))
        # The convolution reads rows 2·top to 2·bottom of the blurred map, each of which reads rows -2 to +1 around it.
        first, last = max(2 * top - 2, 0), min(2 * bottom + 2, 8 << octave)
        blurred = network.blur(self.rows(octave + 1, first, last), pad=2)
        return network.activate(convolution(blurred[:, :, 2 * top - first : 2 * bottom + 1 - first]))


class GeneratorRows:
    """Rows of the generator's maps and of the pictures beside them."""

    def __init__(self, net: network.GPEN, encoder: EncoderRows, plan: Plan):
        self.net, self.encoder, self.plan = net, encoder, plan
        self.coarsest = encoder.kept[0]
        latent = net.map(self.coarsest)
        convs = net.convs[: 2 * plan.last_octave + 1]
        self.scales = [styled.scales(latent, self.coarsest.dtype) for styled in convs]
        self.weights = [to_rgb.weight(latent) for to_rgb in net.to_rgbs[: plan.last_octave + 1]]
        hidden = net.convs[0](net.constant(self.coarsest), self.scales[0], self.coarsest)
        self.kept: dict[int, tuple[Tensor, ...]] = {0: (hidden, net.to_rgbs[0](hidden, self.weights[0], None))}

    def picture(self) -> Tensor:
        """(B, 3, size, size), float32; half or a quarter of the size where less detail is asked for."""
        plan = self.plan
        for octave in range(1, plan.kept_octaves):
            self.kept[octave] = assemble(octave, plan.generator_step(octave), self.rows)
            del self.kept[octave - 1]
            self.encoder.kept.pop(octave, None)
        last = plan.last_octave
        (picture,) = assemble(last, plan.generator_step(last), lambda *rows: self.rows(*rows)[1:])
        return picture

    def rows(self, octave: int, top: int, bottom: int) -> tuple[Tensor, ...]:
        """The map (B, C, bottom - top, side) and the picture (B, 3, bottom - top, side)."""
        if octave in self.kept:
            hidden, rgb = self.kept[octave]
            return hidden[:, :, top:bottom], rgb[:, :, top:bottom]
        side, up, plain = 4 << octave, 2 * octave - 1, 2 * octave
        # The second convolution reads one more row on each side, the first one (with its blur) two more of its input.
        near_top, near_bottom = max(top - 1, 0), min(bottom + 1, side)
        first, last = max(top // 2 - 2, 0), min((bottom + 1) // 2 + 2, side // 2)
        hidden, rgb = self.rows(octave - 1, first, last)
        feature = self.feature(up, near_top, near_bottom)
        rows = slice(near_top - 2 * first, near_bottom - 2 * first)
        hidden = self.net.convs[up](hidden, self.scales[up], feature, rows)
        rows = slice(top - near_top, bottom - near_top)
        feature = feature[:, :, rows] if octave < self.plan.encoder_octaves else self.feature(plain, top, bottom)
        hidden = self.net.convs[plain](hidden, self.scales[plain], feature, rows)
        rgb = network.upsample(rgb)[:, :, top - 2 * first : bottom - 2 * first]
        return hidden, self.net.to_rgbs[octave](hidden, self.weights[octave], rgb)

    def feature(self, conv: int, top: int, bottom: int) -> Tensor:
        """What stands in the place of noise at the output of a convolution."""
        octave = (conv + 1) // 2
        if octave < self.plan.encoder_octaves:
            return self.encoder.rows(octave, top, bottom)
        return network.noise_rows(self.coarsest, self.plan.config, conv, top, bottom)


def assemble(octave: int, step: int, rows: Callable[[int, int, int], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """The whole maps (B, C, side, side) of which `rows` computes a strip; `step` rows at once."""
    side = 4 << octave
    if step >= side:
        return rows(octave, 0, side)
    whole: tuple[Tensor, ...] = ()
    for top in range(0, side, step):
        # Straight into the next call, so that no name keeps a strip alive while the next one is computed.
        whole = written(whole, rows(octave, top, min(top + step, side)), top, side)
    return whole


def written(whole: tuple[Tensor, ...], strips: tuple[Tensor, ...], top: int, side: int) -> tuple[Tensor, ...]:
    """The whole maps, new ones at first, with strips written into them."""
    whole = whole or tuple(network.empty(strip, *strip.shape[:2], side, side) for strip in strips)
    for target, strip in zip(whole, strips, strict=True):
        target[:, :, top : top + strip.shape[2]] = strip
    return whole
