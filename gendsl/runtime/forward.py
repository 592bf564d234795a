"""Hidden Markov chains in a product of tables: summed out along their sequence, and drawn back.

Chains that are tied to one another are one chain of joint states. Tables over the states at a step
are the emissions, tables over those at two neighbouring steps the transitions; what other
variables they depend on stays open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gendsl.runtime.enumerated import Listed
from gendsl.runtime.paths import drawn_paths, log_sum_of_paths
from gendsl.runtime.tables import Table, aligned, joint_axes, possible, spread

__all__ = ["Potentials", "potentials_of"]


@dataclass(frozen=True)
class Potentials:
    """The log potentials of chains that are tied to one another, as one chain of joint states.

    Attributes:
        chains: they.
        batch: all other axes, but their sequence, in the order of the tensors.
        sizes: of these axes.
        plates: those that they stand in, but their sequence.
        start: of the first step, (B, K) with B and K joint, or (1, K).
        pair: (B, T - 1, K, K), sizes 1 where all are the same.
        single: (K, B, T), or (K, 1, T).
    """

    chains: tuple[Listed, ...]
    batch: tuple[str, ...]
    sizes: tuple[int, ...]
    plates: frozenset[str]
    start: Tensor
    pair: Tensor
    single: Tensor

    def summed(self) -> Table:
        """The log of the sum over all paths."""
        value = possible(log_sum_of_paths(self.start, self.pair, self.single))
        return Table(
            value.expand(math.prod(self.sizes)).reshape(self.sizes), self.batch, self.plates
        )

    def drawn(self, count: int, axes: Sequence[str], sizes: Sequence[int]) -> dict[str, Table]:
        """For each chain the numbers of its states, and of those one step earlier, drawn jointly.

        Args:
            count: how many.
            axes: of the result, but the sequence; the first is that of the draws.
            sizes: of these.
        """
        sequence = self.chains[0].sequence
        assert sequence is not None
        rows = torch.arange(math.prod(self.sizes)).reshape(self.sizes)
        numbers = aligned(Table(rows, self.batch, frozenset()), axes).expand(*sizes).reshape(-1)
        joint = drawn_paths(self.start, self.pair, self.single, numbers)
        joint = joint.reshape(*sizes, -1)
        found: dict[str, Table] = {}
        for chain in reversed(self.chains):
            states = len(chain.values)
            own = joint % states
            found[chain.name] = Table(own, (*axes, sequence), self.plates | {sequence})
            if chain.before is not None:
                earlier = torch.cat([own[..., :1], own[..., :-1]], -1)
                found[chain.before] = Table(earlier, (*axes, sequence), self.plates | {sequence})
            joint = joint // states
        return found


def potentials_of(
    chains: Sequence[Listed], tables: Sequence[Table], sizes: Mapping[str, int]
) -> Potentials:
    """The potentials of chains that `tables` tie to one another.

    Args:
        chains: all on the same plates, along the same sequence.
        tables: all that depend on them.
        sizes: of every plate and every variable.
    """
    sequence = chains[0].sequence
    assert sequence is not None
    length = sizes[sequence]
    now = [c.name for c in chains]
    before = [c.before for c in chains if c.before is not None]
    own = {*now, *before, sequence}
    batch = tuple(a for a in joint_axes(tables) if a not in own)
    widths = tuple(_width(a, tables) for a in batch)
    parts = _Parts(chains, batch, widths, sequence, length)
    for table in tables:
        if set(before) & set(table.axes):
            parts.pair(table)
        else:
            parts.emission(table)
    plates = frozenset[str]().union(*(t.plates for t in tables)) - {sequence}
    start, pair, single = parts.joined()
    return Potentials(tuple(chains), batch, widths, plates, start, pair, single)


def _width(axis: str, tables: Sequence[Table]) -> int:
    return next(t.value.shape[t.axes.index(axis)] for t in tables if axis in t.axes)


class _Parts:
    """Collects the potentials of a chain of joint states."""

    def __init__(
        self,
        chains: Sequence[Listed],
        batch: tuple[str, ...],
        widths: tuple[int, ...],
        sequence: str,
        length: int,
    ) -> None:
        self.now = [c.name for c in chains]
        self.before = [c.before or f"{c.name} before" for c in chains]
        self.states = [len(c.values) for c in chains]
        self.batch, self.widths, self.sequence, self.length = batch, widths, sequence, length
        self.starts: list[Tensor] = []
        self.steady: list[Tensor] = []
        self.pairs: list[Tensor] = []
        self.singles: list[Tensor] = []

    @property
    def joint(self) -> int:
        return math.prod(self.states)

    def pair(self, table: Table) -> None:
        """A table over the states of two neighbouring steps."""
        later = table.mask is None or _from_one(table.mask)
        if later and self.sequence not in table.axes:
            value = aligned(table, [*self.batch, *self.before, *self.now])
            self.steady.append(self._both(value, steps=False))
            return
        table = spread(table)
        value = aligned(table, [*self.batch, self.sequence, *self.before, *self.now])
        place = len(self.batch)
        self.pairs.append(self._both(value.narrow(place, 1, self.length - 1), steps=True))
        first = value.select(place, 0)
        for _ in self.before:
            first = first.select(place, 0)  # at the first step there is no earlier state
        self.starts.append(self._start(first))

    def emission(self, table: Table) -> None:
        """A table over the states of one step."""
        if table.mask is not None and _first_alone(table.mask):
            self.starts.append(self._start(aligned(table, [*self.batch, *self.now])))
            return
        value = aligned(spread(table), [*self.now, *self.batch, self.sequence])
        steps = (*value.shape[:-1], self.length)
        value = value.expand(steps)
        self.singles.append(value)

    def _start(self, value: Tensor) -> Tensor:
        value = value.expand(*value.shape[: len(self.batch)], *self.states)
        return self._flat(value).reshape(-1, self.joint)

    def _both(self, value: Tensor, *, steps: bool) -> Tensor:
        lead = value.shape[: len(self.batch) + steps]
        value = self._flat(value.expand(*lead, *self.states, *self.states))
        return value.reshape(value.shape[0], -1, self.joint, self.joint)

    def _flat(self, value: Tensor) -> Tensor:
        """Batch axes as one, of size 1 where nothing varies along them."""
        rank = len(self.batch)
        if math.prod(value.shape[:rank]) == 1:
            return value.reshape(1, *value.shape[rank:])
        rest = value.shape[rank:]
        return value.expand(*self.widths, *rest).reshape(math.prod(self.widths), *rest)

    def joined(self) -> tuple[Tensor, Tensor, Tensor]:
        """The potentials of `Potentials`."""
        start = _total(self.starts, (1, self.joint))
        pair = _total([*self.steady, *self.pairs], (1, 1, self.joint, self.joint))
        if not self.singles:
            return start, pair, torch.zeros(self.joint, 1, self.length)
        single = _total(self.singles, ())
        rank = len(self.states)
        single = single.expand(*self.states, *single.shape[rank:])
        if math.prod(single.shape[rank:-1]) == 1:
            return start, pair, single.reshape(self.joint, 1, self.length)
        single = single.expand(*self.states, *self.widths, self.length)
        return start, pair, single.reshape(self.joint, -1, self.length)


def _total(parts: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
    if not parts:
        return torch.zeros(shape)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _from_one(mask: Tensor) -> bool:
    return not bool(mask[0]) and bool(mask[1:].all())


def _first_alone(mask: Tensor) -> bool:
    return bool(mask[0]) and not bool(mask[1:].any())
