"""Bounds from several weighted draws for each row: importance weighted, and Renyi's.

With w_k = p(x, z_k) / q(z_k), the importance-weighted bound is E log((1/K) sum_k w_k) (Burda,
Grosse and Salakhutdinov 2016). Where latents outside the plate of the rows are drawn anew for each
particle, weights are of all rows jointly, which needs all rows in the batch; where these are drawn
once for all particles, rows are weighted by themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gendsl.runtime.objectives.gradients import mean_of_others, score_latents, scores
from gendsl.runtime.objectives.schedules import START, Clock, Weight, as_schedule
from gendsl.runtime.objectives.sites import Gate, ObjectiveError, Sites
from gendsl.runtime.objectives.terms import Memory, Outcome, bound_terms

__all__ = ["Importance", "Iwae", "Renyi", "importance", "log_mean"]


@dataclass(frozen=True, slots=True, eq=False)
class Importance:
    """Logarithms of importance weights.

    Attributes:
        log_w: (particles, rows), or (particles, 1) where rows are weighted jointly.
        shared: log p - log q of what is drawn once for all particles and rows.
        joint: whether rows are weighted jointly.
        total: the number of all rows.
    """

    log_w: Tensor
    shared: Tensor
    joint: bool
    total: int

    def per_row(self, bounds: Tensor) -> Tensor:
        """The bound per row from those of rows, (rows,) or (1,)."""
        if self.joint:
            return bounds.sum() / self.total
        return bounds.mean() + self.shared / self.total


def log_mean(x: Tensor) -> Tensor:
    """The logarithm of the mean of exp(x) over the first axis."""
    return torch.logsumexp(x, 0) - math.log(x.shape[0])


def importance(sites: Sites, weight: float = 1.0) -> Importance:
    """The importance weights of particles, with log p - log q of latents times `weight`.

    Raises:
        ObjectiveError: rows are not independent given what is drawn once, and not all here.
    """
    if sites.probabilities is not None:
        raise ObjectiveError("importance weights need draws, but all values are tried in turn")
    for site in sites.latents:
        if site.summed:
            raise ObjectiveError(f"importance weights need draws, but {site.name} is summed out")
    zero = next(iter(sites)).log_p.new_zeros(())
    of_rows = zero.expand(sites.particles, sites.rows)
    of_all = zero.expand(1, 1)
    for site in sites:
        gain = site.log_p
        if site.log_q is not None and not site.observed:
            gain = weight * (site.log_p - site.log_q)
        of_rows, of_all = (of_rows + gain, of_all) if site.local else (of_rows, of_all + gain)
    if of_all.shape[0] == 1:
        if sites.particles > 1:
            sites.independent_rows("an importance-weighted bound")
        return Importance(of_rows, of_all.squeeze(), joint=False, total=sites.total)
    if sites.rows != sites.total:
        message = (
            "an importance-weighted bound of some of the rows needs latents outside their plate"
            " to be drawn once for all particles"
        )
        raise ObjectiveError(message)
    joint = of_all + of_rows.sum(1, keepdim=True)
    return Importance(joint, zero, joint=True, total=sites.total)


@dataclass(frozen=True)
class Iwae:
    """The importance-weighted bound.

    Attributes:
        particles: draws for each row.
        gradient: "total", by reparameterisation and, for latents that are not reparameterised,
            by the score function with the baselines of VIMCO (Mnih and Rezende 2016); or "doubly",
            the doubly reparameterised gradient for the guide (Tucker et al. 2019), whose
            signal does not vanish against its noise as particles grow in number.
        weight: of log p - log q of latents in the importance weights that are trained: a warm-up
            from 0 to 1, as of the KL. What is reported is the bound itself.
    """

    particles: int = 5
    gradient: Literal["total", "doubly"] = "total"
    weight: Weight = 1.0

    def __post_init__(self) -> None:
        if self.particles < 1:
            raise ValueError(f"there cannot be {self.particles} particles")
        if self.gradient == "doubly" and self.weight != 1.0:
            raise ValueError("the doubly reparameterised gradient is that of the bound itself")

    @property
    def title(self) -> str:
        """What summaries call it."""
        return f"IWAE-{self.particles}"

    def __call__(
        self, sites: Sites, clock: Clock = START, memory: Memory | None = None
    ) -> Outcome:
        """The loss at draws.

        Raises:
            ObjectiveError: the sites do not allow this objective.
        """
        del memory
        _as_many(sites, self.particles)
        weights = importance(sites)
        if self.gradient == "doubly":
            value = _doubly(sites, weights)
            return _outcome(sites, value, value.detach(), self.title)
        weight = as_schedule(self.weight)(clock)
        trained = weights if weight == 1.0 else importance(sites, weight)
        value = trained.per_row(log_mean(trained.log_w) + _vimco(sites, trained))
        plain = weights.per_row(log_mean(weights.log_w)).detach()
        return _outcome(sites, value, plain, self.title, changed=weight != 1.0)


@dataclass(frozen=True)
class Renyi:
    """Renyi's bound (Li and Turner 2016): log(mean of w^(1 - alpha)) / (1 - alpha).

    At alpha = 0 it is the importance-weighted bound, at 1 the evidence lower bound. It falls with
    alpha, so for alpha >= 0 it is a lower bound in expectation; for alpha < 0 it is none.

    Attributes:
        alpha: the order.
        particles: draws for each row.
    """

    alpha: float
    particles: int = 5

    def __post_init__(self) -> None:
        if self.particles < 1:
            raise ValueError(f"there cannot be {self.particles} particles")
        if not math.isfinite(self.alpha):
            raise ValueError(f"the order is {self.alpha}: it has to be finite")

    @property
    def title(self) -> str:
        """What summaries call it."""
        return f"Renyi's bound of order {self.alpha:g}"

    def __call__(
        self, sites: Sites, clock: Clock = START, memory: Memory | None = None
    ) -> Outcome:
        """The loss at draws; `Outcome.bound` is the importance-weighted one.

        Raises:
            ObjectiveError: the sites do not allow this objective.
        """
        del clock, memory
        _as_many(sites, self.particles)
        left = score_latents(sites)
        if left:
            raise ObjectiveError(
                f"Renyi's bound needs draws with derivatives: {left[0].name} has none"
            )
        weights = importance(sites)
        order = 1.0 - self.alpha
        log_w = weights.log_w
        bounds = log_w.mean(0) if order == 0 else log_mean(order * log_w) / order
        value = weights.per_row(bounds)
        plain = weights.per_row(log_mean(log_w)).detach()
        return _outcome(sites, value, plain, f"IWAE-{self.particles}", changed=self.alpha != 0)


def _as_many(sites: Sites, particles: int) -> None:
    if sites.particles != particles:
        raise ObjectiveError(f"{sites.particles} particles were drawn, not {particles}")


def _outcome(
    sites: Sites, value: Tensor, bound: Tensor, name: str, *, changed: bool = False
) -> Outcome:
    with torch.no_grad():
        plain = bound_terms(sites, "sampled")
        terms = {term.name: sites.per_row(term.value, local=term.local) for term in plain}
        terms |= {"bound": bound}
    return Outcome(-value, terms, bound, name, modified=changed, points=sites.points)


def _vimco(sites: Sites, weights: Importance) -> Tensor:
    """Zeros, (rows,) or (1,), whose gradient is the score-function part of the bound's.

    The signal of a particle is the bound less what it would be with the geometric mean of the
    other weights in this particle's place, which does not depend on the particle.
    """
    chosen = score_latents(sites)
    log_w = weights.log_w
    if not chosen:
        return log_w.new_zeros(log_w.shape[1])
    for site in chosen:
        if site.latent[1].shape[0] < sites.particles:
            raise ObjectiveError(
                f"{site.name} is drawn once for all particles: it needs draws with derivatives"
            )
    with torch.no_grad():
        signal = log_mean(log_w) - _without_each(log_w.detach())
    parts = [(s.latent[1] - s.latent[1].detach()) for s in chosen]
    if weights.joint:
        parts = [part.sum(1, keepdim=True) for part in parts]
    return sum(((part * signal).sum(0) for part in parts), log_w.new_zeros(log_w.shape[1]))


def _without_each(log_w: Tensor) -> Tensor:
    """The bound with each particle's weight replaced by the geometric mean of the others."""
    particles = log_w.shape[0]
    if particles == 1:
        return torch.zeros_like(log_w)
    itself = torch.eye(particles, dtype=torch.bool, device=log_w.device).unsqueeze(-1)
    replaced = torch.where(itself, mean_of_others(log_w).unsqueeze(0), log_w.unsqueeze(1))
    return torch.logsumexp(replaced, 0) - math.log(particles)


