"""Discrete latents summed out of the density, and drawn back from their exact joint posterior.

The program is run with every value of every discrete latent at once (`enumerated`), which gives a
table for each factor of the density. Variables of the innermost plates are summed out first, the
tables that are left are multiplied over the members of plates that no remaining variable stands
in, and so on outwards. Sums are taken of logarithms, the largest term first, so that no product
underflows. In the opposite order each variable is drawn given those that are drawn already.

References:
    Obermeyer et al., Tensor variable elimination for plated factor graphs (ICML 2019)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import torch
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic, InternalCompilerError
from gendsl.graph.elimination import LIMIT, elimination_order
from gendsl.runtime.enumerated import EveryValue, Listed
from gendsl.runtime.factors import factors_of
from gendsl.runtime.forward import potentials_of
from gendsl.runtime.paths import drawn
from gendsl.runtime.plates import DRAWS
from gendsl.runtime.tables import (
    Table,
    added,
    aligned,
    joint_axes,
    over_plates,
    picked,
    possible,
    spread,
    summed,
)

__all__ = [
    "log_sum",
    "log_sum_of",
    "log_sums_of",
    "marginals_from",
    "marginals_of",
    "recovered_values",
]


def log_sum(trace: Trace, every: EveryValue) -> Tensor:
    """The log density of a run in which latents were listed, these summed out; a scalar."""
    if not every.listed:
        return torch.as_tensor(trace.log_prob_sum())
    tables, rest, sizes = factors_of(trace, every)
    return rest + log_sum_of(every.variables, sizes, tables)


def log_sum_of(
    listed: Mapping[str, Listed], sizes: Mapping[str, int], tables: Sequence[Table]
) -> Tensor:
    """The log of the sum over all values of what was listed, of the product of `tables`."""
    return _Elimination(listed, sizes, list(tables)).run().value.sum()


def log_sums_of(
    listed: Mapping[str, Listed], sizes: Mapping[str, int], tables: Sequence[Table]
) -> Table:
    """The same for each place along the axes that are neither plates nor variables."""
    return _Elimination(listed, sizes, list(tables)).run()


def marginals_of(trace: Trace, every: EveryValue) -> dict[str, tuple[Listed, Tensor]]:
    """For each latent that was listed, the probabilities of its values.

    These have the axes of `Listed.plates` in the order of the tensors of the program, then the
    values. They are the gradient of the log density in log potentials of each value.
    """
    tables, _, sizes = factors_of(trace, every)
    found = marginals_from(every.variables, sizes, tables)
    whole: dict[str, tuple[Listed, Tensor]] = {}
    for name, own in every.listed.items():
        if not own.grounded:
            whole[name] = found[name]
            continue
        parts = torch.stack([found[m][1] for m in own.members])
        rest = sorted(own.plates - set(own.grounded), key=lambda p: own.dims[p])
        axes = (*own.grounded, *rest, name)
        shape = [*(sizes[p] for p in own.grounded), *parts.shape[1:]]
        order = (*sorted(own.plates, key=lambda p: own.dims[p]), name)
        table = Table(parts.reshape(shape), axes, own.plates)
        whole[name] = own, aligned(table, order)
    return whole


def marginals_from(
    listed: Mapping[str, Listed], sizes: Mapping[str, int], tables: Sequence[Table]
) -> dict[str, tuple[Listed, Tensor]]:
    """The same from tables."""
    shifts: dict[str, Table] = {}
    if not listed:
        return {}
    with torch.enable_grad():
        for name, own in listed.items():
            plates = sorted(own.plates, key=lambda p: own.dims[p])
            shape = [sizes[p] for p in plates]
            shift = torch.zeros(*shape, len(own.values), requires_grad=True)
            shifts[name] = Table(shift, (*plates, name), own.plates)
        held = [replace(t, value=t.value.detach()) for t in tables]
        total = log_sum_of(listed, sizes, [*held, *map(_squeezed, shifts.values())])
        found = torch.autograd.grad(total, [s.value for s in shifts.values()])
    pairs = zip(listed.items(), found, strict=True)
    return {name: (own, table) for (name, own), table in pairs}


def _squeezed(table: Table) -> Table:
    """Without the axes of size 1."""
    kept = [a for a, n in zip(table.axes, table.value.shape, strict=True) if n != 1]
    value = table.value.reshape([n for n in table.value.shape if n != 1])
    return Table(value, tuple(kept), table.plates)


def recovered_values(trace: Trace, every: EveryValue, count: int) -> dict[str, Tensor]:
    """Joint draws of the listed latents, as the program has them with draws on the left.

    Args:
        trace: a run for many draws of all else, or for none.
        every: what listed them.
        count: how many draws.
    """
    tables, _, sizes = factors_of(trace, every)
    elimination = _Elimination(every.variables, {**sizes, DRAWS: count}, tables)
    elimination.run()
    chosen = elimination.drawn(count)
    for name, own in every.listed.items():
        if own.grounded:
            chosen[name] = _gathered(own, [chosen[m] for m in own.members], sizes)
    found: dict[str, Tensor] = {}
    for name, own in every.listed.items():
        nesting = every.batch - 1
        by_dim = {d: p for p, d in own.dims.items()}
        order = [DRAWS, *(by_dim.get(d, "") for d in range(-nesting, 0))]
        numbers = aligned(chosen[name], order)
        found[name] = own.values[numbers]
    return found


def _gathered(own: Listed, members: Sequence[Table], sizes: Mapping[str, int]) -> Table:
    """The numbers of the values of a latent from those of its members."""
    axes = (DRAWS, *sorted(own.plates - set(own.grounded)))
    value = torch.stack([aligned(m, axes) for m in members])
    shape = [*(sizes[p] for p in own.grounded), *value.shape[1:]]
    return Table(value.reshape(shape), (*own.grounded, *axes), own.plates)


@dataclass
class _Removed:
    """What was summed out of which tables."""

    variables: tuple[Listed, ...]
    tables: list[Table]


@dataclass
class _Elimination:
    """One elimination: of `listed`, from `tables`.

    Attributes:
        listed: the variables.
        sizes: of every plate.
        tables: all factors that depend on them.
        removed: what was summed out, in order.
    """

    listed: Mapping[str, Listed]
    sizes: Mapping[str, int]
    tables: list[Table]
    removed: list[_Removed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._owner = {n: v for n, v in self.listed.items()}
        self._owner |= {v.before: v for v in self.listed.values() if v.before is not None}

    def _variables(self, table: Table) -> set[str]:
        return {self._owner[a].name for a in table.axes if a in self._owner}

    def run(self) -> Table:
        """Sum everything out."""
        waiting, done = list(self.tables), []
        while waiting:
            leaf = max((t.plates for t in waiting), key=lambda p: (len(p), sorted(p)))
            first = next(t for t in waiting if t.plates == leaf)
            group = self._tied(first, [t for t in waiting if t.plates == leaf], leaf)
            waiting = [t for t in waiting if not any(t is g for g in group)]
            left = self._summed(group, leaf)
            if not leaf and self._variables(left):
                raise InternalCompilerError(f"{left.axes} stand in plates that no table has")
            if left.plates or self._variables(left):
                waiting.append(left)
            else:
                done.append(left)
        total = added(done) if done else Table(torch.zeros(()), (), frozenset())
        return Table(possible(total.value), total.axes, total.plates)

    def _tied(self, first: Table, tables: list[Table], leaf: frozenset[str]) -> list[Table]:
        """The tables that variables of just these plates tie to `first`."""
        group, grown = [first], True
        while grown:
            inside = {n for t in group for n in self._variables(t)}
            inside = {n for n in inside if self.listed[n].plates == leaf}
            more = [
                t for t in tables if not any(t is g for g in group) and self._variables(t) & inside
            ]
            group += more
            grown = bool(more)
        return group

    def _summed(self, group: list[Table], leaf: frozenset[str]) -> Table:
        """A product of tables with the variables of its own plates summed out."""
        names = {n for t in group for n in self._variables(t)}
        own = [self.listed[n] for n in sorted(names) if self.listed[n].plates == leaf]
        chains = [v for v in own if v.sequence is not None]
        group = self._without(group, [v.name for v in own if v.sequence is None])
        if chains:
            self.removed.append(_Removed(tuple(chains), group))
            return potentials_of(chains, group, self.sizes).summed()
        above = frozenset[str]().union(
            *(self.listed[n].plates for n in names - {v.name for v in own})
        )
        if not above < leaf and leaf:
            raise InternalCompilerError(f"discrete latents cross the plates {sorted(leaf)}")
        parts = [over_plates(t, leaf - above, self.sizes) for t in group]
        return added(parts)

    def _without(self, group: list[Table], gone: Sequence[str]) -> list[Table]:
        """The tables once the variables `gone` are summed out of them, one after the other."""
        if not gone:
            return group
        group = [spread(t) for t in group]
        sizes = {a: n for t in group for a, n in zip(t.axes, t.value.shape, strict=True)}
        for name in elimination_order([t.axes for t in group], sizes, gone).names:
            joined = [t for t in group if name in t.axes]
            own = [a for a in joint_axes(joined) if a in self._owner]
            _verify_size(name, {a: sizes[a] for a in own})
            group = [t for t in group if name not in t.axes]
            self.removed.append(_Removed((self.listed[name],), joined))
            group.append(summed(added(joined), name))
        return group

    # Back

    def drawn(self, count: int) -> dict[str, Table]:
        """Numbers of the values of each variable, drawn jointly."""
        chosen: dict[str, Table] = {}
        for step in reversed(self.removed):
            tables = [picked(spread(t), chosen) for t in step.tables]
            first = step.variables[0]
            if first.sequence is not None:
                axes = [DRAWS, *sorted(first.plates - {first.sequence})]
                sizes = [count, *(self.sizes[p] for p in axes[1:])]
                found = potentials_of(step.variables, tables, self.sizes)
                chosen |= found.drawn(count, axes, sizes)
                continue
            axes = [DRAWS, *sorted(first.plates)]
            value = aligned(added(tables), [*axes, first.name])
            shape = [count, *(self.sizes[p] for p in axes[1:]), value.shape[-1]]
            numbers = drawn(value.expand(shape))
            chosen[first.name] = Table(numbers, tuple(axes), first.plates)
        for name, own in self.listed.items():
            if name not in chosen:  # it has one value alone
                plates = sorted(own.plates)
                zeros = torch.zeros(count, *(self.sizes[p] for p in plates), dtype=torch.long)
                chosen[name] = Table(zeros, (DRAWS, *plates), own.plates)
        return chosen


def _verify_size(name: str, axes: Mapping[str, int]) -> None:
    """Refuse a table of too many entries.

    Raises:
        DataError: GD834.
    """
    entries = prod(axes.values())
    if entries <= LIMIT:
        return
    shown = ", ".join(f"`{n}`" for n in sorted(axes)[:6]) + ", ..." * (len(axes) > 6)
    message = f"`{name}` cannot be summed out: its table has {entries:,} entries, over {shown}"
    remedy = f"at most {LIMIT:,} are summed over: give them fewer values, or tie fewer of them"
    raise DataError([Diagnostic("GD834", message, help=remedy)])
