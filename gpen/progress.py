"""How far something has come."""

from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with (done, in all, or None where nobody knows); what it raises stops the work."""
