"""Binding: data meet their declarations, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gendsl.arguments import mapping, verify_columns
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir.laws import tied_axes
from gendsl.ir.nodes import Axis, Model, Variable
from gendsl.runtime.data.checking import check_values, placeholder
from gendsl.runtime.data.entries import Array, Entry, Findings, RawData, offenders
from gendsl.runtime.data.indexing import Members, index_key
from gendsl.runtime.data.matching import Columns, Purpose, Supply, match
from gendsl.runtime.data.shapes import arrange
from gendsl.runtime.data.sizes import Sizes
from gendsl.types import Index, Interval

__all__ = ["BoundData", "bind"]


@dataclass(frozen=True)
class BoundData:
    """Data that fit a model.

    Attributes:
        sizes: of every axis of the model.
        values: inputs and observed variables: plates in declared order, then event axes;
            int64 for whole numbers and index values, else float64.
        missing: where a value is missing: over the axes before those that are tied together
            (all axes, except for a simplex and its like). Only variables of which something
            is missing. The value there is a legal placeholder.
        labels: the labels of the members of each axis, integers from 0 where there are none.
            Labels of `index(5)`, which is no axis, stand under ``"5"``.
        notes: what does not stop a fit, such as columns that are not used.
        known_number: when predicting, for each member of an axis its number in the fit, -1
            if it was not there. Axes that have no values in the new data keep the fit's
            members and numbers, new ones after them; on others the new data's rows are the
            members.
        new_members: when predicting, whether a member was not in the fit.
        redrawn: binary variables that are drawn anew for every batch: the probability of a 1.
    """

    sizes: Mapping[str, int]
    values: Mapping[str, Array]
    missing: Mapping[str, Array]
    labels: Mapping[str, Array]
    notes: tuple[Diagnostic, ...] = ()
    known_number: Mapping[str, Array] = field(default_factory=dict)
    new_members: Mapping[str, Array] = field(default_factory=dict)
    redrawn: Mapping[str, Array] = field(default_factory=dict)


def bind(
    model: Model,
    data: RawData,
    *,
    columns: Columns | None = None,
    index_base: int = 0,
    known: Mapping[str, Array] | None = None,
    purpose: Purpose = "fit",
    sizes: Mapping[str, int] | None = None,
) -> BoundData:
    """Match data with the declarations of a model, and check every value.

    Args:
        model: what the data are for.
        data: from `read_data` or `raw_data`; never changed.
        columns: for names of the model, the column or key that holds them, or for a matrix
            the list of its columns. An axis may be mapped to the column of its labels.
        index_base: 1 if numbers of `index` columns count from 1.
        known: the `labels` of the fit, to predict with.
        purpose: only a fit needs the observed variables; to predict, values of observed
            variables may be missing without ``?``.
        sizes: of axes that no data have.

    Raises:
        DataError: everything that does not fit.
    """
    verify_columns(columns)
    if sizes is not None:
        mapping("sizes", sizes)
    found = Findings()
    supply = match(model, data, columns or {}, purpose, found)
    binder = _Binder(model, supply, found, known or {}, index_base, purpose)
    binder.measure(sizes or {})
    binder.number()
    binder.check()
    if found.errors:
        raise DataError((*found.errors, *found.notes), model.source)
    return binder.bound()


class _Binder:
    def __init__(
        self,
        model: Model,
        supply: Supply,
        found: Findings,
        known: Mapping[str, Array],
        base: int,
        purpose: Purpose,
    ) -> None:
        self.model, self.supply, self.found = model, supply, found
        self.known, self.purpose = known, purpose
        self.sizes = Sizes(model, found)
        self.members = Members(model, self.sizes, found, known, base)
        self.arrays: dict[str, Entry] = {}
        self.values: dict[str, Array] = {}
        self.missing: dict[str, Array] = {}
        if base not in (0, 1):
            found.error("GD746", f"index_base is {base!r}, expected 0 or 1")

    def measure(self, given: Mapping[str, int]) -> None:
        """Sizes: of the text, the caller, the data by name, tables, labels, arrays, the fit."""
        self.sizes.read_text()
        self.sizes.read_given(given, "the argument `sizes`")
        for name, entry in self.supply.counts.items():
            self.sizes.read_count(name, entry)
        for axis in self.model.axes:
            if axis.kind == "dim":
                self._size_of_fit(axis)
        for plate, rows, origin in self.supply.rows:
            self.sizes.claim(plate, rows, f"the rows of {origin}")
        for name, entry in self.supply.labels.items():
            self.members.state(name, entry.array, entry.origin)
        for name, entry in self.supply.values.items():
            variable = self.model.variable(name)
            arranged = arrange(self.model, variable, entry, self.found)
            if arranged is not None:
                for dim, labels in entry.coords.items():
                    if any(axis.name == dim for axis in self.model.axes):
                        self.members.state(
                            dim, labels, f"the coordinate `{dim}` of {entry.origin}"
                        )
                self.arrays[name] = arranged
                self.sizes.read_array(variable, arranged)
        self.sizes.read_text()

    def _size_of_fit(self, axis: Axis) -> None:
        if axis.name in self.known:
            if axis.name not in self.sizes.known:
                self.sizes.claim(axis.name, len(self.known[axis.name]), "the fit")

    def _index_columns(self) -> dict[str, dict[str, Entry]]:
        columns: dict[str, dict[str, Entry]] = {}
        for name, entry in self.arrays.items():
            key = index_key(self.model.variable(name))
            if key is not None:
                columns.setdefault(key, {})[name] = entry
        return columns

    def number(self) -> None:
        """Settle members, and with them the sizes that only labels tell; complain of the rest."""
        columns = self._index_columns()
        for key, entries in columns.items():
            if key not in self.found.broken:
                over = [n for n in self.supply.values if key in self.model.variable(n).axes]
                self.members.settle(key, entries, over)
        for axis in self.model.axes:
            if axis.name not in self.found.broken:
                self._size_of_fit(axis)
        self.sizes.read_text()
        self.sizes.compound(self.arrays)
        self.sizes.tell_unknown(self._excused())
        self.sizes.tell_huge()

    def _excused(self) -> set[str]:
        """Axes whose size is unknown because of a mistake that has been told."""
        names: set[str] = set()
        for variable in self.model.of_role("input", "observed"):
            if variable.name in self.found.broken:
                names.update(variable.axes, *(s.names for s in variable.type.event))
                if isinstance(variable.type.support, Index):
                    names |= variable.type.support.size.names
        return names

    def check(self) -> None:
        """Convert every array and check its values."""
        for name, entry in self.arrays.items():
            if name in self.found.broken:
                continue
            variable = self.model.variable(name)
            if isinstance(variable.type.support, Index):
                values = self.members.encode(variable, entry)
            else:
                values = np.array(entry.array, dtype=np.float64, order="C")
            if values is not None:
                self._take(variable, entry, np.asarray(values))

    def _take(self, variable: Variable, entry: Entry, values: Array) -> None:
        support = variable.type.support
        tied = tied_axes(variable)
        last = tuple(range(values.ndim - tied, values.ndim))
        gone = np.isnan(values)
        absent = np.asarray(gone.any(axis=last))
        if absent.any() and not self._may_lack(variable, entry, absent):
            return
        partly = absent & ~gone.all(axis=last)
        if partly.any():
            self._tell_missing("GD735", variable, entry, partly, "is given in part in")
            return
        if absent.any():
            values[absent] = placeholder(support, values.shape[values.ndim - tied :])
        if check_values(variable, entry, values, ~absent, self.found):
            whole = isinstance(support, Index) or isinstance(support, Interval) and support.integer
            self.values[variable.name] = values.astype(np.int64) if whole else values
            if absent.any():
                self.missing[variable.name] = absent

    def _may_lack(self, variable: Variable, entry: Entry, absent: Array) -> bool:
        if variable.role == "observed" and (variable.optional or self.purpose != "fit"):
            return True
        self._tell_missing("GD732", variable, entry, absent, "lacks")
        return False

    def _tell_missing(
        self, code: str, variable: Variable, entry: Entry, absent: Array, what: str
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
        self.found.error(code, message, variable, remedy)

    def bound(self) -> BoundData:
        """The result, when nothing is wrong."""
        labels: dict[str, Array] = {}
        for axis in self.model.axes:
            size = self.sizes.known[axis.name]
            stated = self.members.stated.get(axis.name)
            names = stated.labels if stated else self.members.final.get(axis.name)
            fitted = self.members.fitted.get(axis.name)
            if names is None and fitted and len(fitted) == size and self._keeps_numbers(axis):
                names = fitted
            labels[axis.name] = _label_array(list(range(size)) if names is None else names)
        for key, names in self.members.final.items():
            labels.setdefault(key, _label_array(names))
        numbers = {}
        if self.purpose == "predict":
            for axis in self.model.axes:
                numbers[axis.name] = self._numbers_in_fit(axis, labels[axis.name])
        return BoundData(
            sizes=dict(self.sizes.known),
            values=self.values,
            missing=self.missing,
            labels=labels,
            notes=self.found.notes,
            known_number=numbers,
            new_members={name: number < 0 for name, number in numbers.items()},
        )

    def _keeps_numbers(self, axis: Axis) -> bool:
        """Whether unlabelled members are those of the fit, one by one."""
        over = any(axis.name in self.model.variable(n).axes for n in self.values)
        target = any(index_key(v) == axis.name for v in self.model.variables)
        ordered = axis.kind in ("dim", "sequence")
        return ordered or axis.size is not None or target or not over

    def _numbers_in_fit(self, axis: Axis, labels: Array) -> Array:
        fitted = self.members.fitted.get(axis.name, [])
        size = len(labels)
        if axis.name in self.members.stated or axis.name in self.members.final:
            number = {str(label): at for at, label in enumerate(fitted)}
            return np.array([number.get(str(v), -1) for v in labels.tolist()], dtype=np.int64)
        members = np.arange(size)
        return np.where((members < len(fitted)) & self._keeps_numbers(axis), members, -1)


def _label_array(labels: list[str | int]) -> Array:
    if all(isinstance(label, int) for label in labels):
        return np.array(labels, dtype=np.int64)
    return np.array([str(label) for label in labels])
