"""The size of every axis, from all who speak of it; all must agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from gendsl.diagnostics import nearest
from gendsl.ir.nodes import Axis, Model, Variable
from gendsl.runtime.data.entries import Entry, Findings, show
from gendsl.runtime.data.shapes import expected_shape
from gendsl.types import Size

__all__ = ["Sizes", "as_size"]

MAX_MEMBERS = 10**9
MAX_NUMBERS = 10**10
"""More numbers than this in one variable are refused."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says about the size of an axis."""

    value: int
    origin: str


def as_size(value: object) -> int | None:
    """A whole number that is not negative, or None."""
    if isinstance(value, bool | str) or not isinstance(value, int | float | np.number):
        return None
    if not np.isfinite(value) or int(value) != value or value < 0:
        return None
    return int(value)


class Sizes:
    """Collects claims; the first one on each axis settles it, later ones must agree.

    Attributes:
        known: the size of each axis that is settled.
        claims: who settled it.
    """

    def __init__(self, model: Model, found: Findings) -> None:
        self.model, self.found = model, found
        self.axes = {axis.name: axis for axis in model.axes}
        self.known: dict[str, int] = {}
        self.claims: dict[str, Claim] = {}

    def claim(self, name: str, value: int, origin: str) -> bool:
        """State the size of an axis; False, and an error, if it is illegal or contradicted."""
        axis = self.axes[name]
        if name in self.known:
            if self.known[name] != value:
                self._tell_contradiction(axis, value, origin)
            return self.known[name] == value
        if value < 0:
            message = f"the size of `{name}` is {value} ({origin}), expected 0 or more"
            self.found.error("GD723", message, axis)
            return False
        if value > MAX_MEMBERS:
            self.found.error(
                "GD724",
                f"`{name}` has {value:,} members ({origin}): one number for each takes "
                f"{_memory(value)}, and more than {MAX_MEMBERS:,} are refused",
                axis,
            )
            return False
        self.known[name] = value
        self.claims[name] = Claim(value, origin)
        return True

    def _tell_contradiction(self, axis: Axis, value: int, origin: str) -> None:
        before = self.claims[axis.name]
        self.found.error(
            "GD721",
            f"`{axis.name}` has {before.value} members by {before.origin}, but {value} by "
            f"{origin}",
            axis,
        )

    def read_text(self) -> None:
        """The sizes that the model text states."""
        for axis in self.model.axes:
            size = axis.size
            if size is None or axis.name in self.known or not size.names <= self.known.keys():
                continue
            self.claim(axis.name, size.evaluate(self.known), "the model text")

    def read_given(self, given: Mapping[str, int], origin: str) -> None:
        """Sizes that the caller states."""
        for name, value in given.items():
            if name not in self.axes:
                close = nearest(name, self.axes)
                remedy = f"did you mean `{close}`?" if close else None
                self.found.error("GD711", f"`{name}` ({origin}) is no axis", help=remedy)
            else:
                self._read_number(self.axes[name], value, f"{origin}")

    def read_count(self, name: str, entry: Entry) -> None:
        """An integer of the axis's name in the data."""
        self._read_number(self.axes[name], entry.array.item(), entry.origin)

    def _read_number(self, axis: Axis, value: object, origin: str) -> None:
        size = as_size(value)
        if size is None:
            message = f"the size of `{axis.name}` is {show(value)} ({origin}), expected a whole "
            self.found.error("GD723", message + "number, 0 or more", axis)
        else:
            self.claim(axis.name, size, origin)

    def read_array(self, variable: Variable, entry: Entry) -> None:
        """The sizes that an array has, at its plates and at its event axes."""
        shape = entry.array.shape
        origin = f"`{variable.name}` ({entry.origin})"
        sizes = [*map(Size.named, variable.axes), *variable.type.event]
        if not all(self._may_be(size, n) for size, n in zip(sizes, shape, strict=True)):
            self._tell_shape(variable, entry, sizes)
            return
        for size, n in zip(sizes, shape, strict=True):
            unknown = size.names - self.known.keys()
            if len(unknown) == 1 and variable.name not in self.found.broken:
                (name,) = unknown
                solved = _solve(size, name, n, self.known)
                if solved is None:
                    self._tell_shape(variable, entry, sizes)
                elif not self.claim(name, solved, origin):
                    self.found.broken.add(variable.name)

    def _may_be(self, size: Size, n: int) -> bool:
        return not size.names <= self.known.keys() or size.evaluate(self.known) == n

    def _tell_shape(self, variable: Variable, entry: Entry, sizes: Iterable[Size]) -> None:
        shape = entry.array.shape
        wrong = [s for s, n in zip(sizes, shape, strict=True) if not self._may_be(s, n)]
        names = dict.fromkeys(name for size in wrong for name in sorted(size.names))
        reasons = [
            f"`{n}` is {self.known[n]} by {self.claims[n].origin}"
            for n in names
            if n in self.claims
        ]
        remedy = None
        for order in list(permutations(range(len(shape))))[1:] if len(shape) < 5 else ():
            turned = zip(sizes, (shape[i] for i in order), strict=True)
            if all(self._may_be(s, n) for s, n in turned):
                how = f"{variable.name}.T" if len(shape) == 2 else f"transpose{order}"
                remedy = f"it looks transposed: give {how}"
                break
        because = f"; {' and '.join(reasons)}" if reasons else ""
        self.found.error(
            "GD721",
            f"`{variable.name}` ({entry.origin}) has the shape {shape}, expected "
            f"{expected_shape(variable, self.known)}{because}",
            variable,
            remedy,
        )

    def compound(self, arrays: Mapping[str, Entry]) -> None:
        """Check the sizes that are arithmetic, now that what they are made of is known."""
        for name, entry in arrays.items():
            variable = self.model.variable(name)
            sizes = [*map(Size.named, variable.axes), *variable.type.event]
            if name not in self.found.broken and not all(
                self._may_be(size, n) for size, n in zip(sizes, entry.array.shape, strict=True)
            ):
                self._tell_shape(variable, entry, sizes)

    def tell_unknown(self, excused: Iterable[str]) -> None:
        """An error for each axis whose size nobody states, unless it is `excused`."""
        pardoned = {*excused, *self.found.broken}
        for axis in self.model.axes:
            if axis.name not in self.known and axis.name not in pardoned:
                if axis.size is not None and axis.size.names & pardoned:
                    continue
                message = f"the size of `{axis.name}` is not known: no data have this axis"
                remedy = (
                    f"state it, `{axis.kind} {axis.name} = 10`, or give an integer "
                    f"`{axis.name}` in the data"
                )
                self.found.error("GD722", message, axis, remedy)

    def tell_huge(self) -> None:
        """An error for each variable that would not fit into memory."""
        for variable in self.model.variables:
            sizes = [*map(Size.named, variable.axes), *variable.type.event]
            if all(size.names <= self.known.keys() for size in sizes):
                count = 1
                for size in sizes:
                    count *= size.evaluate(self.known)
                if count > MAX_NUMBERS:
                    self.found.error(
                        "GD724",
                        f"`{variable.name}` has the shape {expected_shape(variable, self.known)}: "
                        f"{count:,} numbers take {_memory(count)}",
                        variable,
                    )


def _solve(size: Size, name: str, value: int, known: Mapping[str, int]) -> int | None:
    """The size of the one unknown axis for which a polynomial has the given value."""
    low, high = 0, max(2 * MAX_MEMBERS, 1)
    while low < high:
        middle = (low + high) // 2
        if size.evaluate({**known, name: middle}) < value:
            low = middle + 1
        else:
            high = middle
    return low if size.evaluate({**known, name: low}) == value else None


def _memory(numbers: int) -> str:
    amount = 8.0 * numbers
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            return f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} PiB"
