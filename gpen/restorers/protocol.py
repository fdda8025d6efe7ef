"""What every restorer is to the rest: upright crops of faces in, the same faces restored out."""

from typing import Protocol

import torch
from torch import Tensor
from typing_extensions import Self

from ..errors import SettingError
from ..faces.alignment import Alignment
from ..model.tasks import Task
from ..options import options_of
from .settings import RestorerSettings


class Restorer(Protocol):
    """Restores crops of faces. GPEN (`gpen.py`) is the best kept one; the table in `__init__.py` names them all."""

    @property
    def name(self) -> str:
        """As shown to people."""
        ...

    @property
    def size(self) -> int:
        """Side of the crops it restores, in pixels."""
        ...

    @property
    def task(self) -> Task:
        """What it is for, and what is kept of what it gives back."""
        ...

    @property
    def alignment(self) -> Alignment:
        """How the faces lie in its crops."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        ...

    @property
    def settings(self) -> RestorerSettings:
        """What it was opened with, as far as it has these options."""
        ...

    def restore(self, crops: Tensor) -> Tensor:
        """Aligned faces (B, S, S, 3) in 0..1 → the same faces restored, in 0..1, on the CPU.

        A fourth channel is an inpaint mask, where its task takes one. Raises `CheckpointError` where it gives no
        picture.
        """
        ...

    def pictures_at_once(self) -> int:
        """How many crops are best restored as one batch."""
        ...

    def bytes_needed(self) -> int:
        """The bytes of a card that its weights take with one face at work."""
        ...

    def in_low_memory(self) -> Self | None:
        """The same, sharing its weights, in as little memory as it can; None where it takes no less than it does."""
        ...

    def at_detail(self, detail: str) -> Self:
        """The same, sharing its weights, for a quick look. Raises `SettingError` where it cannot give one."""
        ...

    def for_parts(self) -> Self:
        """The same, sharing its weights, for tiles of pictures that `task.finish` finishes as a whole."""
        ...


def check_settings(what: str, settings: RestorerSettings, known: tuple[str, ...]) -> None:
    """Raise `SettingError` for a setting that was changed and that this restorer does not have."""
    for name in settings.changed():
        if name not in known:
            raise SettingError(f"{what} has no {name}; leave it at {options_of(RestorerSettings)[name].default}")


def only_full_detail(name: str, detail: str) -> None:
    """Raise `SettingError` where a restorer that has no quick look is asked for one."""
    if detail != "full":
        raise SettingError(f"{name} has no quick look, which only GPEN networks have; choose detail full, not {detail}")


def not_in_strips(what: str, memory: str) -> None:
    """Raise `SettingError` where a restorer that is run whole is asked for low memory."""
    if memory == "low":
        raise SettingError(f"{what} cannot be run in strips; choose memory auto or normal, or a GPEN network")
