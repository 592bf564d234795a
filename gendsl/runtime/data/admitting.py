"""Values as they meet their declaration, all at once or as rows are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gendsl.diagnostics import DataError
from gendsl.ir.laws import tied_axes
from gendsl.ir.nodes import Model, Variable
from gendsl.runtime.data.checking import check_values, placeholder
from gendsl.runtime.data.entries import Array, Entry, Findings, Rows, offenders, show
from gendsl.types import Index

__all__ = ["Admission", "settle_missing"]


def settle_missing(
    variable: Variable, entry: Entry, values: Array, found: Findings, *, may_lack: bool
) -> tuple[Array, Array] | None:
    """Check values as floats, NaN where one is missing; these get a legal placeholder.

    Args:
        variable: whose values they are.
        entry: where they come from.
        values: in the natural layout; changed in place.
        found: told of what is wrong.
        may_lack: whether values may be missing.

    Returns:
        The values, and which are missing, over the axes before those that are tied together; or
        None after an error.
    """
    tied = tied_axes(variable)
    last = tuple(range(values.ndim - tied, values.ndim))
    gone = np.isnan(values)
    absent = np.asarray(gone.any(axis=last))
    if absent.any() and not may_lack:
        _tell_missing("GD732", variable, entry, absent, "lacks", found)
        return None
    partly = absent & ~gone.all(axis=last)
    if partly.any():
        _tell_missing("GD735", variable, entry, partly, "is given in part in", found)
        return None
    if absent.any():
        values[absent] = placeholder(variable.type.support, values.shape[values.ndim - tied :])
    if not check_values(variable, entry, values, ~absent, found):
        return None
    return values, absent


def _tell_missing(
    code: str, variable: Variable, entry: Entry, absent: Array, what: str, found: Findings
) -> None:
    remedy = "leave those rows out, or fill them in: an input must be known"
    if variable.role == "observed":
        declared = f"`observe {variable.name}...: {variable.type.support}?`"
        remedy = f"leave those rows out, or declare that values may be missing: {declared}"
    if code == "GD735":
        remedy = "its entries are tied together: all or none of them may be missing"
    how_many = f"{what} {int(absent.sum())} of {absent.size} values"
    places = offenders(entry, variable.name, absent)
    message = f"`{variable.name}` ({entry.origin}) {how_many}: {places}"
    found.error(code, message, variable, remedy)


@dataclass(frozen=True, slots=True, eq=False)
class _Numbered(Rows):
    """Rows that are some of those of a file."""

    numbers: Array | None = None

    def place(self, row: int) -> str:
        """``row 2``: rows count from 0, as in memory."""
        number = row if self.numbers is None else int(self.numbers[row])
        return f"{self.word} {number}"

    @property
    def first(self) -> str:
        """What they count from."""
        return " (counted from 0)"


@dataclass(frozen=True)
class Admission:
    """Checks rows against a model as they are read.

    Attributes:
        model: what they are for.
        columns: for each variable what holds it in the data.
        origins: what messages call that.
        shapes: the shape of a row of each variable.
        sizes: of all axes.
        bases: what the numbers of index variables count from.
        lacking: the variables of which values may be missing.
    """

    model: Model
    columns: Mapping[str, str]
    origins: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, int]
    bases: Mapping[str, int]
    lacking: frozenset[str]

    @property
    def whole(self) -> frozenset[str]:
        """The variables whose values are numbers of categories."""
        variables = (self.model.variable(n) for n in self.columns)
        return frozenset(v.name for v in variables if isinstance(v.type.support, Index))

    def __call__(
        self, arrays: Mapping[str, np.ndarray], rows: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Values by variable, and for those that may lack some, as ``known x``, which there are.

        Raises:
            DataError: what binding raises for such values, with the numbers of the rows.
        """
        found = Findings()
        admitted: dict[str, np.ndarray] = {}
        called = _Numbered("row" if rows is not None else "row of a batch:", None, rows)
        for name, column in self.columns.items():
            variable, array = self.model.variable(name), arrays[column]
            entry = Entry(name, array, self.origins[name], rows=called)
            if not self._has_shape(variable, entry, found):
                continue
            values = array.astype(np.float64)
            if isinstance(variable.type.support, Index) and not self._counts(
                variable, entry, values, found
            ):
                continue
            settled = settle_missing(variable, entry, values, found, may_lack=name in self.lacking)
            if settled is not None:
                admitted |= self._given(variable, array, *settled)
        if found.errors:
            raise DataError(found.errors, self.model.source)
        return admitted

    def _given(
        self, variable: Variable, array: Array, values: Array, absent: Array
    ) -> dict[str, np.ndarray]:
        """What a batch holds; numbers stay as narrow as they were."""
        name = variable.name
        if name in self.whole:
            values = values.astype(np.int64)
        elif not absent.any():
            values = array
        known = {f"known {name}": ~absent} if name in self.lacking else {}
        return {name: values, **known}

    def _has_shape(self, variable: Variable, entry: Entry, found: Findings) -> bool:
        shape = entry.array.shape[1:]
        if shape == self.shapes[variable.name]:
            return True
        message = f"`{variable.name}` ({entry.origin}) has rows of the shape {shape}, expected "
        found.error("GD721", message + str(self.shapes[variable.name]), variable)
        return False

    def _counts(self, variable: Variable, entry: Entry, values: Array, found: Findings) -> bool:
        """Whether numbers are those of categories; they count from 0 afterwards."""
        support = variable.type.support
        assert isinstance(support, Index)
        size, base = support.size.evaluate(dict(self.sizes)), self.bases[variable.name]
        values -= base
        present = ~np.isnan(values)
        bad = present & ((values < 0) | (values >= size) | (values != np.floor(values)))
        if not bad.any():
            return True
        told = offenders(entry, variable.name, bad, lambda p: f"is {show(entry.array[p].item())}")
        found.error(
            "GD740",
            f"`{variable.name}` must be {support}, here {base} to {size - 1 + base}, but "
            f"{int(bad.sum())} of {int(present.sum())} values are not: {told}",
            variable,
            "rows that are read in batches have numbers, not names, for categories",
        )
        return False
