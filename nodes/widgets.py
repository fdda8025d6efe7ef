"""A node's widgets, made from the options of the library's settings."""

from typing import Any

from comfy_api.latest import io

from ..gpen.options import Option, Settings, options_of
from .bridge import advanced


def widgets(kind: type[Settings], *names: str, folded: bool = False) -> list[io.WidgetInput]:
    """The widgets of the named options of a settings dataclass, or of all of them, in their order.

    They are optional, so that a prompt from before one of them was there still runs. With `folded` all of them are
    advanced ones, whatever their option says.
    """
    options = options_of(kind)
    chosen = [options[name] for name in names] if names else options.values()
    return [advanced(_widget(option)) if folded or option.advanced else _widget(option) for option in chosen]


def _widget(option: Option) -> io.WidgetInput:
    told: dict[str, Any] = {"id": option.name, "optional": True, "default": option.default, "tooltip": option.words}
    if option.choices:
        return io.Combo.Input(options=list(option.choices), **told)
    if isinstance(option.default, bool):
        return io.Boolean.Input(**told)
    if isinstance(option.default, str):
        return io.String.Input(**told)
    told |= {"min": option.low, "max": option.high, "step": option.step}
    return io.Int.Input(**told) if isinstance(option.default, int) else io.Float.Input(**told)
