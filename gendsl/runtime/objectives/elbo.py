"""The evidence lower bound, with weights, floors and penalties on request.

With all weights 1 it is E_q[log p(x, z) - log q(z)] of a row. With the weight of "kl" at beta it
is the objective of a beta-VAE, of which only beta >= 1 gives a bound, and never the evidence lower
bound: `Outcome.bound` is that, whatever is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from gendsl.runtime.objectives.gradients import Baseline, path_terms, score_terms
from gendsl.runtime.objectives.kl import Way
from gendsl.runtime.objectives.schedules import START, Clock, Weight, as_schedule
from gendsl.runtime.objectives.sites import ObjectiveError, Sites
from gendsl.runtime.objectives.terms import (
    KL,
    LOG_LIKELIHOOD,
    FreeBits,
    Memory,
    Outcome,
    Penalty,
    Term,
    bound_terms,
    floored,
    weight_of,
)

__all__ = ["Elbo", "Likelihood", "info_vae"]


@dataclass(frozen=True)
class Elbo:
    """The evidence lower bound.

    Attributes:
        particles: draws for each row.
        weights: of "kl" and "log_likelihood", and of single variables, which go before these.
        kl: whether divergences are by formula.
        gradient: of log q, "total", or along the path of the draws only: "path", which leaves out
            the score, of expectation 0 (Roeder et al. 2017, "Sticking the landing"). The variance
            of the gradient is then 0 where the guide is exact; divergences are sampled.
        baseline: what is subtracted from the signal of latents that are not reparameterised.
        free_bits: a floor for divergences.
        penalties: further terms of the loss.
    """

    particles: int = 1
    weights: Mapping[str, Weight] = field(default_factory=dict)
    kl: Way = "auto"
    gradient: Literal["total", "path"] = "total"
    baseline: Baseline = "auto"
    free_bits: FreeBits | None = None
    penalties: tuple[Penalty, ...] = ()

    def __post_init__(self) -> None:
        if self.particles < 1:
            raise ValueError(f"there cannot be {self.particles} particles")
        if self.gradient == "path" and (self.kl == "analytic" or self.free_bits is not None):
            raise ValueError("the gradient along the path needs divergences that are sampled")

    @property
    def title(self) -> str:
        """What summaries call it."""
        return "ELBO"

    def __call__(
        self, sites: Sites, clock: Clock = START, memory: Memory | None = None
    ) -> Outcome:
        """The loss at draws.

        Raises:
            ObjectiveError: the sites do not allow this objective.
        """
        self._check(sites)
        plain = bound_terms(sites, "sampled" if self.gradient == "path" else self.kl)
        trained = path_terms(sites, plain) if self.gradient == "path" else plain
        if self.free_bits is not None:
            trained = floored(sites, trained, self.free_bits, clock)
        weights = {term.name: weight_of(self.weights, term, clock) for term in trained}
        kept = [term for term in trained if weights[term.name] != 0]  # 0 times infinity is no 0
        gains = [(weights[term.name] * term.gain, term.local) for term in kept]
        gain = _total([sites.per_row(value, local=local) for value, local in gains])
        loss = -gain - score_terms(sites, gains, self.baseline, memory)
        values = {term.name: sites.per_row(term.value, local=term.local) for term in plain}
        for penalty in self.penalties:
            values[penalty.name] = penalty(sites)
            weights[penalty.name] = as_schedule(penalty.weight)(clock)
            loss = loss + weights[penalty.name] * values[penalty.name]
        return self._outcome(sites, plain, loss, values, weights)

    def _outcome(
        self,
        sites: Sites,
        plain: tuple[Term, ...],
        loss: Tensor,
        values: dict[str, Tensor],
        weights: dict[str, float],
    ) -> Outcome:
        with torch.no_grad():
            bound = _total([sites.per_row(term.gain, local=term.local) for term in plain])
        changed = {name: weight for name, weight in weights.items() if weight != 1}
        extra = any(weights[penalty.name] for penalty in self.penalties)
        return Outcome(
            loss=loss,
            terms={name: value.detach() for name, value in values.items()} | {"bound": bound},
            bound=bound,
            bound_name="ELBO",
            modified=extra or self.free_bits is not None or any(t.name in changed for t in plain),
            analytic=frozenset(term.site for term in plain if term.analytic),
            points=sites.points,
            weights=changed,
        )

    def _check(self, sites: Sites) -> None:
        if sites.probabilities is None and sites.particles != self.particles:
            found = f"{sites.particles} particles were drawn, not {self.particles}"
            raise ObjectiveError(found)
        for name in self.weights:
            if name not in (KL, LOG_LIKELIHOOD) and name not in sites.sites:
                raise ObjectiveError(f"there is a weight for {name}, which is no variable")


@dataclass(frozen=True)
class Likelihood(Elbo):
    """The log likelihood of models in which nothing is latent: the bound is exact there."""

    @property
    def title(self) -> str:
        """What summaries call it."""
        return "log likelihood"


def info_vae(penalty: Penalty, alpha: float, particles: int = 1) -> Elbo:
    """InfoVAE: log likelihood - (1 - alpha) KL - (alpha + lambda - 1) D(q(z), p(z)).

    Zhao, Song and Ermon (2019), "InfoVAE". The weight of `penalty`, a divergence of
    the aggregated posterior as `MaximumMeanDiscrepancy`, is alpha + lambda - 1. At alpha = 1 there
    is no KL: the MMD-VAE, to which their theorem, for alpha < 1, does not apply.
    """
    return Elbo(particles=particles, weights={KL: 1.0 - alpha}, penalties=(penalty,))


def _total(parts: list[Tensor]) -> Tensor:
    """The sum of numbers."""
    if not parts:
        raise ObjectiveError("there is no random variable with a weight other than 0")
    return torch.stack(parts).sum()
