"""Rewriting a recorded value before it is differentiated: what the data settle is settled once."""

from __future__ import annotations

from contextlib import suppress

from gendsl.runtime.algebra.editing import Editor
from gendsl.runtime.algebra.factoring import factor_sums
from gendsl.runtime.algebra.sums import shorten_sums
from gendsl.runtime.tracing import Tape

__all__ = ["reduced"]

PASSES = (factor_sums, shorten_sums)

FAILURES = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""What a pass may end with; the results that it has not replaced by then stay as they were."""


def reduced(tape: Tape) -> tuple[Tape, tuple[str, ...]]:
    """The same value by less work, and what was done, in words.

    What a rewriting gives is compared with the original at the point of the recording; one that
    fails or differs is not used.
    """
    editor = Editor(tape)
    for rewrite in PASSES:
        with suppress(*FAILURES):
            rewrite(editor)
    return (editor.finished(), tuple(dict.fromkeys(editor.notes))) if editor.notes else (tape, ())
