"""Work that may wait for a server or a disk, done by a thread of its own, so that the caller can stop at any time."""

import threading
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from queue import Empty, Full, Queue
from typing import TypeVar

POLL = 0.2
"""Seconds between two looks at whether the caller wants to stop."""
AHEAD = 16
"""How many results may wait for the caller."""

T = TypeVar("T")
_END = object()


def in_background(
    produce: Callable[[], Generator[T, None, None]], on_wait: Callable[[], None]
) -> Generator[T, None, None]:
    """What `produce` yields and raises, made by a thread of its own.

    Args:
        produce: runs in the thread; it is closed at the next result after the caller has stopped.
        on_wait: called by the caller's thread every `POLL` seconds without a result; what it raises passes on.
    """
    results: Queue[object] = Queue(AHEAD)
    stopped = threading.Event()
    # A daemon: a server that stays silent must not keep the program from ending.
    threading.Thread(target=_work, args=(produce, results, stopped), daemon=True).start()
    try:
        while True:
            try:
                result = results.get(timeout=POLL)
            except Empty:
                on_wait()
                continue
            if result is _END:
                return
            if isinstance(result, _Raised):
                raise result.error
            yield result  # type: ignore[misc] - nothing else is put there
    finally:
        stopped.set()


class _Raised:
    def __init__(self, error: BaseException):
        self.error = error


def _work(
    produce: Callable[[], Generator[object, None, None]], results: Queue[object], stopped: threading.Event
) -> None:
    def hand_over(result: object) -> bool:
        while not stopped.is_set():
            with suppress(Full):
                results.put(result, timeout=POLL)
                return True
        return False

    try:
        with closing(produce()) as made:
            for result in made:
                if not hand_over(result):
                    return
        hand_over(_END)
    except BaseException as error:  # it is the caller's
        hand_over(_Raised(error))
