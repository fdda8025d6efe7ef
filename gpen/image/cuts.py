"""Where a clip cuts to another scene."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

# Frames are compared at this side: what moves within a scene hardly changes pixels that large.
THUMB_SIDE = 16
# A frame is first thinned out to about this side, which is quick.
THINNED_TO = 256
# Mean change of a thumb, in grey levels. Two official portraits in the same pose differ by 30 and more (5 % of them by
# less than 36), and a hand that shakes by 8 pixels and 4° in a picture of 480 by 12 at most.
LEAST_CHANGE = 15.0
# So many times the change that is usual around it: a pan or a flash changes several frames in a row by as much.
TIMES_USUAL = 3.0
AROUND = 2


class Changes:
    """How much each frame of a clip differs from the one before; it keeps the last one as a thumb."""

    def __init__(self) -> None:
        self._last: npt.NDArray[np.float32] | None = None

    def of(self, frame: npt.NDArray[np.uint8]) -> float:
        """The change, in grey levels, that the next frame (H, W, 3) of 0..255 brings; 0 for the first."""
        step = max(1, min(frame.shape[:2]) // THINNED_TO)
        thinned = np.ascontiguousarray(frame[::step, ::step])
        thumb = cv2.resize(thinned, (THUMB_SIDE, THUMB_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        change = 0.0 if self._last is None else float(np.abs(thumb - self._last).mean())
        self._last = thumb
        return change


def scene_cuts(changes: Sequence[float]) -> tuple[int, ...]:
    """The first frames of all scenes but the first, of the `Changes` of all frames."""
    return tuple(frame for frame in range(1, len(changes)) if _is_cut(changes, frame))


def _is_cut(changes: Sequence[float], frame: int) -> bool:
    near = range(max(1, frame - AROUND), min(frame + AROUND + 1, len(changes)))
    usual = float(np.mean([changes[other] for other in near if other != frame] or [0.0]))
    return changes[frame] >= LEAST_CHANGE and changes[frame] >= TIMES_USUAL * usual
