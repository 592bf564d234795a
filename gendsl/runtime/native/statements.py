"""What a tape becomes before it is C: statements over index spaces, and raw C between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gendsl.runtime.native.accesses import Access

__all__ = ["FOLDS", "Item", "Product", "Raw", "Statement", "Touch"]

Touch = tuple[Access, tuple[int, ...], bool]
"""An access, the shape that it runs along, and whether it is one entry for each turn, in order."""

NAME = re.compile(r"\b(?:w\d+_|x|g)\b")
"""The buffers that raw C may speak of; constants never change."""

FOLDS = {
    "sum": ("0", "({0} + {1})"),
    "prod": ("1", "({0} * {1})"),
    "max": ("(-INFINITY)", "gen_max({0}, {1})"),
    "min": ("INFINITY", "gen_min({0}, {1})"),
}
"""By kind of reduction: where it starts, and how two entries are combined."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One operation for every index of a space.

    Attributes:
        op: the operation, as an expression with ``{0}``, or the name of a composite one.
        out: where the result goes; where it is reduced, the axes that are gone have stride 0.
        args: arrays and numbers.
        shape: of the index space.
        fold: the kind of reduction, or "" for none; "scatter" adds to what an index names, and
            "put" writes to it.
    """

    op: str
    out: Access
    args: tuple[Access | str, ...]
    shape: tuple[int, ...]
    fold: str = ""

    @property
    def space(self) -> tuple[int, ...]:
        """What it can share a loop with: statements of the same shape."""
        return self.shape

    def reads(self) -> Iterator[Touch]:
        """Everything that it reads."""
        for arg in self.args:
            if isinstance(arg, Access):
                yield from ((p, self.shape, not p.terms) for p in arg.parts())
        for index, _ in self.out.terms:
            yield from ((p, self.shape, not p.terms) for p in index.parts())
        if self.out.terms:
            yield self.out, self.shape, False

    def writes(self) -> Iterator[Touch]:
        """Everything that it writes."""
        yield self.out, self.shape, not self.fold


@dataclass(frozen=True, slots=True)
class Product:
    """A constant matrix, stored in panels of rows, times a vector.

    Attributes:
        panels: the name of the matrix, of `rows` rows and `columns` columns.
        over_rows: the vector is as long as the rows, and the result has an entry for each
            column; else the other way round.
        vector: what the matrix is multiplied with.
        out: the result.
        room: the name of a buffer for 8 partial sums a column.
    """

    panels: str
    rows: int
    columns: int
    over_rows: bool
    vector: Access
    out: Access
    room: str

    @property
    def space(self) -> tuple[int, ...]:
        """It shares a loop with what concerns the rows."""
        return (self.rows,)

    def reads(self) -> Iterator[Touch]:
        """The vector."""
        size = self.rows if self.over_rows else self.columns
        yield self.vector, (size,), self.over_rows

    def writes(self) -> Iterator[Touch]:
        """The result."""
        size = self.columns if self.over_rows else self.rows
        yield self.out, (size,), not self.over_rows


@dataclass(frozen=True, slots=True)
class Raw:
    """C that is taken as it is: it may read and write whatever it names."""

    text: str

    @property
    def space(self) -> None:
        """It shares no loop."""
        return None

    def names(self) -> set[str]:
        """The buffers that it speaks of."""
        return set(NAME.findall(self.text))

    def reads(self) -> Iterator[Touch]:
        """Whole buffers."""
        for name in sorted(self.names()):
            yield _anything(name), (), False

    def writes(self) -> Iterator[Touch]:
        """Whole buffers."""
        yield from self.reads()


def _anything(buffer: str) -> Access:
    """Any entry of a buffer."""
    return Access(buffer, 0, (), ((Access(buffer, 0, ()), 1),))


Item = Statement | Product | Raw
"""A step of the program that is made from a tape."""
