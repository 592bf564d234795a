"""What a trained energy is used for: densities of rows, samples, and log Z."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, pi, prod
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from gendsl.runtime.energies.constants import Annealed, anneal
from gendsl.runtime.energies.exact import log_constant
from gendsl.runtime.energies.kernels import kernel_of
from gendsl.runtime.energies.packing import Packed
from gendsl.runtime.energies.samplers import (
    PACKED,
    BlockGibbs,
    Hmc,
    Kernel,
    Langevin,
    of_packed,
)
from gendsl.runtime.energies.steps import run_chains
from gendsl.runtime.energies.task import Task

__all__ = ["Constant", "Path", "annealed", "exact_constant", "log_weights", "samples"]

BASE_ROOM = 0.05
"""Frequencies of base bits keep this distance from 0 and 1 (Salakhutdinov and Murray 2008)."""


@dataclass(frozen=True)
class Constant:
    """Log Z, in nats.

    Attributes:
        value: the number.
        standard_error: of an estimate, None for an exact one.
        kind: ``exact``, ``learned``, or ``annealed``.
        upper: of an annealed one the estimate backwards from the chains of the training, where
            there are some: forwards the expectation of Z's logarithm is below log Z, backwards
            above if these were exact draws of the model, which chains need not be.
        effective: of an annealed one the effective number of chains. Neither way sees a part of
            the model that no chain visits, and neither error tells.
    """

    value: float
    standard_error: float | None
    kind: Literal["exact", "learned", "annealed"]
    upper: float | None = None
    effective: float | None = None

    def __str__(self) -> str:
        """One sentence."""
        if self.kind == "exact":
            return f"log Z = {self.value:.6g} nats, exact"
        if self.kind == "learned":
            return f"log Z = {self.value:.6g} nats, a learned param: no bound"
        text = f"log Z = {self.value:.6g} ± {self.standard_error:.2g} nats, by annealing"
        if self.upper is not None:
            text += f"; backwards {self.upper:.6g}"
        return f"{text}; {self.effective:.0f} effective chains"


def log_weights(task: Task) -> np.ndarray:
    """The unnormalised log density of each row, (rows,)."""
    parts = []
    for arguments, count in task.rows.chunks(task.rows.at_a_time(1)):
        given = task.arguments_of(arguments)
        found = task.log_density(task.values(given), given)
        rows = count if task.rows.plate is not None else 1
        parts.append(found.detach().sum(0).expand(rows).to(torch.float64).cpu().numpy())
    return np.concatenate(parts)


def exact_constant(task: Task) -> np.ndarray:
    """Exact log Z, one number, or one for each row where rows have inputs of their own."""
    given, _ = task.rows.spaced(task.rows.total)
    found = log_constant(task, task.arguments_of(given), normal=task.facts.quadratic)
    return np.asarray(found.detach().to(torch.float64).cpu().numpy()).reshape(-1)


def samples(
    task: Task,
    kernel: Kernel,
    rows: int,
    sweeps: int,
    start: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Values of all members after so many sweeps of independent chains, one for each row.

    Args:
        task: the block.
        kernel: a sweep.
        rows: how many chains.
        sweeps: how many of each.
        start: where they begin, by default at fair bits or standard normal numbers.
    """
    by_rows = task.rows.plate is not None
    given = task.sized(rows) if by_rows else task.arguments_of(task.rows.spaced(1)[0])
    chains = 0 if by_rows else rows
    begin = dict(start or {})
    for name in task.visible:
        if name not in begin:
            shape = task.shape(name, given, chains)
            fair = torch.full(shape, 0.5)
            begin[name] = torch.bernoulli(fair) if task.facts.binary else torch.randn(shape)
    values = run_chains(task, kernel, given, begin, sweeps)
    absent = [n for n in task.facts.units if not isinstance(kernel, BlockGibbs)]
    if absent:
        odds = task.odds(values, given)
        values |= {n: torch.bernoulli(torch.sigmoid(o)) for n, o in odds.items()}
    return values


