"""Errors that a user can cause. Each message says what was found, what was expected and what to do."""

from collections.abc import Iterable


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
