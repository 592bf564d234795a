"""Interrupts that are not lost.

Python raises `KeyboardInterrupt` wherever it happens to be. Raised while an object is collected,
or in a callback of a library, it is dropped there; a long loop asks again.
"""

from __future__ import annotations

__all__ = ["clear", "note", "raise_again"]

_noted: list[type[BaseException]] = []


def note(kind: type[BaseException]) -> None:
    """Remember an interrupt that is about to be raised."""
    _noted.append(kind)


def raise_again() -> None:
    """Raise an interrupt that has been noted, in case it was lost."""
    if _noted:
        raise _noted[-1]


def clear() -> None:
    """Forget interrupts that have been dealt with."""
    _noted.clear()
