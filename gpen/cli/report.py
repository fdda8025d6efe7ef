"""What all commands say alike: exit codes, progress bars, errors on one line."""

from typing import Any

from tqdm import tqdm

from ..progress import Progress

OK, SOME_FAILED, UNUSABLE = 0, 1, 2


def bar(what: str, **options: Any) -> Progress:
    """Shows how far something has come, once it has begun; with tqdm's options."""
    shown: tqdm | None = None

    def on_progress(done: int, total: int | None) -> None:
        nonlocal shown
        if shown is None or done < shown.n or total != shown.total:  # another one has begun
            shown = tqdm(total=total, desc=what, unit_scale=True, unit_divisor=1024, disable=None, **options)
        shown.update(done - shown.n)
        if done == total:
            shown.close()

    return on_progress


def one_line(error: Exception) -> str:
    """An error's words without line breaks."""
    return " ".join(str(error).split())
