"""GPEN Face Restore: what ComfyUI imports."""

from .nodes import comfy_entrypoint

__all__ = ["comfy_entrypoint"]
