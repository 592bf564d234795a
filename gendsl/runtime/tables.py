"""Tables of log densities over discrete variables, with axes that have names.

An axis is a discrete variable, the state of a chain one step earlier, a plate, or the draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import inf

import torch
from torch import Tensor

from gendsl.runtime.shapes import broadcast_shapes

__all__ = [
    "IMPOSSIBLE",
    "Table",
    "added",
    "aligned",
    "joint_axes",
    "over_plates",
    "picked",
    "possible",
    "spread",
    "summed",
]

IMPOSSIBLE = -1e30
"""Stands for a log density of minus infinity, whose gradient would be NaN."""


@dataclass(frozen=True)
class Table:
    """A factor of the density in log units.

    Attributes:
        value: the numbers.
        axes: the name of each axis; along all others it is the same.
        plates: those that it stands in: it counts once for each of their members.
        mask: at which members of the plate `along` it counts; None for all.
        along: a plate that is no axis, where there is a mask.
    """

    value: Tensor
    axes: tuple[str, ...]
    plates: frozenset[str]
    mask: Tensor | None = None
    along: str = ""


def joint_axes(tables: Iterable[Table], last: Sequence[str] = ()) -> tuple[str, ...]:
    """The axes of the sum of `tables`, those of `last` at the end."""
    names = {a for t in tables for a in t.axes}
    return (*sorted(names - set(last)), *(n for n in last if n in names))


def aligned(table: Table, axes: Sequence[str]) -> Tensor:
    """Its numbers with the axes `axes`, of size 1 where it has none."""
    value = table.value.permute([table.axes.index(a) for a in axes if a in table.axes])
    sizes = iter(value.shape)
    return value.reshape([next(sizes) if a in table.axes else 1 for a in axes])


def spread(table: Table) -> Table:
    """The same without a mask: 0 where it does not count."""
    if table.mask is None:
        return table
    value = torch.where(table.mask, table.value.unsqueeze(-1), 0.0)
    return Table(value, (*table.axes, table.along), table.plates)


def added(tables: Sequence[Table], axes: Sequence[str] | None = None) -> Table:
    """Their product, in log units."""
    whole = [spread(t) for t in tables]
    axes = joint_axes(whole) if axes is None else axes
    plates = frozenset[str]().union(*(t.plates for t in whole))
    value = reduce(torch.add, (aligned(t, axes) for t in whole))
    return Table(value, tuple(axes), plates)


def summed(table: Table, name: str) -> Table:
    """The log of the sum over one axis."""
    axis = table.axes.index(name)
    value = torch.logsumexp(torch.clamp(table.value, min=IMPOSSIBLE), axis)
    return replace(table, value=value, axes=tuple(a for a in table.axes if a != name))


def over_plates(table: Table, gone: Iterable[str], sizes: Mapping[str, int]) -> Table:
    """The product over the members of plates, in log units."""
    times, dims = 1, []
    if table.mask is not None and table.along in gone:
        times = int(table.mask.sum())
        table = replace(table, mask=None)
    elif table.mask is not None:
        table = spread(table)
    for name in gone:
        if name in table.axes:
            dims.append(table.axes.index(name))
        elif name != table.along:
            times *= sizes[name]
    value = table.value.sum(dims) if dims else table.value
    axes = tuple(a for a in table.axes if a not in gone)
    return Table(value * times if times != 1 else value, axes, table.plates - set(gone))


def picked(table: Table, chosen: Mapping[str, Table]) -> Table:
    """A table at chosen values of some of its variables.

    Args:
        table: a table without a mask.
        chosen: for each variable, the numbers of its values, with the axes along which they vary.
    """
    for name in [a for a in table.axes if a in chosen]:
        index = chosen[name]
        rest = tuple(a for a in table.axes if a != name)
        axes = joint_axes([replace(table, axes=rest), index])
        values = aligned(table, (*axes, name))
        places = aligned(index, axes).unsqueeze(-1)
        shape = broadcast_shapes(values.shape[:-1], places.shape[:-1])
        values = values.expand(*shape, values.shape[-1])
        found = values.gather(-1, places.expand(*shape, 1)).squeeze(-1)
        table = replace(table, value=found, axes=axes)
    return table


def possible(value: Tensor) -> Tensor:
    """Minus infinity where nothing is possible."""
    return torch.where(value < IMPOSSIBLE / 2, -inf, value)
