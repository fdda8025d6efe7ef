"""How near is near enough: one table for the tests that compare with official code, and one way with another.

Prefer better test data to a larger number here.
"""

import torch

PICTURE = 1e-5
"""Of a picture in -1..1 in float32: the same sums in another order."""
WEIGHTS = 1e-6
"""Relative, of weights that went into our layout and back: their equalised scale is multiplied in and divided out."""
TEMPLATE = 1e-9
"""Of the landmarks' template, in pixels: it is known to the last digit."""
MATRIX = 1e-3
"""Of an official matrix: official code finds it another way, and a thousandth of a pixel shows nowhere."""
LANDMARKS = 1e-6
"""Of landmarks that went into a crop and back, in pixels, in float64."""
CROP = 1e-5
"""Of a crop in 0..1 in float32: bilinear interpolation in another order."""
MOVED = 1e-4
"""Of a pasted picture in 0..1 that lies elsewhere: OpenCV interpolates at places rounded to parts of a pixel."""
MIXED = 1e-6
"""Of two pictures in 0..1 that are mixed, in float32."""
PASTED_LEVELS = 4
"""Grey levels that no pixel is off an official pasted picture: both round to 8 bits, and warp in another order: 3
with today's OpenCV, 4 with 4.9."""
PASTED_WITHIN_ONE = 0.999
"""The share of pixels that are no more than one grey level off it."""
PARSER_SCORES = 1e-4
"""Of class scores, which differ by some tenths."""

HALF_PSNR = {torch.float16: 50, torch.bfloat16: 40}
"""dB that a network in half precision reaches against float32: fractions of 10 and of 7 bits."""
EIGHT_BITS_PSNR = 35
"""dB that weights in 8 bits reach: what bfloat16 reaches on the same networks is not far above."""
PRUNED_PSNR = {"fp32": 90, "fp16": 50, "bf16": 35}
"""dB of a pruned network against itself in float32, at the official layout: it is read and run like any other."""
MEMORY = 0.15
"""Relative, of the estimate of memory: allocators round up, and other versions of torch keep other buffers."""
