"""Data as they came: named arrays and tables, with what messages call them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from gendsl.diagnostics import DataError, Diagnostic, Severity
from gendsl.ir.nodes import Axis, Variable

if TYPE_CHECKING:
    from gendsl.runtime.data.streams import Reader

__all__ = [
    "Array",
    "Entry",
    "Findings",
    "RawData",
    "Rows",
    "Table",
    "data_error",
    "is_text",
    "listed",
    "offenders",
    "show",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

SHOWN = 5
"""At most this many offending values are listed."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """How the rows of a table in a file are called in messages.

    Attributes:
        word: what one is called, ``row`` or ``record``.
        lines: for text files, the line of each row.
    """

    word: str = "row"
    lines: Array | None = None

    def place(self, row: int) -> str:
        """``row 3 (line 4)``: rows count from 1, below the header."""
        line = "" if self.lines is None else f" (line {int(self.lines[row])})"
        return f"{self.word} {row + 1}{line}"

    @property
    def first(self) -> str:
        """What they count from, where no line says that."""
        return "" if self.lines is not None else " (counted from 1)"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One named array.

    Attributes:
        name: its key or column name.
        array: numbers, or Python strings (None where missing) with dtype object.
        origin: what messages call it: ``key 'y'``, ``column `floor` of houses.csv``.
        dims: the names of its axes where they are labelled.
        coords: labels by dim.
        rows: set for what comes from rows of a file.
        strict: it was given in Python by this name, so it must be known.
        lazy: its values stay where they are, on a disk, and are read in batches; the array has
            their shape, and for the rows of a `RawData.reader` nothing else.
        lengths: of a list of arrays of different lengths, which the array has side by side.
    """

    name: str
    array: Array
    origin: str
    dims: tuple[str, ...] | None = None
    coords: Mapping[str, Array] = field(default_factory=dict)
    rows: Rows | None = None
    strict: bool = False
    lazy: bool = False
    lengths: Array | None = None

    def place(self, name: str, position: tuple[int, ...]) -> str:
        """Where one value stands: ``row 3 (line 4)``, or ``y[2]`` counted from 0."""
        if self.rows is None:
            return f"{name}[{', '.join(map(str, position))}]" if position else name
        row, *rest = position
        entry = f", entry {', '.join(map(str, rest))}" if rest else ""
        return self.rows.place(row) + entry


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of one length.

    Attributes:
        key: the name it was given under (a plate, or a matrix-valued variable), if any.
        origin: what messages call it: ``houses.csv``, ``the DataFrame``.
        columns: by name, in order.
        length: the number of rows.
    """

    key: str | None
    origin: str
    columns: Mapping[str, Entry]
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class RawData:
    """Everything that was given, before it meets a model.

    Attributes:
        entries: named arrays.
        tables: tables.
        reader: what the rows of entries without contents are read from.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    reader: Reader | None = None


def offenders(
    entry: Entry, name: str, bad: Array, tell: Callable[[tuple[int, ...]], str] | None = None
) -> str:
    """Where `bad` is true: ``y[2] is -1, y[4] is -3 and 7 more (counted from 0)``.

    Args:
        entry: where the values come from.
        name: of the variable.
        bad: over the axes of the entry, or the first ones of them.
        tell: what to say of the value at a position.
    """
    positions = [tuple(map(int, p)) for p in np.argwhere(bad)]
    told = [entry.place(name, p) + (f" {tell(p)}" if tell else "") for p in positions[:SHOWN]]
    more = f" and {len(positions) - SHOWN} more" if len(positions) > SHOWN else ""
    first = "" if bad.ndim == 0 else " (counted from 0)"
    if entry.rows is not None:
        first = entry.rows.first
    return ", ".join(told) + more + first


def is_text(array: Array) -> bool:
    """Whether an entry's array holds text rather than numbers."""
    return bool(array.dtype == object)


def listed(items: Iterable[str], limit: int = 12) -> str:
    """``a, b, c and 4 more``."""
    pool = list(items)
    more = f" and {len(pool) - limit} more" if len(pool) > limit else ""
    return ", ".join(pool[:limit]) + more


def show(value: object) -> str:
    """A value in a message: text in quotes, whole numbers without a fraction."""
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:39] + "…")
    if isinstance(value, float | np.floating):
        return f"{value:.6g}" if not float(value).is_integer() else f"{value:.15g}"
    return str(value)


def data_error(code: str, message: str, remedy: str | None = None) -> DataError:
    """An error about data that no model has seen yet."""
    return DataError([Diagnostic(code, message, help=remedy)])


class Findings:
    """Collects what is wrong, so that all independent errors are told at once.

    Attributes:
        diagnostics: in the order they were found.
        broken: names of variables and axes that have been complained about; later steps pass
            them over, so that one mistake is told once.
    """

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.broken: set[str] = set()

    def error(
        self,
        code: str,
        message: str,
        about: Variable | Axis | None = None,
        help: str | None = None,
    ) -> None:
        """Note a mistake, at the declaration that it is about."""
        if about is not None:
            self.broken.add(about.name)
        self._add(code, message, about, help, "error")

    def info(self, code: str, message: str, help: str | None = None) -> None:
        """Note something that is not a mistake."""
        self._add(code, message, None, help, "info")

    def warning(self, code: str, message: str, about: Variable | Axis | None = None) -> None:
        """Note something that is probably a mistake."""
        self._add(code, message, about, None, "warning")

    def _add(
        self,
        code: str,
        message: str,
        about: Variable | Axis | None,
        help: str | None,
        severity: Severity,
    ) -> None:
        span = about.span if about is not None else None
        self.diagnostics.append(Diagnostic(code, message, span=span, help=help, severity=severity))

    @property
    def errors(self) -> list[Diagnostic]:
        """The mistakes, in the order of the model text, those without a place first."""
        found = [d for d in self.diagnostics if d.severity == "error"]
        return sorted(found, key=lambda d: d.span.start if d.span is not None else -1)

    @property
    def notes(self) -> tuple[Diagnostic, ...]:
        """What does not stop a fit."""
        return tuple(d for d in self.diagnostics if d.severity != "error")
