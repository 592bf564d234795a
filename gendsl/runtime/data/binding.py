"""Binding: data meet their declarations, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gendsl.arguments import mapping, verify_columns
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir.nodes import Axis, Model, Variable
from gendsl.runtime.data.admitting import settle_missing
from gendsl.runtime.data.entries import Array, Entry, Findings, RawData
from gendsl.runtime.data.indexing import Members, index_key
from gendsl.runtime.data.matching import Columns, Purpose, Supply, match
from gendsl.runtime.data.ragged import even_or_ragged, up_to_lengths
from gendsl.runtime.data.shapes import arrange
from gendsl.runtime.data.sizes import Sizes
from gendsl.runtime.data.streaming import Given, row_stream, wholly
from gendsl.runtime.data.streams import Reader, RowStream
from gendsl.types import BINARY, Index, Interval

__all__ = ["BoundData", "bind"]


@dataclass(frozen=True)
class BoundData:
    """Data that fit a model.

    Attributes:
        sizes: of every axis of the model.
        values: inputs and observed variables: plates in declared order, then event axes;
            int64 for whole numbers and index values, int8 for binary ones, else float64.
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
        stream: the rows that are read in batches; their variables have no `values`.
    """

    sizes: Mapping[str, int]
    values: Mapping[str, Array]
    missing: Mapping[str, Array]
    labels: Mapping[str, Array]
    notes: tuple[Diagnostic, ...] = ()
    known_number: Mapping[str, Array] = field(default_factory=dict)
    new_members: Mapping[str, Array] = field(default_factory=dict)
    redrawn: Mapping[str, Array] = field(default_factory=dict)
    stream: RowStream | None = None


def bind(
    model: Model,
    data: RawData,
    *,
    columns: Columns | None = None,
    index_base: int = 0,
    known: Mapping[str, Array] | None = None,
    purpose: Purpose = "fit",
    sizes: Mapping[str, int] | None = None,
    lazily: bool = False,
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
        lazily: leave rows on the disk that can be read in batches; their values are checked as
            they come. Otherwise they are read whole.

    Raises:
        DataError: everything that does not fit.
    """
    verify_columns(columns)
    data = data if lazily else wholly(data)
    if sizes is not None:
        mapping("sizes", sizes)
    found = Findings()
    supply = match(model, data, columns or {}, purpose, found)
    binder = _Binder(model, supply, found, known or {}, index_base, purpose)
    binder.measure(sizes or {})
    binder.number()
    binder.check()
    stream = binder.stream(data.reader, index_base)
    if found.errors:
        raise DataError((*found.errors, *found.notes), model.source)
    return binder.bound(stream)


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
        self._measure_given(given)
        arranged: dict[str, Entry] = {}
        values = even_or_ragged(self.model, self.supply.values, self.found)
        for name, entry in values.items():
            found = arrange(self.model, self.model.variable(name), entry, self.found)
            if found is not None:
                arranged[name] = found
        self.arrays = up_to_lengths(self.model, arranged, self.found)
        self._measure_ragged()
        self._measure_arrays()
        self.sizes.read_text()

    def _measure_given(self, given: Mapping[str, int]) -> None:
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

    def _measure_ragged(self) -> None:
        for axis in self.model.axes:
            lengths = self.arrays.get(axis.lengths or "")
            if lengths is not None and axis.size is None:
                longest = int(np.max(lengths.array, initial=0))
                self.sizes.claim(axis.name, longest, f"the longest of `{axis.lengths}`")

    def _measure_arrays(self) -> None:
        for name, entry in self.arrays.items():
            for dim, labels in entry.coords.items():
                if any(axis.name == dim for axis in self.model.axes):
                    origin = f"the coordinate `{dim}` of {entry.origin}"
                    self.members.state(dim, labels, origin)
            self.sizes.read_array(self.model.variable(name), entry)

    def _size_of_fit(self, axis: Axis) -> None:
        if axis.name in self.known:
            if axis.name not in self.sizes.known:
                self.sizes.claim(axis.name, len(self.known[axis.name]), "the fit")

    def _index_columns(self) -> dict[str, dict[str, Entry]]:
        columns: dict[str, dict[str, Entry]] = {}
        for name, entry in self.arrays.items():
            key = index_key(self.model.variable(name))
            if key is not None and not entry.lazy:
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
        if not any(entry.lazy for entry in self.arrays.values()):
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
            if name in self.found.broken or entry.lazy:
                continue
            variable = self.model.variable(name)
            if isinstance(variable.type.support, Index):
                values = self.members.encode(variable, entry)
            else:
                values = entry.array  # whole numbers are checked as they are
                interval = isinstance(variable.type.support, Interval)
                if values.dtype.kind not in "iu" or not interval:
                    values = np.array(values, dtype=np.float64, order="C")
            if values is not None:
                self._take(variable, entry, np.asarray(values))

    def _take(self, variable: Variable, entry: Entry, values: Array) -> None:
        support, name = variable.type.support, variable.name
        may_lack = name in self._lacking()
        settled = settle_missing(variable, entry, values, self.found, may_lack=may_lack)
        if settled is None:
            return
        values, absent = settled
        whole = isinstance(support, Index) or isinstance(support, Interval) and support.integer
        kind = np.int8 if support == BINARY else np.int64 if whole else np.float64
        own = values is not entry.array
        self.values[name] = values.astype(kind, order="C", copy=not own)
        if absent.any():
            self.missing[name] = absent

    def _lacking(self) -> frozenset[str]:
        """The variables of which values may be missing."""
        able = self.model.of_role("observed")
        return frozenset(v.name for v in able if v.optional or self.purpose != "fit")

    def stream(self, reader: Reader | None, base: int) -> RowStream | None:
        """The rows that are read in batches, which are no longer among the values then."""
        if self.found.errors or not any(entry.lazy for entry in self.arrays.values()):
            return None
        known = self.sizes.known
        given = Given(self.model, self.arrays, self.values, self.missing, known, base, reader)
        return row_stream(given, self.found)

    def bound(self, stream: RowStream | None) -> BoundData:
        """The result, when nothing is wrong."""
        labels: dict[str, Array] = {}
        for axis in self.model.axes:
            size = self.sizes.known[axis.name]
            stated = self.members.stated.get(axis.name)
            names = stated.labels if stated else self.members.final.get(axis.name)
            fitted = self.members.fitted.get(axis.name)
            if names is None and fitted and len(fitted) == size and self._keeps_numbers(axis):
                names = fitted
            labels[axis.name] = np.arange(size) if names is None else _label_array(names)
        for key, names in self.members.final.items():
            labels.setdefault(key, _label_array(names))
        for axis in self.model.axes:  # all are as long as each other where nothing says otherwise
            if axis.lengths is not None and axis.lengths not in self.values:
                owners, steps = (self.sizes.known[str(a)] for a in (axis.owner, axis.name))
                self.values[axis.lengths] = np.full(owners, steps)
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
            stream=stream,
        )

    def _keeps_numbers(self, axis: Axis) -> bool:
        """Whether unlabelled members are those of the fit, one by one."""
        over = any(axis.name in self.model.variable(n).axes for n in self.arrays)
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
