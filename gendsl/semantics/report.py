"""Collecting the findings of a stage, without cascades."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gendsl.diagnostics import Diagnostic, Label, Severity
from gendsl.source import Span

__all__ = ["Poisoned", "Report"]


class Poisoned(Exception):
    """Something below has been reported already: give this statement up silently."""


class Report:
    """The findings so far, each kept once."""

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        """Start with what an earlier stage found."""
        self.found: list[Diagnostic] = list(found)
        self._seen: set[Diagnostic] = set(self.found)

    def _record(self, found: Diagnostic) -> None:
        if found not in self._seen:
            self._seen.add(found)
            self.found.append(found)

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        labels: tuple[Label, ...] = (),
        help: str | None = None,
    ) -> Poisoned:
        """Record an error; raise the returned value to give up what depends on it."""
        self._record(Diagnostic(code, message, span, labels, help))
        return Poisoned(code)

    def warning(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        labels: tuple[Label, ...] = (),
        help: str | None = None,
    ) -> None:
        """Record a warning."""
        severity: Severity = "warning"
        self._record(Diagnostic(code, message, span, labels, help, severity))

    @contextmanager
    def containing(self) -> Iterator[None]:
        """Stop a `Poisoned` here."""
        try:
            yield
        except Poisoned:
            pass

    @property
    def failed(self) -> bool:
        """Whether any error has been recorded."""
        return any(d.severity == "error" for d in self.found)

    def in_order(self) -> tuple[Diagnostic, ...]:
        """The findings in the order of the text."""
        return tuple(sorted(self.found, key=lambda d: (d.span or Span(0, 0), d.code, d.message)))
