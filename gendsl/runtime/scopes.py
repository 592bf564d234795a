"""Which members of discrete latents each factor of the density depends on.

Read off the typed model and its data, without running anything. Where an index is computed rather
than given, a factor is taken to depend on all members that it could pick.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import (
    children,
    distribution_expressions,
    distributions,
    equation_expressions,
    variable_expressions,
)

__all__ = ["Scope", "Scopes"]


@dataclass(frozen=True)
class Scope:
    """For each member of some plates, the variables that a value depends on.

    Attributes:
        axes: the plates along which that differs.
        numbers: (*axes, variable): whether it depends on it.
    """

    axes: tuple[str, ...]
    numbers: np.ndarray

    def aligned(self, axes: tuple[str, ...]) -> np.ndarray:
        """With axes of size 1 where it does not differ."""
        order = [self.axes.index(a) for a in axes if a in self.axes]
        moved = self.numbers.transpose(*order, len(self.axes))
        sizes = iter(moved.shape)
        return moved.reshape(*(next(sizes) if a in self.axes else 1 for a in axes), -1)

    def anywhere(self, axis: str) -> Scope:
        """On any member of a plate."""
        if axis not in self.axes:
            return self
        place = self.axes.index(axis)
        rest = tuple(a for a in self.axes if a != axis)
        return Scope(rest, np.asarray(self.numbers.any(axis=place)))

    def taken(self, axis: str, index: np.ndarray) -> Scope:
        """At some members of a plate."""
        if axis not in self.axes:
            return self
        place = self.axes.index(axis)
        return Scope(self.axes, np.take(self.numbers, index, axis=place))


@dataclass
class Scopes:
    """The scopes of one model with its data.

    Attributes:
        model: the model.
        data: the values of its inputs and observed variables, in the order of their axes.
        first: for each grounded latent the number of its first member.
        plates: and the plates that its members are over, in the order of their numbers.
        sizes: of every axis.
        count: how many members there are.
    """

    model: ir.Model
    data: Mapping[str, np.ndarray]
    first: Mapping[str, int]
    plates: Mapping[str, tuple[str, ...]]
    sizes: Mapping[str, int]
    count: int

    def of_variable(self, name: str) -> Scope:
        """That of the factor of a random variable."""
        variable = self.model.variable(name)
        own = [self._of(x) for x in variable_expressions(variable)]
        laws = [e.distribution for e in variable.equations if e.distribution is not None]
        for law in laws:
            own += self._mixed(law)
        return self._joined([*own, self._value(name)])

    def of_energy(self, number: int) -> Scope:
        """That of an energy, counted from 0."""
        return self._of(self.model.energies[number].value)

    def _mixed(self, law: ir.Distribution) -> list[Scope]:
        """What distributions that mix over a plate depend on: any member of it."""
        found = []
        for inner in distributions(law):
            if inner.over is not None:
                parts = [self._of(x) for x in distribution_expressions(inner)]
                found.append(self._joined(parts).anywhere(inner.over))
        return found

    def _joined(self, scopes: Iterable[Scope]) -> Scope:
        parts = list(scopes)
        axes = tuple(sorted({a for p in parts for a in p.axes}))
        found = np.zeros((1,) * len(axes) + (self.count,), dtype=bool)
        for part in parts:
            found = found | part.aligned(axes)
        return Scope(axes, found)

    def _nothing(self) -> Scope:
        return Scope((), np.zeros(self.count, dtype=bool))

    def _value(self, name: str) -> Scope:
        """What the value of a variable depends on."""
        if name in self.first:
            plates = self.plates[name]
            shape = [self.sizes[p] for p in plates]
            members = int(np.prod(shape))
            found = np.zeros((members, self.count), dtype=bool)
            found[np.arange(members), self.first[name] + np.arange(members)] = True
            return Scope(plates, found.reshape(*shape, self.count))
        variable = self.model.variable(name)
        if variable.role != "let":
            return self._nothing()
        if name in self._open:
            return Scope((), np.ones(self.count, dtype=bool))  # it recurs: any earlier member
        self._open.add(name)
        exprs = [x for e in variable.equations for x in equation_expressions(e)]
        found_scope = self._joined(self._of(x) for x in exprs)
        self._open.discard(name)
        return found_scope

    def __post_init__(self) -> None:
        self._open: set[str] = set()

    def _of(self, expr: ir.Expr) -> Scope:
        match expr:
            case ir.Reference(name=name):
                return self._value(name)
            case ir.Lag(value=value, sequence=sequence, steps=steps):
                index = np.maximum(np.arange(self.sizes[sequence]) - steps, 0)
                return self._of(value).taken(sequence, index)
            case ir.Select(value=value, axis=str() as axis, at=at):
                return self._of(value).taken(axis, np.array([at])).anywhere(axis)
            case ir.Gather(value=value, axis=str() as axis, index=index):
                return self._gathered(self._of(value), axis, index)
            case ir.Reduce(value=value, axis=str() as axis) | ir.Collect(value=value, plate=axis):
                return self._of(value).anywhere(axis)
            case ir.LogProb(distribution=law, value=value):
                parts = [self._of(x) for x in distribution_expressions(law)]
                return self._joined([*parts, *self._mixed(law), self._of(value)])
            case _:
                return self._joined(self._of(x) for x in children(expr))

    def _gathered(self, value: Scope, axis: str, index: ir.Expr) -> Scope:
        if axis not in value.axes:
            return self._joined([value, self._of(index)])
        known = self.data.get(index.name) if isinstance(index, ir.Reference) else None
        if known is None or not np.issubdtype(known.dtype, np.integer) or index.type.event:
            return self._joined([value.anywhere(axis), self._of(index)])
        own = self.model.variable(index.name).axes if isinstance(index, ir.Reference) else ()
        if set(own) & (set(value.axes) - {axis}):
            return value.anywhere(axis)
        moved = np.moveaxis(value.numbers, value.axes.index(axis), 0)[known]
        rest = tuple(a for a in value.axes if a != axis)
        return Scope((*own, *rest), moved)
