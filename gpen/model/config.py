"""The shape of one GPEN network, read off the tensor shapes of its checkpoint."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import CheckpointError

Shape = tuple[int, ...]
"""Of a tensor."""

ACTIVATION_GAIN = 2**0.5
MAPPING_LR_MUL = 0.01
MOST_SIZE = 8192
"""Side of the largest picture that is believed; the largest released network has 2048 pixels, and needs 16 GB."""


@dataclass(frozen=True)
class GPENConfig:
    """Everything that decides the shapes in a GPEN network.

    Released networks have as many channels in the encoder as in the generator at each resolution;
    here they are listed one by one, so that a network whose channels were pruned is described as well.
    """

    style_dim: int
    mapping_layers: int
    encoder_channels: tuple[int, ...]
    """Channels of the encoder's feature maps, finest first; the last one is the 4×4 map."""
    constant_channels: int
    """Channels of the learned 4×4 constant that the generator starts from."""
    generator_channels: tuple[int, ...]
    """Output channels of the generator's modulated 3×3 convolutions, coarsest first: one at 4×4, then two an octave."""

    @property
    def size(self) -> int:
        """Side of the square output picture, in pixels."""
        return 4 << (len(self.generator_channels) // 2)

    @property
    def input_size(self) -> int:
        """Side of the square input picture: smaller than `size` in the released "-D" networks."""
        return 2 << len(self.encoder_channels)

    def resolution(self, conv: int) -> int:
        """Side of the output of the generator's `conv`-th 3×3 convolution."""
        return 4 << ((conv + 1) // 2)

    def noise_channels(self, conv: int) -> int:
        """Channels that stand beside the output of the `conv`-th convolution, in the place of StyleGAN2's noise."""
        level = int(math.log2(self.input_size // self.resolution(conv))) if self.has_feature(conv) else None
        # Above the encoder's resolution official code draws as many channels of noise as the convolution has.
        return self.generator_channels[conv] if level is None else self.encoder_channels[level]

    def has_feature(self, conv: int) -> bool:
        """Whether an encoder map exists at the resolution of the `conv`-th convolution."""
        return self.resolution(conv) <= self.input_size

    def input_channels(self, conv: int) -> int:
        """Input channels of the generator's `conv`-th 3×3 convolution."""
        if conv == 0:
            return self.constant_channels
        return self.generator_channels[conv - 1] + self.noise_channels(conv - 1)

    @classmethod
    def released(
        cls,
        size: int,
        channel_multiplier: int = 2,
        narrow: float = 1.0,
        style_dim: int = 512,
        mapping_layers: int = 8,
        input_size: int | None = None,
    ) -> "GPENConfig":
        """The configuration official code would build from its five numbers (channel table: GPEN `gpen_model.py`)."""

        def channels(resolution: int) -> int:
            full = 512 if resolution <= 32 else channel_multiplier * 16384 // resolution
            return int(full * narrow)

        encoder = [channels(r) for r in _octaves(4, input_size or size)]
        generator = [channels(4)] + [channels(r) for r in _octaves(8, size) for _ in range(2)]
        return cls(style_dim, mapping_layers, tuple(reversed(encoder)), channels(4), tuple(generator))

    @classmethod
    def from_shapes(cls, shapes: Mapping[str, Shape]) -> "GPENConfig":
        """Read the configuration off the official tensor names and shapes.

        Raises `CheckpointError` where a tensor every GPEN has is missing or has an impossible shape.
        """

        def shape(name: str, rank: int) -> Shape:
            found = shapes.get(name)
            if found is None or len(found) != rank:
                what = "it is missing" if found is None else f"its shape is {list(found)}"
                raise CheckpointError(f"not a GPEN checkpoint: expected a tensor {name!r} of rank {rank}, but {what}")
            return found

        def last(pattern: str) -> int:
            """The largest number in the names that match, so that a gap before it is found missing by its name.

            A number of more than two digits is no layer of a network that anybody could run.
            """
            return max((int(match[1]) for name in shapes if (match := re.fullmatch(pattern, name))), default=-1)

        encoder = [shape("ecd0.0.0.weight", 4)[0]]
        encoder += [shape(f"ecd{i}.0.1.weight", 4)[0] for i in range(1, 1 + last(r"ecd([0-9]{1,2})\.0\.1\.weight"))]
        generator = [shape("generator.conv1.conv.weight", 5)[1]]
        convs = range(1 + last(r"generator\.convs\.([0-9]{1,2})\.conv\.weight"))
        generator += [shape(f"generator.convs.{i}.conv.weight", 5)[1] for i in convs]
        config = cls(
            style_dim=shape("final_linear.0.weight", 2)[0],
            mapping_layers=max(0, last(r"generator\.style\.([0-9]{1,2})\.weight")),
            encoder_channels=tuple(encoder),
            constant_channels=shape("generator.input.input", 4)[1],
            generator_channels=tuple(generator),
        )
        if len(generator) % 2 == 0 or not 8 <= config.input_size <= config.size <= MOST_SIZE:
            raise CheckpointError(
                f"not a GPEN checkpoint: {len(encoder)} encoder levels and {len(generator)} generator convolutions "
                "do not fit together"
            )
        return config

    def official_shapes(self) -> dict[str, Shape]:
        """Official name → shape of every tensor the network needs; the stored FIR kernels are not among them."""
        return {tensor.name: tensor.shape for tensor in self.tensors()}

    def tensors(self) -> Iterator["OfficialTensor"]:
        """Every tensor of the network, as official code calls, shapes and equalises it, and as we call it."""
        gain, width = ACTIVATION_GAIN, self.style_dim
        for i in range(self.mapping_layers):
            name, ours, factor = f"generator.style.{i + 1}", f"mapping.{i}", MAPPING_LR_MUL * gain
            yield OfficialTensor(f"{name}.weight", (width, width), f"{ours}.weight", factor / math.sqrt(width), gain)
            yield OfficialTensor(f"{name}.bias", (width,), f"{ours}.bias", factor, gain)
        constant = (1, self.constant_channels, 4, 4)
        yield OfficialTensor("generator.input.input", constant, "constant.weight", 1.0)
        for conv, outputs in enumerate(self.generator_channels):
            name, ours = "generator.conv1" if conv == 0 else f"generator.convs.{conv - 1}", f"convs.{conv}"
            both = outputs + self.noise_channels(conv)
            # Demodulation divides by the norm of the weights, so the activation's gain is applied with it, not here.
            yield from self._modulated(name, ours, (1, outputs, self.input_channels(conv), 3, 3))
            yield OfficialTensor(f"{name}.noise.weight", (1,), f"{ours}.noise.weight", gain, gain)
            yield OfficialTensor(f"{name}.activate.bias", (both,), f"{ours}.noise.bias", gain, gain)
            if conv % 2 == 0:
                name = "generator.to_rgb1" if conv == 0 else f"generator.to_rgbs.{conv // 2 - 1}"
                ours = f"to_rgbs.{conv // 2}"
                yield OfficialTensor(f"{name}.bias", (1, 3, 1, 1), f"{ours}.conv.bias", 1.0)
                yield from self._modulated(name, ours, (1, 3, both, 1, 1))
        inputs = 3
        for level, outputs in enumerate(self.encoder_channels):
            weight, bias, side = ("0", "1", 1) if level == 0 else ("1", "2", 3)  # a blur comes first below level 0
            name, ours, shape = f"ecd{level}.0", f"encoder.{level}", (outputs, inputs, side, side)
            factor = gain / math.sqrt(inputs * side**2)
            yield OfficialTensor(f"{name}.{weight}.weight", shape, f"{ours}.weight", factor, gain)
            yield OfficialTensor(f"{name}.{bias}.bias", (outputs,), f"{ours}.bias", gain, gain)
            inputs = outputs
        shape, factor = (width, inputs * 16), gain / math.sqrt(inputs * 16)
        yield OfficialTensor("final_linear.0.weight", shape, "to_latent.weight", factor, gain)
        yield OfficialTensor("final_linear.0.bias", (width,), "to_latent.bias", gain, gain)

    def _modulated(self, name: str, ours: str, shape: Shape) -> Iterator["OfficialTensor"]:
        """A modulated convolution: its weight, and the linear layer that makes its styles."""
        inputs, width = shape[2], self.style_dim
        factor = 1 / math.sqrt(math.prod(shape[2:]))
        yield OfficialTensor(f"{name}.conv.weight", shape, f"{ours}.conv.weight", factor)
        factor = 1 / math.sqrt(width)
        modulation = f"{name}.conv.modulation"
        yield OfficialTensor(f"{modulation}.weight", (inputs, width), f"{ours}.modulation.weight", factor)
        yield OfficialTensor(f"{modulation}.bias", (inputs,), f"{ours}.modulation.bias", 1.0)


class OfficialTensor(NamedTuple):
    """A tensor of a checkpoint: ours = official · factor, in another shape where needed."""

    name: str
    """In official code."""
    shape: Shape
    ours: str
    """Its name in `network.GPEN`."""
    factor: float
    """What official code multiplies it by each time it runs, the gain of an activation behind it included."""
    gain: float = 1.0
    """That of the activation."""

    @property
    def scale(self) -> float:
        """What official code multiplies the tensor itself by."""
        return self.factor / self.gain


def _octaves(first: int, last: int) -> list[int]:
    return [first << i for i in range(int(math.log2(last // first)) + 1)]
