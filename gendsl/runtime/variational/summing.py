"""Latents with finitely many values, all of which are tried at once instead of drawn.

Each such latent has a dimension of its own in front of particles and plates, along which its
values stand. Densities that depend on it come back as tables with that dimension, and what an
objective sees are expectations over it: exact ones, so that gradients have no noise from what is
discrete.

- Under the guide: E_q(k)[log p(x, k) - log q(k)], with q(k) as the guide has it.
- In the model: log sum_k p(x, k), which is the same with the law of k given all else in the place
  of q(k), and thereby the tighter bound. It is written as that expectation, so that every variable
  keeps a term: the law is the derivative of log sum_k p(x, k) in the densities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor
from torch.distributions import Distribution

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.runtime.elimination import log_sums_of
from gendsl.runtime.enumerated import Listed, values_of
from gendsl.runtime.tables import IMPOSSIBLE, Table
from gendsl.semantics.supports import hull
from gendsl.types import Index, ValueType

__all__ = ["Gone", "Summing", "Waiting", "joint_values"]

MOST = 4096
"""So many values of a latent are tried at most, where data decide how many there are."""

PARTICLES = "*particles"
"""The axis of particles in a table; no name of a model has a star."""


def joint_values(types: Iterable[ValueType | None], sizes: Mapping[str, int]) -> int:
    """How many values latents of these types have together; `MOST` where they have more."""
    found = 1
    for type_ in filter(None, types):
        support = type_.support
        if isinstance(support, Index):
            each = support.size.evaluate(dict(sizes))
        else:
            each = int(min(hull(support).upper - hull(support).lower + 1, MOST))
        entries = prod(s.evaluate(dict(sizes)) for s in type_.event)
        found = min(MOST, found * each ** min(entries, 64))
    return found


@dataclass(frozen=True, eq=False)
class Waiting:
    """A density that depends on latents that are summed out of the model.

    Attributes:
        name: of its variable.
        table: the log density; dimensions of values, particles, plates.
        plates: the size of each plate that it stands in, by dimension.
        finish: takes its expectation, (particles or 1, plates).
    """

    name: str
    table: Tensor
    plates: Mapping[int, tuple[str, int]]
    finish: Callable[[Tensor], None]


@dataclass(frozen=True, eq=False)
class Gone:
    """Latents that were summed out of the model together.

    Attributes:
        names: of them.
        tied: the variables whose densities depend on them.
        gain: E[log p - log r], r their law given all else, (particles or 1, plates); of plates but
            that of the rows the sum, of size 1.
        local: whether they stand in the plate of the rows.
        marginals: for each of them the probabilities of its values, given all else, along the
            first dimension; then particles and plates.
        values: for each of them its values, (value, *event).
    """

    names: tuple[str, ...]
    tied: tuple[str, ...]
    gain: Tensor
    local: bool
    marginals: Mapping[str, Tensor]
    values: Mapping[str, Tensor]

    def drawn(self, name: str, particles: int) -> Tensor:
        """Draws of one of them: particles where there are several, plates, event."""
        law = self.marginals[name].movedim(0, -1)
        if particles == 1:
            law = law.squeeze(0)
        else:
            law = law.expand(particles, *law.shape[1:])
        return self.values[name][torch.distributions.Categorical(probs=law).sample()]


@dataclass(eq=False)
class Summing:
    """The values that are tried in one run of a guide and its model.

    Attributes:
        batch: the number of dimensions of particles and plates.
        row: the plate of the rows.
        fixed: whether probabilities under the guide are constants.
    """

    batch: int
    row: str | None
    fixed: bool = False
    _dims: dict[int, str] = field(default_factory=dict)
    _values: dict[str, Tensor] = field(default_factory=dict)
    _log_q: dict[str, Tensor] = field(default_factory=dict)
    _listed: dict[str, Listed] = field(default_factory=dict)
    _waiting: list[Waiting] = field(default_factory=list)

    def values(self, name: str, law: Distribution) -> Tensor:
        """Every value of a law along a new dimension.

        Raises:
            DataError: GD834, there are too many.
        """
        found = self._values[name] = values_of(name, law)
        if len(found) > MOST:
            message = f"`{name}` cannot be summed out: it has {len(found):,} values"
            remedy = "`discrete = score` draws it"
            raise DataError([Diagnostic("GD834", message, help=remedy)])
        dim = -self.batch - 1 - len(self._dims)
        self._dims[dim] = name
        return found.reshape(found.shape[:1] + (1,) * (-dim - 1) + found.shape[1:])

    # Under the guide

    def guided(self, name: str, log_q: Tensor) -> None:
        """Note the guide's log probabilities of the values of a latent."""
        self._log_q[name] = log_q

    def tried(self, x: Tensor, event: int = 0) -> tuple[str, ...]:
        """The latents along whose values `x` varies."""
        lead = range(event - x.dim(), -self.batch)
        shape = x.shape[: x.dim() - event]
        return tuple(self._dims[d] for d in lead if shape[d] != 1)

    def expected(self, x: Tensor, event: int = 0) -> Tensor:
        """The expectation of `x` under the guide, without dimensions of values.

        Args:
            x: dimensions of values, particles, plates, then `event` axes.
            event: how many.
        """
        if x.dim() - event <= self.batch:
            return x
        names = list(self.tried(x, event))
        for name in names:  # grows: a law may depend on latents before it
            names += [n for n in self.tried(self._log_q[name]) if n not in names]
        lead = x.dim() - event - self.batch
        if not names:
            return x.reshape(x.shape[lead:])
        log_w = sum((self._log_q[n] for n in names), torch.zeros(()))
        weights = (log_w.detach() if self.fixed else log_w).exp()
        weights = weights.reshape(weights.shape + (1,) * event)
        whole = weights * torch.where(weights > 0, x, torch.zeros_like(x))
        lead = whole.dim() - event - self.batch
        return whole.sum(tuple(range(lead))) if lead > 0 else whole

    # In the model

    def listed(self, name: str, plates: Mapping[int, tuple[str, int]]) -> None:
        """Note a latent that is summed out of the model, and the plates that it stands in."""
        dims = {plate: dim for dim, (plate, _) in plates.items()}
        self._listed[name] = Listed(name, self._values[name], frozenset(dims), None, None, dims)

    def waits(self, table: Tensor) -> bool:
        """Whether a density depends on latents that are summed out of the model."""
        return any(n in self._listed for n in self.tried(table))

    def wait(self, density: Waiting) -> None:
        """Keep a density until all are known."""
        self._waiting.append(density)

    def settle(self) -> list[Gone]:
        """Sum latents out of the model, and give all that waits its expectation."""
        waiting, found = self._waiting, []
        self._waiting = []
        while waiting:
            group, grown = [waiting[0]], True
            while grown:
                tied = {n for w in group for n in self._own(w)}
                more = [w for w in waiting if w not in group and tied & set(self._own(w))]
                group += more
                grown = bool(more)
            waiting = [w for w in waiting if w not in group]
            found.append(self._settled(group))
        return found

    def _own(self, density: Waiting) -> list[str]:
        return [n for n in self.tried(density.table) if n in self._listed]

    def _dim(self, name: str) -> int:
        return next(d for d, n in self._dims.items() if n == name)

    def _settled(self, group: list[Waiting]) -> Gone:
        names = sorted({n for w in group for n in self._own(w)}, key=self._dim, reverse=True)
        local = self.row is not None and all(self.row in self._listed[n].plates for n in names)
        graph = torch.is_grad_enabled()
        with torch.enable_grad():
            shifts, total = self._shifted(group, names, local=local)
            laws = torch.autograd.grad(total.sum(), shifts, create_graph=graph)
        rest, marginals = total if graph else total.detach(), {}
        own: Tensor | float = 0.0
        for waits, law, shift in zip(group, laws, shifts, strict=True):
            table = waits.table.expand(shift.shape)
            # What cannot be has no weight, whatever its density.
            possible = (law > 0) & (table > IMPOSSIBLE)
            each = law * torch.where(possible, table, torch.zeros_like(table))
            mean = each.sum([self._dim(n) for n in names], keepdim=True)
            rest = rest - self._over(mean, waits.plates, local=local)
            if waits.name in names:
                own = own + self._over(mean, waits.plates, local=local)
                others = [self._dim(n) for n in names if n != waits.name]
                each = law.sum(others, keepdim=True) if others else law
                marginals[waits.name] = self._first(each, waits.name)
            else:
                waits.finish(self.expected(self._short(mean)))
        gain = self.expected(self._short(rest + own))
        values = {n: self._listed[n].values for n in names}
        tied = tuple(w.name for w in group if w.name not in names)
        return Gone(tuple(names), tied, gain, local, marginals, values)

    def _shifted(
        self, group: list[Waiting], names: Iterable[str], *, local: bool
    ) -> tuple[list[Tensor], Tensor]:
        """Zeros that stand for changes of all densities, and the log of their sum over `names`."""
        gone = {self._dim(n) for n in names}
        rank = max(w.table.dim() for w in group)
        free = [d for d in range(-rank, 0) if d not in gone and -d >= self.batch]
        wide = {d: max(_size(w.table, d) for w in group) for d in free}
        shifts, tables = [], list[Table]()
        sizes: dict[str, int] = {}
        for waits in group:
            plates = waits.plates
            sizes |= {name: size for name, size in plates.values()}
            shape = [
                wide.get(d, plates[d][1] if d in plates else _size(waits.table, d))
                for d in range(-rank, 0)
            ]
            shift = waits.table.new_zeros(shape).requires_grad_()
            shifts.append(shift)
            tables.append(self._table(waits, waits.table + shift, local=local))
        listed = {n: self._outside(self._listed[n], local=local) for n in names}
        total = log_sums_of(listed, sizes, tables)
        return shifts, self._laid_out(total, rank)

    def _outside(self, listed: Listed, *, local: bool) -> Listed:
        """A latent without the plate of the rows, of which each is summed by itself."""
        plates = listed.plates - {self.row} if local and self.row else listed.plates
        return Listed(listed.name, listed.values, plates, None, None, listed.dims)

    def _table(self, waits: Waiting, value: Tensor, *, local: bool) -> Table:
        names = {d: self._axis(d) for d in range(-value.dim(), 1 - self.batch)}
        names |= {d: plate for d, (plate, _) in waits.plates.items()}
        varying = [d for d in range(-value.dim(), 0) if value.shape[d] != 1]
        plates = frozenset(p for p, _ in waits.plates.values())
        plates -= {self.row} if local and self.row else set()
        squeezed = value.reshape([value.shape[d] for d in varying])
        return Table(squeezed, tuple(names[d] for d in varying), plates)

    def _axis(self, dim: int) -> str:
        """The name of a dimension in front of those of plates."""
        if dim == -self.batch:
            return PARTICLES
        name = self._dims[dim]
        return name if name in self._listed else f"*{name}"

    def _laid_out(self, total: Table, rank: int) -> Tensor:
        """A table over values, particles and rows as a tensor with dimensions of the program."""
        places = {self._axis(d): d for d in range(-rank, 1 - self.batch)}
        if self.row is not None:
            along = [v.dims[self.row] for v in self._listed.values() if self.row in v.dims]
            places |= dict.fromkeys([self.row], along[0]) if along else {}
        order = sorted(range(len(total.axes)), key=lambda i: places[total.axes[i]])
        value = total.value.permute(order)
        sizes = [1] * rank
        for i, size in zip(order, value.shape, strict=True):
            sizes[places[total.axes[i]]] = size
        return value.reshape(sizes)

    def _over(self, mean: Tensor, plates: Mapping[int, tuple[str, int]], *, local: bool) -> Tensor:
        """The sum over plates, but that of the rows where each row is summed by itself."""
        gone = [d for d, (name, _) in plates.items() if not (local and name == self.row)]
        return mean.sum(gone, keepdim=True) if gone else mean

    def _first(self, law: Tensor, name: str) -> Tensor:
        """Probabilities of values along the first dimension, then particles and plates."""
        dim = self._dim(name)
        moved = law.movedim(dim, 0)
        return moved.reshape(moved.shape[0], *moved.shape[moved.dim() - self.batch :])

    def _short(self, x: Tensor) -> Tensor:
        """Without leading dimensions of size 1 beyond those of particles and plates."""
        while x.dim() > self.batch and x.shape[0] == 1:
            x = x.squeeze(0)
        return x


def _size(x: Tensor, dim: int) -> int:
    return x.shape[dim] if -dim <= x.dim() else 1
