"""Why something is not turned into machine code."""

from __future__ import annotations

__all__ = ["NotNative"]


class NotNative(Exception):
    """An operation has no translation to C; the message names it."""
