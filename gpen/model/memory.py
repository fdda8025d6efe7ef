"""How many bytes of activations a run of the network takes: a formula, so that it is known before anything runs.

It follows `strips.py` and `network.StyledConv` step by step: for each moment at which much is alive, what is. A test
holds it against the allocator's peaks. The network's weights do not count, but the copies do that a convolution makes
of its own: of the weights, in the layout it likes, and on a CPU of its input.
"""

from collections.abc import Callable

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
    # A GPU's workspaces are not counted: how large they are is nowhere documented.
    threads = torch.get_num_threads() if device == "cpu" else 0
    return _Estimate(Plan(config, memory, batch, dtype, device, detail), 2 if in_8_bits else 1, threads).peak()


class _Estimate:
    """Peaks and sizes in bytes."""

    def __init__(self, plan: Plan, copies: int, threads: int):
        self.plan = plan
        self.config = plan.config
        self.copies = copies
        """Of the weights of a convolution of the generator, while it runs."""
        self.threads = threads
        """Each of which makes a copy of one picture's input of a transposed convolution (oneDNN's brgconv_strided)."""

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
        whole = self.feature(octave, 4 << octave)
        return self.in_strips(octave, self.plan.encoder_step(octave), self.feature_peak, whole)

    def assembled(self, octave: int, whole: int) -> int:
        """Peak while an octave of the generator, or of its pictures, is put together in `whole` bytes."""
        return self.in_strips(octave, self.plan.generator_step(octave), self.peak_of_rows, whole)

    def in_strips(self, octave: int, step: int, peak: Callable[[int, int, int], int], whole: int) -> int:
        """Peak while strips of `step` rows, for each of which `peak` tells its own, are written into `whole` bytes."""
        side = 4 << octave
        if step >= side:
            return peak(octave, 0, side)
        # The first strip is there before there is anything to write it into.
        peaks = [peak(octave, 0, step), whole + whole * step // side]
        return max(peaks + [whole + peak(octave, top, min(top + step, side)) for top in range(step, side, step)])

    def feature_peak(self, octave: int, top: int, bottom: int) -> int:
        """Peak while rows of an encoder's map are computed."""
        result = self.feature(octave, bottom - top)
        if octave == self.plan.encoder_octaves - 1:
            return result
        side = 8 << octave
        first, last = max(2 * top - 2, 0), min(2 * bottom + 2, side)
        level = self.plan.encoder_octaves - 1 - octave
        inputs, outputs = self.config.encoder_channels[level - 1 : level + 1]
        blurred = self.size(inputs, last - first + 1, side + 1)
        # Rows cut from more than one picture are not one piece of memory, and are copied to be one.
        rows = 2 * (bottom - top) + 1
        cut = self.size(inputs, rows, side + 1) if self.plan.batch > 1 and rows < side else 0
        convolution = blurred + cut + result + self.weights(inputs, outputs)
        if octave + 1 < self.plan.kept_features:
            return convolution
        below = self.feature_peak(octave + 1, first, last), self.feature(octave + 1, last - first) + blurred
        return max(*below, convolution)

    def peak_of_rows(self, octave: int, top: int, bottom: int) -> int:
        """Peak while rows of the generator's map and picture are computed."""
        config, side, up, plain = self.config, 4 << octave, 2 * octave - 1, 2 * octave
        near_top, near_bottom = max(top - 1, 0), min(bottom + 1, side)
        first, last = max(top // 2 - 2, 0), min((bottom + 1) // 2 + 2, side // 2)
        near, half = near_bottom - near_top, last - first
        before, peaks = 0, []
        if octave > self.plan.kept_octaves:
            before = self.generated(octave - 1, half)
            peaks.append(self.peak_of_rows(octave - 1, first, last))
        feature = 0
        if octave >= self.plan.kept_features:
            feature = self.feature(octave, near)
            drawn = octave >= self.plan.encoder_octaves
            peaks.append(before + (2 * feature if drawn else self.feature_peak(octave, near_top, near_bottom)))
        # The upsampling convolution: its scaled input and its output; the blurred output and what activation writes.
        inputs, outputs = config.input_channels(up), config.generator_channels[up]
        scaled = self.size(inputs, half, side // 2)
        padded = self.size(inputs, half + 2, side // 2 + 4) // self.plan.batch
        convolved = self.size(outputs, 2 * half + 1, side + 1)
        blurred = self.size(outputs, 2 * half, side)
        hidden = self.size(config.input_channels(plain), near, side)
        held = before + feature
        copied = self.copies * self.weights(inputs, outputs) + self.threads * padded
        peaks += [held + scaled + convolved + copied, held + convolved + blurred, held + blurred + hidden]
        # The plain one likewise, without a blur.
        outputs = config.generator_channels[plain]
        convolved = self.size(outputs, near, side)
        copied = self.copies * self.weights(config.input_channels(plain), outputs)
        result = self.generated(octave, bottom - top)
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
