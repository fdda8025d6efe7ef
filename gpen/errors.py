"""Errors that a user can cause. Each message says what was found, what was expected and what to do."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class GPENError(Exception):
    """Base of every error this library raises on purpose; the message is meant for the user."""


class CheckpointError(GPENError):
    """A file is not a GPEN checkpoint, is damaged, or does not fit the network its shapes describe."""


class PictureError(GPENError):
    """A picture (or mask) has a shape, type or values the library cannot work with."""


class SettingError(GPENError):
    """A setting has a value that is not among its choices or outside its range."""

    @classmethod
    def unknown(cls, what: str, value: object, choices: Iterable[str]) -> "SettingError":
        """The error for a value that is not among its choices: says what it is and names them."""
        return cls(f"unknown {what} {value!r}; choose one of: {', '.join(choices)}")


class DownloadError(GPENError):
    """A model file is not on disk and could not be fetched, or what was fetched is not the right file."""


class DetectorError(GPENError):
    """A face detector is not available here, or failed."""


class VideoError(GPENError):
    """A film cannot be read or written, or what films need is not installed."""


class OutOfMemory(GPENError):
    """Neither the device nor the retry with less had room; the message says what would take less."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch, NumPy or OpenCV raised it for want of memory, on whatever device."""
    if isinstance(error, GPENError):
        return isinstance(error, OutOfMemory)
    # torch.cuda.OutOfMemoryError is a RuntimeError that says so; the CPU's and Apple's have no class of their own.
    said = re.search(
        "out of memory|not enough memory|insufficient memory|can(no|')t allocate memory", str(error), re.IGNORECASE
    )
    return isinstance(error, MemoryError) or said is not None


def unless_out_of_memory(run: Callable[[], T]) -> T | None:
    """What `run` gives, or None where memory ran out.

    By then the exception and the tensors it held are gone, so that the next try finds their memory free.
    """
    try:
        return run()
    except Exception as error:  # OpenCV and NumPy have classes of their own
        if is_out_of_memory(error):
            return None
        raise


@contextmanager
def advice_on_out_of_memory(doing: str, advice: str) -> Iterator[None]:
    """Turn whatever says that memory ran out into `OutOfMemory`; around a block, or as a function's decorator.

    Args:
        doing: what there was not enough memory for, after "not enough memory".
        advice: what would take less.
    """
    try:
        yield
    except OutOfMemory:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"not enough memory {doing}; close other programs, or {advice}") from error
