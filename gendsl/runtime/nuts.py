"""One chain of the No-U-Turn sampler on a `Density`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from gendsl.interrupts import raise_again
from gendsl.runtime.adaptation import Gathered, StepSize, opening, windows
from gendsl.runtime.density import Density
from gendsl.runtime.metric import Diagonal, Metric
from gendsl.runtime.potential import Potential, unflatten
from gendsl.runtime.progress import Phase
from gendsl.runtime.starting import Start, chain_start
from gendsl.runtime.trajectory import Transition, reasonable_step, transition

__all__ = ["ChainResult", "NutsOptions", "Report", "run_chain"]

Report = Callable[[int, int, Phase, float, int], None]
"""(iteration, total, "warmup" or "sampling", step size, divergences so far)."""


@dataclass(frozen=True, slots=True)
class NutsOptions:
    """Options of the sampler, as in `gendsl.library.methods`."""

    draws: int = 1000
    warmup: int = 1000
    target_accept_prob: float = 0.8
    max_tree_depth: int = 10


@dataclass(frozen=True)
class ChainResult:
    """One chain: draws of the unknowns on their own scale, (draw, ...), and statistics."""

    values: dict[str, np.ndarray]
    stats: dict[str, np.ndarray]


class _Chain:
    """The state of a chain that adapts itself."""

    def __init__(
        self, potential: Potential, start: Start, options: NutsOptions, rng: np.random.Generator
    ) -> None:
        self.potential, self.point, self.options, self.rng = potential, start.point, options, rng
        known = start.variances
        self.metric: Metric = Diagonal(np.ones(potential.size) if known is None else known)
        self.gathered = Gathered()
        self.step = StepSize(options.target_accept_prob)
        self.ends = windows(options.warmup)
        self.opens = opening(options.warmup)
        self._restart_step()

    def _restart_step(self) -> None:
        self.step.restart(
            reasonable_step(self.potential, self.rng, self.point, self.metric, self.step.value)
        )

    def move(self) -> Transition:
        """One transition."""
        made = transition(
            self.potential,
            self.rng,
            self.point,
            self.metric,
            self.step.value,
            self.options.max_tree_depth,
        )
        self.point = made.point
        return made

    def warm_up(self, iteration: int) -> Transition:
        """One transition that the chain learns from; iterations count from 0."""
        made = self.move()
        self.step.learn(made.accepted)
        if self.ends and self.opens <= iteration < self.ends[-1]:
            self.gathered.see(self.point.position)
            if iteration + 1 in self.ends:
                self.metric = self.gathered.metric()
                self._restart_step()
        if iteration + 1 == self.options.warmup:
            self.step.settle()
        return made


def run_chain(
    density: Density,
    potential: Potential,
    options: NutsOptions,
    seed: int,
    report: Report | None = None,
) -> ChainResult:
    """Adapt, then sample; `seed` determines every draw."""
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        start = chain_start(density, potential, rng, options.warmup)
        chain = _Chain(potential, start, options, rng)
    total, lost = options.warmup + options.draws, 0
    positions = np.empty((options.draws, potential.size))
    kept: list[Transition] = []
    for iteration in range(total):
        warming = iteration < options.warmup
        with np.errstate(all="ignore"):  # infinite energies are expected
            made = chain.warm_up(iteration) if warming else chain.move()
        lost += made.diverging and not warming
        if not warming:
            positions[len(kept)] = made.point.position
            kept.append(made)
        raise_again()
        if report is not None:
            phase: Phase = "warmup" if warming else "sampling"
            report(iteration + 1, total, phase, chain.step.value, lost)
    return ChainResult(_constrained(density, potential, positions), _stats(kept, chain))


def _constrained(
    density: Density, potential: Potential, positions: np.ndarray
) -> dict[str, np.ndarray]:
    with torch.no_grad():
        points = torch.as_tensor(positions, dtype=potential.dtype, device=potential.device)
        values = density.constrain(unflatten(density, points))
        return {n: np.array(v.cpu().numpy()) for n, v in values.items()}


def _stats(kept: list[Transition], chain: _Chain) -> dict[str, np.ndarray]:
    depth = np.array([t.depth for t in kept], dtype=np.int64)
    return {
        "diverging": np.array([t.diverging for t in kept], dtype=bool),
        "lp": np.array([-t.point.potential for t in kept]),
        "energy": np.array([t.energy for t in kept]),
        "tree_depth": depth,
        "n_steps": np.array([t.steps for t in kept], dtype=np.int64),
        "acceptance_rate": np.array([t.accepted for t in kept]),
        "reached_max_treedepth": depth >= chain.options.max_tree_depth,
        "step_size": np.full(len(kept), chain.step.value),
    }
