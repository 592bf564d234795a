"""What a chain is told to do, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["FACTS", "NutsOptions", "Trail"]

FACTS = ("potential", "energy", "accepted", "depth", "steps", "diverging")
"""What is told of each transition, by number."""


@dataclass(frozen=True, slots=True)
class NutsOptions:
    """Options of the sampler, as in `gendsl.library.methods`.

    `thin` transitions lead to each draw that is kept; None for as many as cost little.
    """

    draws: int = 1000
    warmup: int = 1000
    target_accept_prob: float = 0.8
    max_tree_depth: int = 10
    thin: int | None = 1


@dataclass(frozen=True, slots=True)
class Trail:
    """The part of a chain that is kept.

    Attributes:
        positions: unconstrained coordinates, (draw, size).
        facts: `FACTS` of the transition to each, (draw, 6).
        step: the step size at the end.
    """

    positions: np.ndarray
    facts: np.ndarray
    step: float

    def of(self, fact: str) -> np.ndarray:
        """One fact of every transition."""
        found: np.ndarray = self.facts[:, FACTS.index(fact)]
        return found

    def thinned(self, every: int) -> Trail:
        """Every so many-th draw; steps are added up, and no divergence is lost."""
        if every == 1:
            return self
        last = slice(every - 1, None, every)
        groups = self.facts.reshape(-1, every, len(FACTS))
        facts = self.facts[last].copy()
        for fact, together in (("steps", np.sum), ("diverging", np.max), ("depth", np.max)):
            place = FACTS.index(fact)
            facts[:, place] = together(groups[..., place], axis=1)
        return Trail(self.positions[last].copy(), facts, self.step)
