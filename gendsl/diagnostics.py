"""Diagnostics: what is wrong with a model or its data, as data.

Codes by stage: GD0xx text and syntax, GD1xx names, GD2xx types, GD3xx plates and shapes, GD4xx
supports, GD5xx model structure, GD6xx inference, GD7xx data, GD8xx results, GD9xx parts of the
language that this version cannot run yet. A code is never reused; `gendsl.explanations` holds
the long text of each.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gendsl.source import Source, Span

__all__ = [
    "CompileError",
    "DataError",
    "Diagnostic",
    "GenError",
    "InternalCompilerError",
    "Label",
    "nearest",
    "render",
    "render_all",
    "to_json",
]

Severity = Literal["error", "warning", "info"]

LIMIT = 20
"""At most this many errors are shown in one go."""

WIDTH = 160
"""Longer source lines are cut around the mark."""


@dataclass(frozen=True, slots=True)
class Label:
    """A second place in the text, with what it has to do with the first."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about a model or its data.

    Attributes:
        code: stable code such as ``GD402``.
        message: what was found and what was expected, in one sentence.
        span: the exact place in the model text; None for findings about data or files.
        labels: where the requirement comes from.
        help: one concrete remedy, if there is one.
        severity: ``error``, ``warning`` or ``info``.
    """

    code: str
    message: str
    span: Span | None = None
    labels: tuple[Label, ...] = ()
    help: str | None = None
    severity: Severity = "error"


class GenError(Exception):
    """A mistake of the user's, told by diagnostics; never one of ours.

    Attributes:
        diagnostics: every finding of the stage that failed, warnings included.
        source: the model text that the spans refer to, if any.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic], source: Source | None = None) -> None:
        """Keep the findings, in the order of the text."""
        self.diagnostics = tuple(diagnostics)
        self.source = source
        super().__init__(render_all(self.diagnostics, source))


class CompileError(GenError):
    """The model text is wrong."""


class DataError(GenError):
    """The data, or an argument of a call, do not fit the model."""


class InternalCompilerError(Exception):
    """A mistake of ours. Please report it with the model text."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`, if one is near enough to be what was meant."""
    pool = sorted(set(candidates))
    folded = {c.casefold(): c for c in reversed(pool)}
    if word.casefold() in folded:
        return folded[word.casefold()]
    hits = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[hits[0]] if hits else None


def _marked(source: Source, span: Span, text: str, gutter: int) -> list[str]:
    line, column = source.position(span.start)
    content = source.line(line).replace("\t", " ")
    width = max(1, min(span.end - span.start, len(content) - column + 1))
    first = 0
    if len(content) > WIDTH:
        first = max(0, column - 1 - WIDTH // 3)
        content = content[first : first + WIDTH]
        width = min(width, WIDTH - (column - 1 - first))
        content = ("…" if first else "") + content + "…"
        first -= 1 if first else 0
    mark = " " * (column - 1 - first) + "^" * max(1, width)
    tail = f" {text}" if text else ""
    return [f"{line:>{gutter}} | {content}", f"{'':>{gutter}} | {mark}{tail}"]


def render(diagnostic: Diagnostic, source: Source | None = None) -> str:
    """The finding as text: place, code, message, marked source lines, remedy."""
    d = diagnostic
    if source is None or d.span is None:
        where = f"{source.name}: " if source is not None else ""
        lines = [f"{where}{d.severity}[{d.code}]: {d.message}"]
    else:
        row, column = source.position(d.span.start)
        lines = [f"{source.name}:{row}:{column}: {d.severity}[{d.code}]: {d.message}"]
    if source is not None:
        places = [(d.span, "")] if d.span is not None else []
        places += [(label.span, label.text) for label in d.labels]
        last = max((source.position(span.start)[0] for span, _ in places), default=1)
        gutter = max(3, len(str(last)) + 1)
        for span, text in places:
            lines += _marked(source, span, text, gutter)
    if d.help is not None:
        lines.append(f"help: {d.help}")
    return "\n".join(lines)


def render_all(diagnostics: Iterable[Diagnostic], source: Source | None = None) -> str:
    """All findings, in order, at most `LIMIT` of them."""
    found = list(diagnostics)
    shown = [render(d, source) for d in found[:LIMIT]]
    if len(found) > LIMIT:
        shown.append(f"and {len(found) - LIMIT} more")
    return "\n\n".join(shown)


def _place(source: Source | None, span: Span | None) -> Mapping[str, Any] | None:
    if source is None or span is None:
        return None
    (line, column), (end_line, end_column) = source.position(span.start), source.position(span.end)
    return {"line": line, "column": column, "end_line": end_line, "end_column": end_column}


def to_json(diagnostic: Diagnostic, source: Source | None = None) -> dict[str, Any]:
    """The finding as plain data; lines and columns count from 1, in characters."""
    d = diagnostic
    return {
        "code": d.code,
        "severity": d.severity,
        "message": d.message,
        "file": source.name if source is not None else None,
        "range": _place(source, d.span),
        "labels": [{"range": _place(source, b.span), "text": b.text} for b in d.labels],
        "help": d.help,
    }
