"""Binary units that interact with themselves, in classes that are drawn at once.

Units interact where the second derivative of the log density by both is not zero at random values
and random params: the graph of a Markov random field. Units of one colour have no edge between
them, so that given all others they are independent. A log density of degree 2 at most in a unit
by itself gains by its flip what its derivative is half way, which is verified at random states.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendsl.runtime.energies.exact import of_one
from gendsl.runtime.energies.task import Task

__all__ = ["Group", "coloured", "greedy"]

Group = tuple[tuple[str, ...], Mapping[str, Tensor]]
"""Variables, and for each of them a mask of the entries that are drawn together."""

MOST_UNITS = 10_000
"""The graph of more units is not looked for."""

MOST_COLOURS = 128
"""Each colour costs a derivative in every sweep."""

AT_A_TIME = 256
"""Units whose derivatives are taken together."""

SPREAD = 0.1
"""The sd of the random params."""


def coloured(task: Task) -> tuple[Group, ...] | None:
    """The groups of the binary members of a row that are drawn together.

    Returns:
        None where there are too many units or colours, or where derivatives do not tell what a
        flip gains. What is found is kept with the task.
    """
    if "colours" not in task.known:
        with torch.enable_grad(), torch.random.fork_rng(), _generic(task):
            torch.manual_seed(0)
            task.known["colours"] = _Units(task).groups()
    found: tuple[Group, ...] | None = task.known["colours"]
    return found


@contextmanager
def _generic(task: Task) -> Iterator[None]:
    """Random params, and weights where they are 0, so that no product vanishes by chance."""
    free = list(task.learned.free.values())
    weights = [p for net in task.learned.nets.values() for p in net.parameters()]
    kept = [t.detach().clone() for t in (*free, *weights)]
    try:
        with torch.no_grad():
            for t in free:
                t.copy_(SPREAD * torch.randn_like(t))
            for t in weights:
                t.copy_(torch.where(t == 0, SPREAD * torch.randn_like(t), t))
        yield
    finally:
        with torch.no_grad():
            for t, value in zip((*free, *weights), kept, strict=True):
                t.copy_(value)


def greedy(adjacent: np.ndarray) -> np.ndarray:
    """Colours of the vertices of a graph, from 0, breadth first: 2 where it is bipartite.

    Args:
        adjacent: symmetric truth values, (vertices, vertices); the diagonal is ignored.
    """
    count = len(adjacent)
    colours = np.full(count, -1)
    for root in range(count):
        queue = deque([root] if colours[root] < 0 else [])
        seen = set(queue)
        while queue:
            vertex = queue.popleft()
            near = [v for v in np.flatnonzero(adjacent[vertex]).tolist() if v != vertex]
            taken = {int(colours[v]) for v in near}
            colours[vertex] = next(c for c in range(count) if c not in taken)
            fresh = [v for v in near if colours[v] < 0 and v not in seen]
            seen.update(fresh)
            queue.extend(fresh)
    return colours


class _Units:
    """All binary entries of a row, one after the other."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.given: Mapping[str, Any] = of_one(
            task, task.arguments_of(task.rows.spaced(task.rows.total)[0])
        )
        self.shapes = {n: task.shape(n, self.given) for n in (*task.visible, *task.facts.units)}
        self.singles = {n: self._single(n) for n in self.shapes}
        self.count = sum(prod(s) for s in self.singles.values())

    def _single(self, name: str) -> tuple[int, ...]:
        """The shape of a variable of one row."""
        shape, row = self.shapes[name], self.task.weigher.layout.row
        if row is None:
            return shape
        at = len(shape) - self.task.event(name) + row
        return (*shape[:at], 1, *shape[at + 1 :])

    def values(self, x: Tensor) -> dict[str, Tensor]:
        """Variables by name, from (chains, units): all rows are given the same."""
        found, begin = {}, 0
        for name, single in self.singles.items():
            width = prod(single)
            part = x[:, begin : begin + width].reshape(-1, *single)
            found[name] = part.expand(-1, *self.shapes[name])
            begin += width
        return found

    def weigh(self, x: Tensor) -> Tensor:
        """Log densities, (chains, rows)."""
        found = self.task.weigher(self.values(x), self.given)
        return found.expand(len(x), found.shape[1])

    def slopes(self, x: Tensor, own: Tensor) -> Tensor:
        """The derivatives of each chain by the unit `own` of it, in each row: (chains, rows)."""
        held = {n: v.detach().clone().requires_grad_() for n, v in self.values(x).items()}
        slopes = self._by_units(held, self.task.weigher(held, self.given).sum())
        return slopes[torch.arange(len(x)), :, own]

    def _by_units(self, held: Mapping[str, Tensor], total: Tensor) -> Tensor:
        """Derivatives of a number, (chains, rows, units)."""
        parts = torch.autograd.grad(
            total, list(held.values()), create_graph=True, materialize_grads=True
        )
        layout = self.task.weigher.layout
        local = layout.row is not None
        entries = [
            layout.entries(part, self.task.event(n), local=local)
            for n, part in zip(held, parts, strict=True)
        ]
        return torch.cat(entries, -1)

    def pieces(self) -> Iterator[Tensor]:
        """The numbers of all units, some at a time."""
        yield from torch.arange(self.count).split(AT_A_TIME)

    def adjacent(self) -> np.ndarray | None:
        """Which units interact in any row, (units, units); None where that is not a number."""
        found = []
        for own in self.pieces():
            x = torch.rand(len(own), self.count)
            held = {n: v.clone().requires_grad_() for n, v in self.values(x).items()}
            slopes = self._by_units(held, self.task.weigher(held, self.given).sum())
            if not slopes.requires_grad:  # nothing interacts
                found.append(torch.zeros(len(own), self.count, dtype=torch.bool))
                continue
            total = slopes[torch.arange(len(own)), :, own].sum()
            second = self._by_units(held, total).detach()
            if not bool(second.isfinite().all()):
                return None
            found.append((second != 0).any(1))
        edges = torch.cat(found).cpu().numpy()
        return np.asarray(edges | edges.T)

    def groups(self) -> tuple[Group, ...] | None:
        if self.count > MOST_UNITS:
            return None
        adjacent = self.adjacent()
        if adjacent is None:
            return None
        colours = torch.as_tensor(greedy(adjacent))
        most = int(colours.max()) + 1
        if most > MOST_COLOURS or not self.verified(colours):
            return None
        return tuple(self._group(colours == c) for c in range(most))

    def _group(self, chosen: Tensor) -> Group:
        found, begin = {}, 0
        for name, single in self.singles.items():
            mask = chosen[begin : begin + prod(single)].reshape(single)
            begin += prod(single)
            if bool(mask.any()):
                found[name] = mask
        return tuple(found), found

    def verified(self, colours: Tensor) -> bool:
        """Whether derivatives half way are what flips gain, at a random state for each unit."""
        for own in self.pieces():
            at = torch.arange(len(own))
            states = torch.bernoulli(torch.full((len(own), self.count), 0.5))
            up, down = states.clone(), states.clone()
            up[at, own], down[at, own] = 1.0, 0.0
            here, there = self.weigh(up).detach(), self.weigh(down).detach()
            half = torch.where(colours == colours[own][:, None], 0.5, states)
            gains, slopes = here - there, self.slopes(half, own).detach()
            rounding = torch.finfo(gains.dtype).eps
            scale = 64 * rounding * here.abs().max() + rounding**0.5 * gains.abs().max()
            if not bool(((gains - slopes).abs() <= scale).all()):
                return False
        return True
