"""The named terms of a bound, and what an objective gives.

Everything is in nats. Log likelihoods are gains, divergences and penalties are costs, and each is
reported as what it is called: a divergence is positive. Numbers are means over the rows of a batch
and over particles; what stands outside the plate of the rows is divided by the number of all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from gendsl.runtime.objectives.kl import Way, divergence, divergence_by_entry
from gendsl.runtime.objectives.schedules import Clock, Weight, as_schedule
from gendsl.runtime.objectives.sites import ObjectiveError, Site, Sites

__all__ = [
    "KL",
    "LOG_LIKELIHOOD",
    "FreeBits",
    "GuideLikelihood",
    "Memory",
    "Objective",
    "Outcome",
    "Penalty",
    "Term",
    "bound_terms",
    "floored",
    "weight_of",
]

KL = "kl"
LOG_LIKELIHOOD = "log_likelihood"

Memory = MutableMapping[str, Tensor]
"""What an objective keeps from step to step: plain tensors, to be stored with a checkpoint."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A part of the evidence lower bound.

    Attributes:
        site: the variable it belongs to.
        group: "log_likelihood" or "kl".
        value: (particles or 1, rows or 1).
        local: whether the variable is in the plate of the rows.
        analytic: whether it is an expectation by formula.
    """

    site: str
    group: str
    value: Tensor
    local: bool
    analytic: bool = False

    @property
    def name(self) -> str:
        """What the term is reported as."""
        return f"{self.group}.{self.site}"

    @property
    def gain(self) -> Tensor:
        """What it adds to the bound."""
        return -self.value if self.group == KL else self.value


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What an objective gives for a batch.

    Attributes:
        loss: to be minimised, per row.
        terms: the terms before they are weighted, per row, and "bound"; cut from the graph.
        bound: the unmodified bound at these draws, per row, whatever was trained.
        bound_name: which bound that is: "ELBO", "IWAE-5".
        modified: whether the objective differs from that bound.
        analytic: the latents whose divergence is by formula.
        points: latents whose guide is a point, with which `bound` is none.
        weights: the weights of terms and penalties that are not 1.
    """

    loss: Tensor
    terms: Mapping[str, Tensor]
    bound: Tensor
    bound_name: str
    modified: bool = False
    analytic: frozenset[str] = frozenset()
    points: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """What is trained: a loss of the densities at draws from the guide."""

    @property
    def particles(self) -> int:
        """The number of draws for each row that it needs."""
        ...

    @property
    def title(self) -> str:
        """What summaries call it."""
        ...

    def __call__(self, sites: Sites, clock: Clock = ..., memory: Memory | None = None) -> Outcome:
        """The loss at draws; `memory` is read and written.

        Raises:
            ObjectiveError: the sites do not allow this objective.
        """
        ...


class Penalty(Protocol):
    """A further term, which is not part of a bound."""

    @property
    def name(self) -> str:
        """What it is reported as."""
        ...

    @property
    def weight(self) -> Weight:
        """What multiplies it in the loss."""
        ...

    def __call__(self, sites: Sites) -> Tensor:
        """Its value, a number per row, to be made small."""
        ...


@dataclass(frozen=True)
class GuideLikelihood:
    """-log q of a variable where it is observed, as a further loss of the guide.

    In a semi-supervised model the guide of a label is trained on rows without one only; this
    trains it on the others (Kingma et al. 2014, equation 9). Not to be used for labels that
    are missing.

    Attributes:
        site: the observed variable, which has `log_q`.
        weight: what multiplies it in the loss.
    """

    site: str
    weight: Weight = 1.0

    @property
    def name(self) -> str:
        """What it is reported as."""
        return f"guide.{self.site}"

    def __call__(self, sites: Sites) -> Tensor:
        """Its value per row.

        Raises:
            ObjectiveError: the variable is no observed one with a guide.
        """
        site = sites.sites.get(self.site)
        if site is None or not site.observed or site.log_q is None:
            raise ObjectiveError(f"{self.site} is no observed variable with a guide")
        return -sites.per_row(site.log_q, local=site.local)


@dataclass(frozen=True, slots=True)
class FreeBits:
    """A floor below which a divergence costs nothing more: max(nats, KL).

    Kingma et al. (2016), "Improved variational inference with inverse autoregressive flow",
    appendix C.8: the mean over the batch is compared. Below the floor there is no gradient.

    Attributes:
        nats: the floor.
        per: of each entry of a latent, or of each latent as a whole.
        over: the mean over the batch, or each row by itself.
        latents: which latents; None: all.
    """

    nats: Weight
    per: Literal["entry", "latent"] = "entry"
    over: Literal["batch", "row"] = "batch"
    latents: tuple[str, ...] | None = None


def bound_terms(sites: Sites, way: Way = "auto") -> tuple[Term, ...]:
    """The terms of the evidence lower bound: log p of what is observed, a KL for each latent."""
    observed = [Term(s.name, LOG_LIKELIHOOD, s.log_p, s.local) for s in sites.observed]
    divergences = [_kl_term(sites, site, way) for site in sites.latents]
    gone = [Term(s.name, KL, -s.log_p, s.local) for s in sites.marginalised]
    return (*observed, *divergences, *gone)


def _kl_term(sites: Sites, site: Site, way: Way) -> Term:
    found = divergence(sites, site, way)
    return Term(site.name, KL, found.value, site.local, found.analytic)


def floored(
    sites: Sites, terms: tuple[Term, ...], bits: FreeBits, clock: Clock
) -> tuple[Term, ...]:
    """The same terms with divergences that are not below the floor."""
    nats = as_schedule(bits.nats)(clock)
    if nats < 0:
        raise ObjectiveError(f"free bits are a floor of {nats} nats: it cannot be negative")
    names = {term.site for term in terms if term.group == KL}
    for name in bits.latents or ():
        if name not in names:
            raise ObjectiveError(f"free bits are asked for {name}, which is no latent")
    chosen = names if bits.latents is None else set(bits.latents)
    return tuple(
        _floored(sites, term, bits, nats) if term.group == KL and term.site in chosen else term
        for term in terms
    )


def _floored(sites: Sites, term: Term, bits: FreeBits, nats: float) -> Term:
    parts = term.value.unsqueeze(-1)
    if bits.per == "entry" and not sites[term.site].summed:
        way: Way = "analytic" if term.analytic else "sampled"
        parts = divergence_by_entry(sites, sites[term.site], way).value
    with torch.no_grad():
        # The expectation is floored, so its gradient is that of the parts that exceed the floor.
        level = parts.mean(0, keepdim=True)
        if bits.over == "batch":
            level = level.mean(1, keepdim=True)
        above = (level > nats).expand(parts.shape)
    value = torch.where(above, parts, torch.full_like(parts, nats)).sum(-1)
    return Term(term.site, KL, value, term.local, term.analytic)


def weight_of(weights: Mapping[str, Weight], term: Term, clock: Clock) -> float:
    """The weight of a term: that of its variable, else that of its group, else 1."""
    weight = weights.get(term.site, weights.get(term.group, 1.0))
    return as_schedule(weight)(clock)
