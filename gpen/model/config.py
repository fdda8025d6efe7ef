"""The shape of one GPEN network, read off the tensor shapes of its checkpoint."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import CheckpointError

Shape = tuple[int, ...]
"""Of a tensor."""

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
        shapes: dict[str, Shape] = {}

        def conv3(name: str, conv: int) -> None:
            outputs, inputs = self.generator_channels[conv], self.input_channels(conv)
            shapes[f"{name}.conv.weight"] = (1, outputs, inputs, 3, 3)
            modulation(f"{name}.conv", inputs)
            shapes[f"{name}.noise.weight"] = (1,)
            shapes[f"{name}.activate.bias"] = (outputs + self.noise_channels(conv),)

        def to_rgb(name: str, conv: int) -> None:
            inputs = self.generator_channels[conv] + self.noise_channels(conv)
            shapes[f"{name}.bias"] = (1, 3, 1, 1)
            shapes[f"{name}.conv.weight"] = (1, 3, inputs, 1, 1)
            modulation(f"{name}.conv", inputs)

        def modulation(name: str, inputs: int) -> None:
            shapes[f"{name}.modulation.weight"] = (inputs, self.style_dim)
            shapes[f"{name}.modulation.bias"] = (inputs,)

        for i in range(1, self.mapping_layers + 1):
            shapes[f"generator.style.{i}.weight"] = (self.style_dim, self.style_dim)
            shapes[f"generator.style.{i}.bias"] = (self.style_dim,)
        shapes["generator.input.input"] = (1, self.constant_channels, 4, 4)
        conv3("generator.conv1", 0)
        to_rgb("generator.to_rgb1", 0)
        for conv in range(1, len(self.generator_channels)):
            conv3(f"generator.convs.{conv - 1}", conv)
            if conv % 2 == 0:
                to_rgb(f"generator.to_rgbs.{conv // 2 - 1}", conv)
        inputs = 3
        for level, outputs in enumerate(self.encoder_channels):
            weight, bias, kernel = ("0", "1", 1) if level == 0 else ("1", "2", 3)  # a blur comes first below level 0
            shapes[f"ecd{level}.0.{weight}.weight"] = (outputs, inputs, kernel, kernel)
            shapes[f"ecd{level}.0.{bias}.bias"] = (outputs,)
            inputs = outputs
        shapes["final_linear.0.weight"] = (self.style_dim, inputs * 16)
        shapes["final_linear.0.bias"] = (self.style_dim,)
        return shapes


def _octaves(first: int, last: int) -> list[int]:
    return [first << i for i in range(int(math.log2(last // first)) + 1)]
