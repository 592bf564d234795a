"""Collecting the findings of a stage, without cascades."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from gendsl.diagnostics import Diagnostic, Label, Severity
from gendsl.source import Span

__all__ = ["Poisoned", "Report"]


class Poisoned(Exception):
    """Something below has been reported already: give this statement up silently."""


SHOWN = 3
"""So many further places of an unknown name are shown."""


class Report:
    """The findings so far, each kept once."""

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        """Start with what an earlier stage found."""
        self.found: list[Diagnostic] = list(found)
        self._seen: set[Diagnostic] = set(self.found)
        self._unknown: dict[str, tuple[Diagnostic, list[Span]]] = {}

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

    def unknown(
        self, code: str, message: str, name: str, span: Span, help: str | None
    ) -> Poisoned:
        """Record that `name` is not known: one finding, whatever the number of places."""
        if name in self._unknown:
            self._unknown[name][1].append(span)
        else:
            self._unknown[name] = Diagnostic(code, message, span, (), help), [span]
        return Poisoned(code)

    def is_unknown(self, name: str) -> bool:
        """Whether `name` has been reported as unknown."""
        return name in self._unknown

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
        return bool(self._unknown) or any(d.severity == "error" for d in self.found)

    def in_order(self) -> tuple[Diagnostic, ...]:
        """The findings in the order of the text."""
        found = [*self.found, *(_merged(d, spans) for d, spans in self._unknown.values())]
        return tuple(sorted(found, key=lambda d: (d.span or Span(0, 0), d.code, d.message)))


def _merged(found: Diagnostic, spans: list[Span]) -> Diagnostic:
    """A finding at the first of several places, with labels at the next ones."""
    first, *others = sorted(set(spans))
    more = len(others) - SHOWN
    labels = [Label(span, "and here") for span in others[:SHOWN]]
    if more > 0:
        labels[-1] = Label(labels[-1].span, f"and here, and in {more} more places")
    return replace(found, span=first, labels=tuple(labels))