class Path:
    """Densities between a base of independent entries and the model, units summed out."""

    def __init__(self, task: Task, chains: int, options: Mapping[str, object]) -> None:
        self.task = task
        by_rows = task.rows.plate is not None
        self.given = task.sized(chains) if by_rows else task.arguments_of(task.rows.spaced(1)[0])
        self.lead, self.options, self.chains = 0 if by_rows else chains, options, chains
        shapes = {n: task.shape(n, self.given, self.lead) for n in task.visible}
        self.packed = Packed(task, {n: torch.empty(s) for n, s in shapes.items()})
        x = self.data()
        self.mean = x.mean(0)
        if task.facts.binary:
            self.mean = self.mean.clamp(BASE_ROOM, 1 - BASE_ROOM)
        self.sd = x.std(0).clamp(min=1e-6) if len(x) > 1 else torch.ones_like(self.mean)

    def data(self) -> Tensor:
        """The visible values of the data, (rows, entries)."""
        task = self.task
        parts = task.values(task.arguments_of(task.rows.spaced(task.rows.total)[0]))
        return Packed(task, parts).pack(parts)

    def base(self, x: Tensor) -> Tensor:
        """The normalised log density of the base, for packed chains."""
        if self.task.facts.binary:
            odds = torch.logit(self.mean)
            return x @ odds - softplus(odds).sum()
        z = (x - self.mean) / self.sd
        return -0.5 * (z**2).sum(-1) - self.sd.log().sum() - 0.5 * x.shape[-1] * log(2 * pi)

    def draw(self) -> Tensor:
        """Exact draws of the base."""
        shape = (self.chains, len(self.mean))
        if self.task.facts.binary:
            return torch.bernoulli(self.mean.expand(shape))
        return self.mean + self.sd * torch.randn(shape)

    def tempered(self, share: float, x: Tensor) -> Tensor:
        """The log density at a share of the model: units see a share of the energy as well."""
        values = self.packed.unpack(x)
        weight = self.task.tempered(values, self.given, share)
        return (1 - share) * self.base(x) + weight.reshape(-1)

    def move(self, share: float, x: Tensor) -> Tensor:
        """One sweep that leaves the density at a share invariant."""
        kernel = kernel_of(self.task, self.options)
        if not isinstance(kernel, BlockGibbs):
            if isinstance(kernel, Langevin):
                kernel = Hmc(kernel.names, kernel.step)

            def visibly(held: Mapping[str, Tensor]) -> Tensor:
                return self.tempered(share, held[PACKED])

            return of_packed(kernel)(visibly, {PACKED: x}).values[PACKED]

        def jointly(values: Mapping[str, Tensor]) -> Tensor:
            own = (1 - share) * self.base(self.packed.pack(values))
            found = share * self.task.weigher(values, self.given)
            return own.reshape(found.shape) + found

        start = self.task.with_units(self.packed.unpack(x), self.given)
        return self.packed.pack(kernel(jointly, start).values)


def annealed(
    task: Task,
    options: Mapping[str, object],
    *,
    chains: int,
    steps: int,
    model_samples: Mapping[str, Any] | None = None,
) -> tuple[Annealed, Annealed | None]:
    """Estimates of log Z by annealing from independent entries with the data's moments.

    Args:
        task: the block; rows may have no inputs of their own.
        options: of the kernel.
        chains: how many.
        steps: densities on the way.
        model_samples: values of visible variables that chains of the model left, to go back from.
    """
    path = Path(task, chains, options)
    shares = np.linspace(0.0, 1.0, steps + 1).tolist()
    rows = 1 if task.rows.plate is None else chains
    units = sum(prod(task.shape(n, path.given)) for n in task.facts.units) // rows
    base = units * log(2.0)  # at a share of 0 units are fair coins
    forward = anneal(path.tempered, path.move, path.draw(), shares, base)
    if model_samples is None:
        return forward, None
    back = Path(task, chains, options)
    start = back.packed.pack(model_samples)
    return forward, anneal(back.tempered, back.move, start, shares, base, backward=True)
