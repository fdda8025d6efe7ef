"""How many bytes of activations a run of the network takes: a formula, so that it is known before anything runs.

It follows `strips.py` and `network.StyledConv` step by step: for each moment at which much is alive, what is. A test
holds it against the allocator's peaks. The network's weights do not count, but the copy does that a convolution makes
of its own, in the layout it likes.
"""

import torch

from .config import GPENConfig
from .strips import Plan


def activation_bytes(
    config: GPENConfig,
    batch: int,
    dtype: torch.dtype,
    memory: str = "normal",
    device: str = "cpu",
    detail: str = "full",
    in_8_bits: bool = False,
) -> int:
    """The most bytes of activations alive at one time, the picture that comes out included.

    Args:
        config: of the network.
        batch: pictures at once.
        dtype: of the input, and so of the activations.
        memory: "normal" or "low".
        device: type of the device the network runs on.
        detail: one of `strips.DETAIL`.
        in_8_bits: whether the generator's weights are, so that each layer makes a copy of its own in `dtype`.
    """
    return _Estimate(Plan(config, memory, batch, dtype, device, detail), in_8_bits).peak()


class _Estimate:
    """Peaks and sizes in bytes."""

    def __init__(self, plan: Plan, in_8_bits: bool):
        self.plan = plan
        self.config = plan.config
        self.copies = 2 if in_8_bits else 1
        """Of the weights of a convolution of the generator, while it runs."""

    def peak(self) -> int:
        plan = self.plan
        copied_input = self.size(3, self.config.input_size, self.config.input_size)
        kept, peaks = copied_input, []
        for octave in reversed(range(plan.kept_features)):
            peaks.append(kept + self.assembled_feature(octave))
            kept += self.feature(octave, 4 << octave)
        for octave in range(1, plan.kept_octaves):
            whole = self.generated(octave, 4 << octave)
            peaks.append(kept + self.generated(octave - 1, 4 << (octave - 1)) + self.assembled(octave, whole))
            if octave < plan.kept_features:
                kept -= self.feature(octave, 4 << octave)
        last = plan.last_octave
        peaks.append(
            kept
            + self.generated(plan.kept_octaves - 1, 4 << (plan.kept_octaves - 1))
            + self.assembled(last, self.picture(4 << last, 4 << last))
        )
        return max(peaks)

    def assembled_feature(self, octave: int) -> int:
        """Peak while a whole map of the encoder is put together."""
        step, side = self.plan.encoder_step(octave), 4 << octave
        if step >= side:
            return self.feature_peak(octave, side)
        return self.feature_peak(octave, step) + self.feature(octave, side)

    def assembled(self, octave: int, whole: int) -> int:
        """Peak while an octave of the generator, or of its pictures, is put together in `whole` bytes."""
        step, side = self.plan.generator_step(octave), 4 << octave
        return self.peak_of_rows(octave, side) if step >= side else self.peak_of_rows(octave, step) + whole

    def feature_peak(self, octave: int, rows: int) -> int:
        """Peak while rows of an encoder's map are computed."""
        result = self.feature(octave, rows)
        if octave == self.plan.encoder_octaves - 1:
            return result
        side = 8 << octave
        below = min(2 * rows + 4, side)
        level = self.plan.encoder_octaves - 1 - octave
        inputs, outputs = self.config.encoder_channels[level - 1 : level + 1]
        blurred = self.size(inputs, below + 1, side + 1)
        # Rows cut from more than one picture are not one piece of memory, and are copied to be one.
        cut = self.size(inputs, 2 * rows + 1, side + 1) if self.plan.batch > 1 and rows < side // 2 else 0
        convolution = blurred + cut + result + self.weights(inputs, outputs)
        if octave + 1 < self.plan.kept_features:
            return convolution
        return max(self.feature_peak(octave + 1, below), self.feature(octave + 1, below) + blurred, convolution)

    def peak_of_rows(self, octave: int, rows: int) -> int:
        """Peak while rows of the generator's map and picture are computed."""
        config, side, up, plain = self.config, 4 << octave, 2 * octave - 1, 2 * octave
        near, half = min(rows + 2, side), min(rows // 2 + 4, side // 2)
        before, peaks = 0, []
        if octave > self.plan.kept_octaves:
            before = self.generated(octave - 1, half)
            peaks.append(self.peak_of_rows(octave - 1, half))
        feature = 0
        if octave >= self.plan.kept_features:
            feature = self.feature(octave, near)
            drawn = octave >= self.plan.encoder_octaves
            peaks.append(before + (2 * feature if drawn else self.feature_peak(octave, near)))
        # The upsampling convolution: its scaled input and its output; the blurred output and what activation writes.
        outputs = config.generator_channels[up]
        scaled = self.size(config.input_channels(up), half, side // 2)
        convolved = self.size(outputs, 2 * half + 1, side + 1)
        blurred = self.size(outputs, 2 * half, side)
        hidden = self.size(config.input_channels(plain), near, side)
        held = before + feature
        copied = self.copies * self.weights(config.input_channels(up), outputs)
        peaks += [held + scaled + convolved + copied, held + convolved + blurred, held + blurred + hidden]
        # The plain one likewise, without a blur.
        outputs = config.generator_channels[plain]
        convolved = self.size(outputs, near, side)
        copied = self.copies * self.weights(config.input_channels(plain), outputs)
        result = self.generated(octave, rows)
        held = feature + hidden
        peaks += [held + hidden + convolved + copied, held + convolved + result]
        return max(peaks)

    def generated(self, octave: int, rows: int) -> int:
        """Rows of the generator's map and of the picture beside it."""
        conv = 2 * octave
        channels = self.config.generator_channels[conv] + self.config.noise_channels(conv)
        return self.size(channels, rows, 4 << octave) + self.picture(rows, 4 << octave)

    def feature(self, octave: int, rows: int) -> int:
        """Rows of the encoder's map, or of the noise in its place."""
        return self.size(self.config.noise_channels(2 * octave), rows, 4 << octave)

    def size(self, channels: int, rows: int, columns: int) -> int:
        """The bytes of a map."""
        return self.plan.batch * channels * rows * columns * self.plan.dtype.itemsize

    def picture(self, rows: int, columns: int) -> int:
        """The bytes of a picture, which is float32."""
        return self.plan.batch * 3 * rows * columns * 4

    def weights(self, inputs: int, outputs: int) -> int:
        """The bytes of a 3×3 convolution's weights."""
        return 9 * inputs * outputs * self.plan.dtype.itemsize
