"""Which entries of its arguments an entry of a result is made of.

Entries are named by their position in a tensor, counted row by row. A tensor of positions, of
any shape, stands for the entries at them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import prod

import torch
from torch import Tensor

from gendsl.runtime.tracing import Step

__all__ = ["Places", "coordinates"]


def coordinates(at: Tensor, shape: Sequence[int]) -> tuple[Tensor, ...]:
    """Positions in a tensor of that shape as one index for each axis."""
    found: list[Tensor] = []
    for size in reversed(shape):
        found.insert(0, at % size)
        at = torch.div(at, size, rounding_mode="floor")
    return tuple(found)


class Places:
    """Positions, each set of them made once: equal questions have identical answers."""

    def __init__(self) -> None:
        """Begin without any."""
        self._found: dict[Hashable, tuple[Tensor, Tensor]] = {}

    def _once(self, at: Tensor, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        whole = (id(at), key)
        if whole not in self._found:
            self._found[whole] = at, make()
        return self._found[whole][1]

    def spread(self, at: Tensor, shape: Sequence[int], own: Sequence[int]) -> Tensor:
        """Positions in a tensor of shape `own` that is repeated to `shape`."""
        shape, own = tuple(shape), tuple(own)
        if shape == own:
            return at

        def make() -> Tensor:
            if prod(own) == 1:
                return torch.zeros_like(at)
            total = torch.zeros_like(at)
            tail = coordinates(at, shape)[len(shape) - len(own) :]
            for axis, size in enumerate(own):
                if size != 1:
                    total = total + tail[axis] * prod(own[axis + 1 :])
            return total

        return self._once(at, (shape, own), make)

    def moved(self, at: Tensor, step: Step, number: int, shape: Sequence[int]) -> Tensor:
        """Positions in the first argument, of that shape, of an operation that moves entries."""

        def make() -> Tensor:
            every = torch.arange(prod(shape)).reshape(tuple(shape))
            table: Tensor = step.op(every, *step.args[1:])
            if table.is_contiguous():
                return table.reshape(-1)[at]
            return table[coordinates(at, table.shape)]

        return self._once(at, ("moved", number), make)

    def within(self, at: Tensor, shape: Sequence[int], axes: Sequence[int]) -> Tensor:
        """Positions ``(..., K)`` of the K entries that are summed over `axes` of that shape."""
        shape, axes = tuple(shape), tuple(axes)

        def make() -> Tensor:
            kept = [a for a in range(len(shape)) if a not in axes]
            outer = coordinates(at, [shape[a] for a in kept])
            first = torch.zeros_like(at)
            for axis, place in zip(kept, outer, strict=True):
                first = first + place * prod(shape[axis + 1 :])
            every = torch.arange(prod(shape[a] for a in axes))
            inner = torch.zeros_like(every)
            for axis, place in zip(
                axes, coordinates(every, [shape[a] for a in axes]), strict=True
            ):
                inner = inner + place * prod(shape[axis + 1 :])
            return first[..., None] + inner

        return self._once(at, ("within", shape, axes), make)

    def line(self, at: Tensor, length: int, *, row: bool) -> Tensor:
        """Positions ``(..., K)`` of rows ``at`` of a matrix with K columns, or of a vector."""

        def make() -> Tensor:
            every = torch.arange(length)
            if row:
                return at[..., None] * length + every
            return every.expand(*at.shape, length)

        return self._once(at, ("line", length, row), make)

    def narrowed(self, at: Tensor) -> Tensor:
        """The same with axes of size 1 where all positions along them are the same."""

        def make() -> Tensor:
            found = at
            for axis in range(at.dim()):
                first = found.narrow(axis, 0, 1)
                if found.shape[axis] > 1 and bool((found == first).all()):
                    found = first
            return found

        return self._once(at, "narrowed", make)

    def all(self, count: int) -> Tensor:
        """Every position."""
        key = ("all", count)
        if key not in self._found:
            every = torch.arange(count)
            self._found[key] = every, every
        return self._found[key][1]
