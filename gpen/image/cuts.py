"""Where a clip cuts to another scene."""

from collections.abc import Container, Sequence
from typing import NamedTuple

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


# A frame that stands between two that differ by less than this part of what it differs itself, as a flash or a dropped
# frame that is black or white, is of no scene: it begins none and ends none.
SAME_AROUND = 0.5


class Change(NamedTuple):
    """How much a frame differs from those before it, in grey levels; 0 where there are none."""

    last: float
    before_last: float


class Changes:
    """How much each frame of a clip differs from the two before; it keeps those as thumbs."""

    def __init__(self) -> None:
        self._thumbs: tuple[npt.NDArray[np.float32], ...] = ()

    def of(self, frame: npt.NDArray[np.uint8]) -> Change:
        """The change that the next frame (H, W, 3) of 0..255 brings."""
        step = max(1, min(frame.shape[:2]) // THINNED_TO)
        thinned = np.ascontiguousarray(frame[::step, ::step])
        thumb = cv2.resize(thinned, (THUMB_SIDE, THUMB_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        changes = [float(np.abs(thumb - other).mean()) for other in self._thumbs]
        self._thumbs = (thumb, *self._thumbs[:1])
        return Change(*changes, *[0.0] * (2 - len(changes)))


def scene_cuts(changes: Sequence[Change]) -> tuple[int, ...]:
    """The first frames of all scenes but the first, of the `Changes` of all frames."""
    alone = set(flashes(changes))
    beside = alone | {frame + 1 for frame in alone}
    # The scene on both sides of a flash is one, so what counts across it is how far its neighbours differ.
    steps = [change.before_last if frame - 1 in alone else change.last for frame, change in enumerate(changes)]
    return tuple(
        frame for frame in range(1, len(steps)) if frame not in beside and _is_cut(steps, frame, besides=alone)
    )


def flashes(changes: Sequence[Change]) -> tuple[int, ...]:
    """The frames that are of no scene: unlike the one before and the one after, which are alike."""
    return tuple(
        frame
        for frame in range(1, len(changes) - 1)
        if min(changes[frame].last, changes[frame + 1].last) >= LEAST_CHANGE
        and changes[frame + 1].before_last < SAME_AROUND * min(changes[frame].last, changes[frame + 1].last)
    )


def _is_cut(steps: Sequence[float], frame: int, besides: Container[int]) -> bool:
    near = range(max(1, frame - AROUND), min(frame + AROUND + 1, len(steps)))
    usual = float(np.mean([steps[other] for other in near if other != frame and other not in besides] or [0.0]))
    return steps[frame] >= LEAST_CHANGE and steps[frame] >= TIMES_USUAL * usual
