"""PyAV, imported when a film is opened: who restores pictures alone needs none."""

from types import ModuleType

from ..errors import VideoError

LEAST = (14, 2)
"""The oldest version that is known to do; ComfyUI's own lower bound."""


def pyav() -> ModuleType:
    """The module `av`. Raises `VideoError`, which says how to install it."""
    try:
        import av
    except ImportError as error:
        raise VideoError(f"films need PyAV, which is not installed: pip install av ({error})") from error
    version = tuple(int(part) for part in av.__version__.split(".")[:2])
    if version < LEAST:
        raise VideoError(
            f"films need PyAV {LEAST[0]}.{LEAST[1]} or newer, and {av.__version__} is installed: "
            "pip install --upgrade av"
        )
    return av
