"""Chains of the No-U-Turn sampler on a `Density`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gendsl.interrupts import raise_again
from gendsl.runtime.adaptation import Gathered, StepSize, opening, windows
from gendsl.runtime.density import Density
from gendsl.runtime.metric import Diagonal, Metric
from gendsl.runtime.native.build import NotNative
from gendsl.runtime.native.sampling import sample
from gendsl.runtime.potential import Potential, unflatten
from gendsl.runtime.progress import Phase
from gendsl.runtime.starting import Start, chain_start, without_start
from gendsl.runtime.trails import FACTS, NutsOptions, Trail
from gendsl.runtime.trajectory import Transition, reasonable_step, transition

__all__ = ["ChainReport", "ChainResult", "NutsOptions", "Report", "run_chain", "run_chains"]

Report = Callable[[int, int, Phase, float, int], None]
"""(iteration, total, "warmup" or "sampling", step size, divergences so far)."""

ChainReport = Callable[[int, int, int, Phase, float, int], None]
"""(chain, iteration, total, phase, step size, divergences)."""


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
            self.gathered.see(self.point.position, self.point.gradient, made.steps)
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

    def told(_: int, at: int, total: int, phase: Phase, step: float, lost: int) -> None:
        if report is not None:
            report(at, total, phase, step, lost)

    return run_chains(density, potential, options, [seed], 1, told)[0]


def run_chains(
    density: Density,
    potential: Potential,
    options: NutsOptions,
    seeds: Sequence[int],
    threads: int = 1,
    report: ChainReport | None = None,
) -> list[ChainResult]:
    """A chain for each seed, which determines every draw of it.

    Chains of compiled potentials are compiled as well and share `threads` threads; other chains
    run one after the other.

    Raises:
        DataError: GD821, where a chain finds no start.
    """
    trails: Sequence[Trail | None] | None = None
    if potential.native is not None:
        try:
            trails = sample(potential.native, seeds, options, threads, report)
        except NotNative:  # the potential came from the cache, and the compiler is gone
            trails = None
    if trails is None:
        trails = [
            _trail(density, potential, options, seed, number, report)
            for number, seed in enumerate(seeds)
        ]
    found = []
    for trail in trails:
        if trail is None:
            raise without_start(density)
        values = _constrained(density, potential, trail.positions)
        found.append(ChainResult(values, _stats(trail, options)))
    return found


def _trail(
    density: Density,
    potential: Potential,
    options: NutsOptions,
    seed: int,
    number: int,
    report: ChainReport | None,
) -> Trail:
    """A chain of which every step is Python's."""
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        start = chain_start(density, potential, rng, options.warmup)
        chain = _Chain(potential, start, options, rng)
    every = options.thin or 1  # without machine code no transition costs little
    total, lost = options.warmup + options.draws * every, 0
    positions = np.empty((options.draws * every, potential.size))
    facts = np.empty((options.draws * every, len(FACTS)))
    for iteration in range(total):
        warming = iteration < options.warmup
        with np.errstate(all="ignore"):  # infinite energies are expected
            made = chain.warm_up(iteration) if warming else chain.move()
        lost += made.diverging and not warming
        if not warming:
            positions[iteration - options.warmup] = made.point.position
            facts[iteration - options.warmup] = (
                made.point.potential,
                *(made.energy, made.accepted, made.depth, made.steps, made.diverging),
            )
        raise_again()
        if report is not None:
            phase: Phase = "warmup" if warming else "sampling"
            report(number, iteration + 1, total, phase, chain.step.value, lost)
    return Trail(positions, facts, chain.step.value).thinned(every)


def _constrained(
    density: Density, potential: Potential, positions: np.ndarray
) -> dict[str, np.ndarray]:
    with torch.no_grad():
        points = torch.as_tensor(positions, dtype=potential.dtype, device=potential.device)
        values = density.constrain(unflatten(density, points))
        return {n: np.array(v.cpu().numpy()) for n, v in values.items()}


def _stats(trail: Trail, options: NutsOptions) -> dict[str, np.ndarray]:
    depth = trail.of("depth").astype(np.int64)
    return {
        "diverging": trail.of("diverging").astype(bool),
        "lp": -trail.of("potential"),
        "energy": trail.of("energy").copy(),
        "tree_depth": depth,
        "n_steps": trail.of("steps").astype(np.int64),
        "acceptance_rate": trail.of("accepted").copy(),
        "reached_max_treedepth": depth >= options.max_tree_depth,
        "step_size": np.full(len(depth), trail.step),
    }