def _doubly(sites: Sites, weights: Importance) -> Tensor:
    """The bound per row with the doubly reparameterised gradient.

    For the model's parameters sum_k v_k d log w_k with v_k the normalised weights, for the guide's
    sum_k v_k^2 (d log w_k / d z_k) (d z_k / d phi): the second v_k is put onto the gradient that
    arrives at the draws.
    """
    for site in sites.latents:
        if not site.reparameterised:
            raise ObjectiveError(
                f"the doubly reparameterised gradient needs draws with derivatives: {site.name}"
                " has none"
            )
    if weights.joint or any(not site.local for site in sites.latents):
        raise ObjectiveError(
            "the doubly reparameterised gradient is for latents in the plate of the rows"
        )
    found = scores(sites)
    share = torch.softmax(weights.log_w.detach(), 0)
    _weigh(sites, share)
    value = (share * weights.log_w).sum(0)
    for site in sites.latents:
        score = found[site.name]
        value = value + (share * (score - score.detach())).sum(0)
        if sites.gate is not None:  # what arrives through the guide's density has passed no gate
            path = site.latent[1] - score
            value = value + (share * (1 - share) * (path - path.detach())).sum(0)
    bound = log_mean(weights.log_w).detach()
    return weights.per_row(value + (bound - value).detach())


def _weigh(sites: Sites, share: Tensor) -> None:
    """Weigh the gradients that arrive at the draws."""
    if sites.gate is not None:
        sites.gate.weights = share
        return
    for site in sites.latents:
        if site.q_parents:
            raise ObjectiveError(
                f"the guide of {site.name} depends on {min(site.q_parents)}: the doubly"
                " reparameterised gradient needs a gate before the model"
            )
    gate = Gate(sites.layout)
    gate.weights = share
    for site in sites.latents:
        gate.watch(site.value, len(site.latent[0].event_shape), local=site.local)
