"""Hidden Markov chains, summed out along their sequence by the forward algorithm.

The program weighs states that it is given. `EveryPath` gives it every state at once, and every
state one step earlier on a further dimension; the densities that come back are the potentials of
a chain, which are contracted (Rabiner, A tutorial on hidden Markov models, 1989, section III).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyro
import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor

from gendsl.emit.chains import Chain
from gendsl.ir import nodes as ir
from gendsl.runtime.program import Executable
from gendsl.types import Index, Size

__all__ = [
    "EveryPath",
    "Place",
    "Potentials",
    "every_path",
    "log_partition",
    "marginals",
    "sampled_path",
    "summing_paths",
]

IMPOSSIBLE = -1e30
"""Stands for a log density of minus infinity, whose gradient would be NaN."""

TREE = 4_000_000
"""The most numbers that the contraction of neighbours in parallel may take."""


@dataclass(frozen=True)
class Place:
    """Where a chain stands in the tensors of a program.

    Attributes:
        chain: the latent.
        states: how many values it has.
        length: of its sequence.
        depth: of its sequence.
        plates: the depths of all its plates.
        dim: of its states, from the right; those one step earlier are one further left.
        whole: its values are whole numbers of a category.
    """

    chain: Chain
    states: int
    length: int
    depth: int
    plates: frozenset[int]
    dim: int
    whole: bool

    def values(self, dim: int) -> Tensor:
        """Every state, along one dimension."""
        dtype = torch.long if self.whole else torch.get_default_dtype()
        numbers = torch.arange(self.states).to(dtype) + self.chain.lowest
        return numbers.reshape((self.states,) + (1,) * (-dim - 1))

    def along(self, value: Tensor) -> Tensor:
        """The same at every step, for a program that picks out single ones."""
        sizes = list(value.shape)
        sizes[-self.depth] = self.length
        return value.expand(sizes)


def _places(executable: Executable, nesting: int, given: frozenset[str]) -> tuple[Place, ...]:
    """The chains of a program that are not `given`, their dimensions left of all plates.

    Args:
        executable: the program and its data.
        nesting: how many batch dimensions there are, with one for draws if there is one.
        given: latents whose values are known.
    """
    found: list[Place] = []
    depths = executable.program.layout.depths
    for chain in executable.program.chains:
        if chain.name in given:
            continue
        variable: ir.Variable = executable.model.variable(chain.name)
        found.append(
            Place(
                chain,
                chain.states.evaluate(executable.sizes),
                executable.sizes[chain.sequence],
                depths[chain.sequence],
                frozenset(depths[p] for p in variable.axes),
                -nesting - 1 - 2 * len(found),
                isinstance(variable.type.support, Index),
            )
        )
    return tuple(found)


@dataclass
class Potentials:
    """The log potentials of chains that are tied to one another, as one chain of joint states.

    Attributes:
        places: the chains.
        table: ``(*batch, step, joint state one step earlier, joint state)``; at the first step
            it does not depend on the former.
    """

    places: tuple[Place, ...]
    table: Tensor

    def separated(self, joint: Tensor) -> dict[str, Tensor]:
        """The values of each chain, from joint states ``(*batch, step)``."""
        found: dict[str, Tensor] = {}
        for place in reversed(self.places):
            value = joint % place.states + place.chain.lowest
            found[place.chain.name] = value if place.whole else value.to(self.table.dtype)
            joint = joint // place.states
        return found

    def tables(self, joint: Tensor) -> list[Tensor]:
        """What belongs to the states of each chain, ``(*batch, step, state)``, from joint ones."""
        states = [p.states for p in self.places]
        whole = joint.reshape(*joint.shape[:-1], *states)
        last = range(-len(states), 0)
        if len(states) == 1:
            return [whole]
        return [whole.sum([d for d in last if d != own]) for own in last]


@dataclass
class _Factor:
    log_prob: Tensor
    chains: frozenset[int]
    step: int | None


@dataclass
class EveryPath(Messenger):
    """Gives a program every state of its chains, and keeps the densities that depend on them.

    On leaving, their sum over all paths is added as one factor, unless `contract` is unset.

    Attributes:
        places: the chains.
        nesting: how many batch dimensions there are.
        plates: how many of them, from the right, are of plates; one further left is of draws.
        steps: for each site of a literal step, the step.
        contract: whether to add the factor.
        factors: what has been kept.
    """

    places: tuple[Place, ...]
    nesting: int
    plates: int
    steps: Mapping[str, int]
    contract: bool = True
    factors: list[_Factor] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._now = {p.chain.name: p.values(p.dim) for p in self.places}
        for place in self.places:
            name = place.chain.name
            if any(s > 0 and label == f"{name}[{s}]" for label, s in self.steps.items()):
                self._now[name] = place.along(self._now[name])
        self._before = {p.chain.before: p.values(p.dim - 1) for p in self.places}

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        name = msg["name"]
        value = self._now.get(name, self._before.get(name))
        if value is not None:
            msg["value"] = value
            msg["is_observed"] = msg["done"] = msg["stop"] = True
            return
        if not msg["is_observed"]:
            return
        fn = msg["fn"]
        rank = msg["value"].dim() - fn.event_dim
        if max(rank, len(fn.batch_shape)) <= self.nesting:
            return
        log_prob = fn.log_prob(msg["value"])
        tied = frozenset(i for i, p in enumerate(self.places) if self._depends(log_prob, p))
        if tied:
            msg["stop"] = True
            step = self.steps.get(name)
            lengths = (p.length for i, p in enumerate(self.places) if i in tied)
            if step is None or step < min(lengths):
                self.factors.append(_Factor(log_prob, tied, step))

    def _depends(self, log_prob: Tensor, place: Place) -> bool:
        shape = (1,) * (1 - place.dim - log_prob.dim()) + tuple(log_prob.shape)
        return place.states > 1 and place.states in (shape[place.dim], shape[place.dim - 1])

    def __enter__(self) -> EveryPath:
        self.factors.clear()
        super().__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:  # noqa: ANN401
        super().__exit__(*exception)
        if exception[0] is None and self.contract:
            for group in self.potentials():
                name = " and ".join(p.chain.name for p in group.places)
                pyro.factor(f"{name} summed out", log_partition(group.table).sum())

    def potentials(self) -> list[Potentials]:
        """Those of the chains, tied ones together."""
        groups: list[set[int]] = []
        for factor in self.factors:
            joined = set(factor.chains)
            for group in [g for g in groups if g & joined]:
                groups.remove(group)
                joined |= group
            groups.append(joined)
        return [self._potentials(sorted(g)) for g in groups if self.places[min(g)].length]

    def _potentials(self, group: list[int]) -> Potentials:
        chosen = tuple(self.places[i] for i in group)
        first = chosen[0]
        parts = [self._aligned(f, chosen) for f in self.factors if f.chains <= set(group)]
        shape = torch.broadcast_shapes(*(p.shape for p in parts))
        joint = math.prod(p.states for p in chosen)
        batch = shape[2 * len(chosen) : -1]
        table = torch.stack([p.expand(shape) for p in parts]).sum(0) if parts[1:] else parts[0]
        states = [p.states for p in chosen] * 2
        table = table.expand((*states, *batch, first.length))
        table = table.reshape((joint, joint, *batch, first.length))
        table = torch.movedim(table, (0, 1), (-2, -1))
        return Potentials(chosen, torch.clamp(table, min=IMPOSSIBLE))

    def _aligned(self, factor: _Factor, chosen: tuple[Place, ...]) -> Tensor:
        """(states one step earlier..., states..., *batch, step), sizes 1 where it is the same."""
        value = factor.log_prob
        most = self.nesting + 2 * len(self.places)
        value = value.reshape((1,) * (most - value.dim()) + tuple(value.shape))
        first = chosen[0]
        outside = [-d for d in range(1, self.plates + 1) if d not in first.plates]
        if outside:
            value = value.sum(outside, keepdim=True)
        dims = [p.dim - 1 for p in chosen] + [p.dim for p in chosen]
        dims += [-d for d in range(self.nesting, 0, -1) if d != first.depth] + [-first.depth]
        rest = [d for d in range(-most, 0) if d not in dims]
        value = value.permute(*rest, *dims)
        value = value.reshape(value.shape[len(rest) :])
        if factor.step is not None:
            after = first.length - factor.step - 1
            value = torch.nn.functional.pad(value, (factor.step, after))
        return value


def every_path(
    executable: Executable, given: frozenset[str], *, draws: bool = False, contract: bool = True
) -> EveryPath:
    """A handler that sums out the chains of a program that are not `given`.

    Args:
        executable: the program and its data.
        given: latents whose values are known.
        draws: whether there is a plate of draws left of all others.
        contract: whether to add the sum over all paths as a factor.
    """
    nesting = executable.nesting + draws
    return EveryPath(
        _places(executable, nesting, given),
        nesting,
        executable.nesting,
        dict(executable.program.steps),
        contract,
    )


def summing_paths(
    nesting: int,
    steps: Mapping[str, int],
    chains: Sequence[tuple[str, str | None, int, int, int, int, tuple[int, ...], bool]],
) -> EveryPath:
    """A handler that sums out chains, for a program that runs by itself.

    Args:
        nesting: how many batch dimensions there are.
        steps: for each site of a literal step, the step.
        chains: for each its name, the name of its states one step earlier, how many states it
            has, the least of them, the length and the depth of its sequence, the depths of all
            its plates, and whether its values are whole numbers of a category.
    """
    places: list[Place] = []
    for name, before, states, lowest, length, depth, plates, whole in chains:
        chain = Chain(name, before, "", Size.of(states), lowest)
        dim = -nesting - 1 - 2 * len(places)
        places.append(Place(chain, states, length, depth, frozenset(plates), dim, whole))
    return EveryPath(tuple(places), nesting, nesting, steps)


def _contracted(left: Tensor, right: Tensor) -> Tensor:
    """The product of matrices in the log semiring."""
    return torch.logsumexp(left.unsqueeze(-1) + right.unsqueeze(-3), -2)


def log_partition(table: Tensor) -> Tensor:
    """The log of the sum over all paths, for potentials as `Potentials` has them; (*batch)."""
    start, rest = table[..., 0, 0, :], table[..., 1:, :, :]
    states = table.shape[-1]
    if rest.shape[-3] * states**3 > TREE:
        total = start
        for pair in rest.unbind(-3):
            total = torch.logsumexp(total.unsqueeze(-1) + pair, -2)
    else:
        total = _in_parallel(start, rest)
    summed = torch.logsumexp(total, -1)
    return torch.where(summed < IMPOSSIBLE / 2, -math.inf, summed)


def _in_parallel(start: Tensor, rest: Tensor) -> Tensor:
    """The sum over all paths that end in each state, neighbours contracted pairwise."""
    while rest.shape[-3] > 1:
        even = rest.shape[-3] // 2 * 2
        joined = _contracted(rest[..., 0:even:2, :, :], rest[..., 1:even:2, :, :])
        rest = torch.cat([joined, rest[..., even:, :, :]], -3)
    if rest.shape[-3] == 0:
        return start
    return torch.logsumexp(start.unsqueeze(-1) + rest[..., 0, :, :], -2)


def sampled_path(table: Tensor) -> Tensor:
    """Joint states (*batch, step), drawn from their distribution.

    Forward filtering, backward sampling (Scott, Bayesian methods for hidden Markov models, Journal
    of the American Statistical Association 97, 2002).
    """
    pairs = table.unbind(-3)
    filtered = [pairs[0][..., 0, :]]
    for pair in pairs[1:]:
        filtered.append(torch.logsumexp(filtered[-1].unsqueeze(-1) + pair, -2))
    path = [torch.distributions.Categorical(logits=filtered[-1]).sample()]
    for state, pair in zip(reversed(filtered[:-1]), reversed(pairs[1:]), strict=True):
        later = path[-1][..., None, None].expand(*pair.shape[:-1], 1)
        logits = state + pair.gather(-1, later).squeeze(-1)
        path.append(torch.distributions.Categorical(logits=logits).sample())
    return torch.stack(path[::-1], -1)


def marginals(table: Tensor) -> Tensor:
    """The probability of each joint state at each step, (*batch, step, state).

    The gradient of the log partition function in the log potentials.
    """
    with torch.enable_grad():
        shift = torch.zeros(table.shape[:-2] + table.shape[-1:], requires_grad=True)
        total = log_partition(table.detach() + shift.unsqueeze(-2)).sum()
        (found,) = torch.autograd.grad(total, shift)
    return found
