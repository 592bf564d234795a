"""Members of plates: their labels, and columns of `index(p)` as numbers from 0."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from gendsl.diagnostics import nearest
from gendsl.ir.nodes import Model, Variable
from gendsl.runtime.data.entries import Array, Entry, Findings, is_text, listed, offenders, show
from gendsl.runtime.data.sizes import Sizes
from gendsl.types import Index

__all__ = ["Members", "index_key", "natural_order"]

Label = str | int
EXACT = 2.0**53
"""Larger numbers are not all whole ones, and are taken for text."""


def index_key(variable: Variable) -> str | None:
    """The name under which the labels of an `index(...)` variable are kept: its axis or size."""
    support = variable.type.support
    return str(support.size) if isinstance(support, Index) else None


def natural_order(labels: Iterable[str]) -> list[str]:
    """Sorted, with runs of digits compared as numbers: ``item2`` before ``item10``."""

    def key(label: str) -> tuple[list[tuple[bool, int, str]], str]:
        parts = re.findall(r"[0-9]+|[^0-9]+", label)
        return [
            (p[0] not in "0123456789", int(p) if p[0] in "0123456789" else 0, p) for p in parts
        ], label

    return sorted(labels, key=key)


def labels_of(array: Array) -> list[Label]:
    """Text, and numbers where they are whole, as Python values."""
    return [_canonical(v) for v in array.ravel().tolist()]


DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?([T ][\d:.]+)?")


def _out_of_order(labels: list[Label]) -> int | None:
    """The first of numbers or dates that is less than the one before it."""
    numbers = all(isinstance(v, int) for v in labels)
    if not numbers and not all(isinstance(v, str) and DATE.fullmatch(v) for v in labels):
        return None
    pairs = zip(labels, labels[1:], strict=False)
    return next((i for i, (a, b) in enumerate(pairs, 1) if b < a), None)  # type: ignore[operator]


def _canonical(value: object) -> Label:
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    return value if isinstance(value, int) else str(value)


@dataclass(frozen=True, slots=True)
class Listed:
    """The labels of the members of a plate, in order, and where they come from."""

    labels: list[Label]
    origin: str


class Members:
    """The members of each plate, by label.

    Attributes:
        stated: labels that the data list one by one (a column of a table for the plate, a
            key of its name, coordinates).
        fitted: labels of the members that the fit knew, when predicting.
        final: the labels in force, once `settle` has run.
    """

    def __init__(
        self,
        model: Model,
        sizes: Sizes,
        found: Findings,
        fitted: Mapping[str, Array],
        base: int,
    ) -> None:
        self.model, self.sizes, self.found, self.base = model, sizes, found, base
        self.stated: dict[str, Listed] = {}
        self.fitted = {name: labels_of(np.asarray(known)) for name, known in fitted.items()}
        self.final: dict[str, list[Label]] = {}
        self.shifts: dict[str, int] = {}

    def state(self, name: str, array: Array, origin: str) -> None:
        """Labels that are listed for the members of an axis, in order."""
        axis = self.model.axis(name)
        values = array.ravel().tolist()
        if any(v is None or v != v for v in values):
            self.found.error("GD743", f"a label of `{name}` is missing in {origin}", axis)
            return
        labels = labels_of(array)
        if any(isinstance(label, str) for label in labels):
            labels = [str(label) for label in labels]
        twice = [label for label, count in Counter(labels).items() if count > 1]
        if twice:
            told = listed(map(show, twice), 5)
            message = f"{origin} should list each `{name}` once, but repeats {told}"
            remedy = f"is it an index? declare `input ...: index({name})` and map the column to it"
            self.found.error("GD743", message, axis, remedy)
            return
        late = _out_of_order(labels) if axis.kind == "sequence" else None
        if late is not None:
            message = (
                f"the steps of `{name}` are not in order: {origin} has {show(labels[late])} after "
                f"{show(labels[late - 1])}"
            )
            self.found.error("GD747", message, axis, f"sort the rows by `{name}`")
            return
        before = self.stated.get(name)
        if before is None:
            self.stated[name] = Listed(labels, origin)
            self.sizes.claim(name, len(labels), origin)
        elif before.labels != labels:
            same = set(before.labels) == set(labels)
            how = "in another order than" if same else "than"
            message = (
                f"`{name}` has {'its labels' if same else 'other labels'} in {origin} {how} in "
            )
            self.found.error("GD744", message + before.origin, axis)

    def settle(self, name: str, columns: Mapping[str, Entry], arrays_over: Iterable[str]) -> None:
        """Decide the members of a plate, dim or `index` size from the columns that point to it.

        Args:
            name: the axis, or the size as text where it is no axis.
            columns: the `index` columns, by variable.
            arrays_over: variables with values for each member, in an order of their own.
        """
        known = self.fitted.get(name)
        if name in self.stated:
            self.final[name] = self.stated[name].labels
            return
        text = {v: entry for v, entry in columns.items() if is_text(entry.array)}
        if not text:
            self._settle_numbers(name, columns, list(arrays_over))
            return
        over = sorted(arrays_over)
        if over:
            self._tell_unmatched(name, next(iter(text.values())), over[0], columns)
            return
        every = {str(label) for entry in columns.values() for label in _present(entry.array)}
        first = [] if known is None else [str(label) for label in known]
        if first and self._fixed(name) == len(first):
            self.final[name] = list(first)
            return
        labels = [*first, *natural_order(every - set(first))]
        self._settle_labels(name, labels, next(iter(text)))

    def _settle_labels(self, name: str, labels: list[str], variable: str) -> None:
        about = self.model.variable(variable)
        size = self._fixed(name)
        if size is not None and size != len(labels):
            told = listed(map(show, labels), 5)
            extra = " with those of the fit" if name in self.fitted else ""
            self.found.error(
                "GD744",
                f"`{variable}` has {len(labels)} different labels{extra} ({told}), but "
                f"{self._called(name)} has {size} members",
                about,
                f"list the labels in order: `{name}` in the data"
                if self._is_axis(name)
                else f"declare a plate, `plate p = {name}`, and list its labels: `p` in the data",
            )
            return
        self.final[name] = list(labels)
        if self._is_axis(name) and name not in self.sizes.known:
            self.sizes.claim(name, len(labels), f"the labels of `{variable}`")

    def _settle_numbers(
        self, name: str, columns: Mapping[str, Entry], arrays_over: list[str]
    ) -> None:
        known = self.fitted.get(name)
        if arrays_over or not columns:
            return
        if known is None:
            if self._fixed(name) is None:
                self._size_of_numbers(name, columns)
            return
        # The fit's members keep their numbers; unknown numbers are new members after them.
        names = self._are_names(name, known)
        by_number = not names and any(isinstance(label, str) for label in known)
        every = {label for entry in columns.values() for label in _present(entry.array)}
        shift = 0 if names else self.base
        numbers = sorted(v - shift for v in every if isinstance(v, int))
        held = {str(label) for label in known}
        new = [] if by_number or self._fixed(name) is not None else numbers
        self.final[name] = [*known, *(n for n in new if n >= 0 and str(n) not in held)]
        self.shifts[name] = shift
        if self._is_axis(name) and name not in self.sizes.known:
            self.sizes.claim(name, len(self.final[name]), "the fit and the new data")

    def _size_of_numbers(self, name: str, columns: Mapping[str, Entry]) -> None:
        """Integers state the size themselves when they are 0 to n-1 without gaps."""
        numbers = [_whole(entry.array) for entry in columns.values()]
        every = np.unique(np.concatenate(numbers)) if numbers else np.zeros(0, dtype=np.int64)
        about = self.model.variable(next(iter(columns)))
        size = max(int(every[-1]) - self.base + 1, 0) if len(every) else 0
        # A number below the base is told when the column is encoded.
        if len(every) == size or every[0] < self.base:
            self.sizes.claim(name, size, f"the numbers in `{about.name}`")
        elif self.base == 0 and every[0] == 1 and len(every) == int(every[-1]):
            self._tell_base(about, 1, int(every[-1]), name)
        else:
            first = np.arange(min(size, len(every) + 5)) + self.base
            lacking = np.setdiff1d(first, every, assume_unique=True)[:5]
            more = size - len(every) - len(lacking)
            told = listed(map(str, lacking.tolist())) + (f" and {more} more" if more else "")
            self.found.error(
                "GD745",
                f"`{about.name}` has numbers up to {int(every[-1])}, but {told} never occur, so "
                f"the size of `{name}` is uncertain",
                about,
                f"state it, `plate {name} = {size}`; or, if the numbers are names, give them as "
                f"text, or list them as `{name}` in the data",
            )
        if self._is_axis(name) and name not in self.sizes.known:
            self.found.broken.add(name)

    def _tell_unmatched(
        self, name: str, text: Entry, over: str, columns: Mapping[str, Entry]
    ) -> None:
        about = self.model.variable(next(v for v, e in columns.items() if e is text))
        self.found.error(
            "GD744",
            f"`{about.name}` names the members of `{name}`, but nothing says which of them the "
            f"values of `{over}` belong to",
            about,
            f"list the labels in the order of `{over}`: a column or a key `{name}`",
        )

    def _tell_base(self, about: Variable, first: int, size: int, name: str) -> None:
        self.found.error(
            "GD741",
            f"the numbers in `{about.name}` go from {first} to {size}, but {self._called(name)} "
            f"has the members 0 to {size - 1}",
            about,
            "pass index_base=1 (--index-base 1)",
        )

    def encode(self, variable: Variable, entry: Entry) -> Array | None:
        """The column as numbers from 0, NaN where it is missing; None after an error."""
        name = index_key(variable)
        assert name is not None
        if name in self.found.broken:
            return None
        labels = self.final.get(name)
        if labels is not None and (is_text(entry.array) or self._are_names(name, labels)):
            return self._look_up(variable, entry, name, labels)
        if is_text(entry.array):
            return None
        return self._count(variable, entry, name)

    def _are_names(self, name: str, labels: list[Label]) -> bool:
        """Whether integers in a column are names to look up rather than numbers from 0."""
        if any(isinstance(label, str) for label in labels):
            return any(re.fullmatch("-?[0-9]+", str(label)) is not None for label in labels)
        return name in self.stated or labels != list(range(len(labels)))

    def _look_up(
        self, variable: Variable, entry: Entry, name: str, labels: list[Label]
    ) -> Array | None:
        number = {str(label): float(at) for at, label in enumerate(labels)}
        shift = self.shifts.get(name, 0)
        flat = entry.array.ravel().tolist()
        sought = [None if v is None or v != v else _shifted(v, shift) for v in flat]
        unknown = [s is not None and s not in number for s in sought]
        bad = np.array(unknown, dtype=bool).reshape(entry.array.shape)
        if bad.any():
            self._tell_unknown(variable, entry, name, bad)
            return None
        values = [np.nan if s is None else number.get(s, 0.0) for s in sought]
        return np.array(values, dtype=np.float64).reshape(entry.array.shape)

    def _tell_unknown(self, variable: Variable, entry: Entry, name: str, bad: Array) -> None:
        labels = list(map(str, self.final[name]))
        values = dict.fromkeys(str(_canonical(v)) for v in entry.array[bad].tolist())
        first = entry.place(variable.name, tuple(map(int, np.argwhere(bad)[0])))
        where = self.stated[name].origin if name in self.stated else "the fit"
        close = nearest(next(iter(values)), labels)
        verb = "is no label" if len(values) == 1 else "are no labels"
        remedy = f"the labels are {listed(map(show, labels), 5)}"
        self.found.error(
            "GD742",
            f"{listed(map(show, values), 5)} in `{variable.name}` ({entry.origin}; first at "
            f"{first}) {verb} of {self._called(name)} in {where}",
            variable,
            f"did you mean {show(close)}?" if close is not None else remedy,
        )

    def _count(self, variable: Variable, entry: Entry, name: str) -> Array | None:
        support = variable.type.support
        assert isinstance(support, Index)
        if not support.size.names <= self.sizes.known.keys():
            return None
        size = support.size.evaluate(self.sizes.known)
        values = entry.array.astype(np.float64)
        present = ~np.isnan(values)
        shifted = values - self.base
        bad = present & ((shifted < 0) | (shifted >= size) | (shifted != np.floor(shifted)))
        if not bad.any():
            return shifted
        valid = values[present]
        if self.base == 0 and valid.min() >= 1 and valid.max() == size:
            self._tell_base(variable, int(valid.min()), size, name)
            return None
        told = offenders(entry, variable.name, bad, lambda p: f"is {show(entry.array[p].item())}")
        remedy = None
        if self._is_axis(name):
            remedy = f"numbers that are names are given as text, or listed as `{name}` in the data"
        last = f"{self.base} to {size - 1 + self.base}" if size else "no numbers at all"
        self.found.error(
            "GD740",
            f"`{variable.name}` must be {support}, here {last}, but {int(bad.sum())} of "
            f"{int(present.sum())} values are not: {told}",
            variable,
            remedy,
        )
        return None

    def _called(self, name: str) -> str:
        return f"`{name}`" if self._is_axis(name) else f"index({name})"

    def _is_axis(self, name: str) -> bool:
        return any(axis.name == name for axis in self.model.axes)

    def _fixed(self, name: str) -> int | None:
        """The size if it does not depend on the labels."""
        if self._is_axis(name):
            return self.sizes.known.get(name)
        for variable in self.model.variables:
            support = variable.type.support
            if isinstance(support, Index) and str(support.size) == name:
                known = support.size.names <= self.sizes.known.keys()
                return support.size.evaluate(self.sizes.known) if known else None
        return None


def _shifted(value: object, shift: int) -> str:
    label = _canonical(value)
    return str(label - shift) if isinstance(label, int) else label


def _present(array: Array) -> set[Label]:
    return {_canonical(v) for v in array.ravel().tolist() if v is not None and v == v}


def _whole(array: Array) -> Array:
    values = array[~np.isnan(array)] if array.dtype.kind == "f" else array
    whole = values[(np.abs(values) < EXACT) & (values == np.floor(values))]
    return np.asarray(whole.ravel().astype(np.int64))
