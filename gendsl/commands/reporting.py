"""Findings on standard error, and how many there are."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gendsl.diagnostics import CompileError, Diagnostic, GenError, render, render_all
from gendsl.source import Source
from gendsl.syntax.reading import SIZE_LIMIT, read_source

if TYPE_CHECKING:
    from gendsl.frontend import CheckedModel

__all__ = [
    "checked_model",
    "counted",
    "say",
    "show_error",
    "show_findings",
    "standard_input",
    "stricter",
]


def say(text: str) -> None:
    """A line that is about the work and not its result."""
    print(text, file=sys.stderr, flush=True)


def standard_input() -> bytes:
    """What standard input holds, as far as a model may be long."""
    return b"" if sys.stdin is None else sys.stdin.buffer.read(SIZE_LIMIT + 4)


def stricter(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The findings with every warning turned into an error."""
    return tuple(replace(d, severity="error") if d.severity == "warning" else d for d in found)


def counted(found: Iterable[Diagnostic]) -> str:
    """``2 errors and 1 warning``, or ``no errors``."""
    severities = [d.severity for d in found]
    errors, warnings = severities.count("error"), severities.count("warning")
    parts = [_times(errors, "error")] if errors or not warnings else ["no errors"]
    parts += [_times(warnings, "warning")] if warnings else []
    return " and ".join(parts)


def _times(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def show_findings(found: Sequence[Diagnostic], source: Source | None) -> None:
    """Print findings that stop nothing: warnings and notes."""
    for diagnostic in found:
        say(render(diagnostic, source) + "\n")


def show_error(error: GenError) -> None:
    """Print what stopped a command, and how much it is."""
    say(f"{render_all(error.diagnostics, error.source)}\n\nfound {counted(error.diagnostics)}")


def checked_model(path: str, *, strict: bool = False) -> CheckedModel:
    """The checked model of a file; its warnings are printed.

    Raises:
        CompileError: it is wrong, or has warnings and `strict` is asked for.
    """
    from gendsl.frontend import check

    source = read_source(Path(path))
    checked = check(source)
    if strict and checked.warnings:
        raise CompileError(stricter(checked.warnings), source)
    if checked.warnings:
        show_findings(checked.warnings, source)
        say(f"checked {source.name}: {counted(checked.warnings)}")
    return checked
