"""Terms of the aggregated posterior q(z), the guide's law of a latent averaged over the data.

It can be drawn from, but its density is a mean over all rows: a batch only estimates it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gendsl.runtime.objectives.elbo import Elbo
from gendsl.runtime.objectives.gradients import score_latents
from gendsl.runtime.objectives.kl import entry_law
from gendsl.runtime.objectives.schedules import Weight
from gendsl.runtime.objectives.sites import ObjectiveError, Site, Sites

__all__ = [
    "MaximumMeanDiscrepancy",
    "TotalCorrelation",
    "aggregated_densities",
    "beta_tc_vae",
    "decomposition",
    "discrepancy",
]

Kernel = Literal["rbf", "imq"]


def _kernel(a: Tensor, b: Tensor, kernel: Kernel, scale: float) -> Tensor:
    """The kernel of all pairs of rows of (..., n, d) and (..., m, d): (..., n, m)."""
    square = (a.unsqueeze(-2) - b.unsqueeze(-3)).square().sum(-1) / scale**2
    return torch.exp(-0.5 * square) if kernel == "rbf" else 1 / (1 + square)


def discrepancy(
    a: Tensor, b: Tensor, kernel: Kernel = "rbf", scale: float | None = None
) -> Tensor:
    """The squared maximum mean discrepancy between two samples, without bias.

    The U-statistic of Gretton et al. (2012), lemma 6, which may be below 0.

    Args:
        a: (..., n, d) with n of 2 or more.
        b: (..., m, d) with m of 2 or more.
        kernel: exp(-r^2 / (2 scale^2)), or the inverse multiquadratic 1 / (1 + r^2 / scale^2).
        scale: the length; None: the root of d, so that the mean of r^2 / scale^2 between two
            standard normal vectors is 2 for every d.

    Returns:
        (...)
    """
    n, m = a.shape[-2], b.shape[-2]
    if n < 2 or m < 2:
        raise ObjectiveError(f"a discrepancy needs samples of 2 or more, not of {n} and {m}")
    scale = math.sqrt(a.shape[-1]) if scale is None else scale
    if not scale > 0:
        raise ObjectiveError(f"the length of a kernel is positive, not {scale}")
    within = _distinct(_kernel(a, a, kernel, scale)) + _distinct(_kernel(b, b, kernel, scale))
    return within - 2 * _kernel(a, b, kernel, scale).mean((-2, -1))


def _distinct(k: Tensor) -> Tensor:
    """The mean over pairs of different members."""
    n = k.shape[-1]
    diagonal = k.diagonal(dim1=-2, dim2=-1).sum(-1)
    return (k.sum((-2, -1)) - diagonal) / (n * (n - 1))


@dataclass(frozen=True)
class MaximumMeanDiscrepancy:
    """How far the aggregated posterior of a latent is from its prior, by samples of both.

    The latents of the rows in a batch are one sample, as many draws from the prior the other. The
    estimate is for each particle, since draws for the same row are no independent draws of q(z).

    Attributes:
        site: the latent.
        weight: what multiplies it in the loss.
        kernel: "rbf" or "imq".
        scale: its length; None: the root of the number of entries.
    """

    site: str
    weight: Weight = 1.0
    kernel: Kernel = "rbf"
    scale: float | None = None

    @property
    def name(self) -> str:
        """What it is reported as."""
        return f"mmd.{self.site}"

    def __call__(self, sites: Sites) -> Tensor:
        """The squared discrepancy, the mean over particles.

        Raises:
            ObjectiveError: the latent is not in the plate of the rows, or its prior depends on
                other latents.
        """
        site = _of_rows(sites, self.site)
        prior = site.p
        if prior is None or site.p_parents or site.past:
            raise ObjectiveError(f"{site.name} has no prior of its own to draw from")
        event = len(prior.event_shape)
        batch = site.value.shape[: site.value.ndim - event]
        law = prior if prior.batch_shape == batch else prior.expand(batch)
        drawn = law.rsample() if law.has_rsample else law.sample()
        ours, theirs = (sites.layout.entries(x, event, local=True) for x in (site.value, drawn))
        return discrepancy(ours, theirs, self.kernel, self.scale).mean()


def _of_rows(sites: Sites, name: str) -> Site:
    """A latent in the plate of the rows, of which each particle is a sample with derivatives."""
    site = sites.sites.get(name)
    if site is None or site.observed or not site.local:
        raise ObjectiveError(f"{name} is no latent in the plate of the rows")
    if sites.probabilities is not None:
        raise ObjectiveError("a sample of an aggregated posterior needs draws, not all values")
    for other in score_latents(sites):
        raise ObjectiveError(
            f"the law of {name} needs draws with derivatives: {other.name} has none"
        )
    return site


def _log_shares(rows: int, total: int, like: Tensor) -> Tensor:
    """Logarithms of the weights, (rows, rows), with which rows of a batch stand for all.

    A latent was drawn for its own row, which is one of all: 1 / total. The others are a sample of
    the rest and share (total - 1) / total, so that the estimate of q(z) has no bias. (The weights
    of Chen et al. 2018, appendix C, "minibatch stratified sampling", have the same mean but single
    out one of the others; in the published code 1 / total is not on the diagonal.)
    """
    if rows == 1 and total > 1:
        raise ObjectiveError("the density of an aggregated posterior needs 2 rows in a batch")
    others = (total - 1) / (total * (rows - 1)) if rows > 1 else 1.0
    shares = torch.full((rows, rows), others, dtype=like.dtype, device=like.device)
    return torch.log(shares.fill_diagonal_(1 / total))


def aggregated_densities(sites: Sites, site: Site) -> tuple[Tensor, Tensor]:
    """Estimates of log q(z), (particles, rows), and of that of each entry, on a further axis.

    Raises:
        ObjectiveError: entries are tied, or the guide depends on other latents.
    """
    law, inner = entry_law(site, site.latent[0])
    if site.q_parents:
        other = min(site.q_parents)
        raise ObjectiveError(f"the guide of {site.name} depends on {other}, which has a law too")
    layout = sites.layout
    if layout.row is None:
        raise ObjectiveError("there is no plate of rows")
    rank = layout.depth + 1 + inner
    value = site.value.reshape((1,) * (rank - site.value.ndim) + tuple(site.value.shape))
    axis = layout.depth + 1 + layout.row
    one_by_one = value.movedim(axis, 0).unsqueeze(axis + 1)
    pairs = law.log_prob(one_by_one).flatten(0, 1)  # each row's draws under each row's guide
    by_entry = layout.entries(pairs, inner, local=True)
    by_entry = by_entry.unflatten(0, (sites.rows, -1)).expand(-1, -1, sites.rows, -1)
    shares = _log_shares(sites.rows, sites.total, by_entry).unsqueeze(1)
    joint = torch.logsumexp(by_entry.sum(-1) + shares, -1)
    entries = torch.logsumexp(by_entry + shares.unsqueeze(-1), 2)
    return joint.transpose(0, 1), entries.transpose(0, 1)


@dataclass(frozen=True)
class TotalCorrelation:
    """KL(q(z) || product of q(z_j)) of a latent: how dependent its entries are over the data.

    The densities are estimated from the rows of the batch; those estimates have no bias, but their
    logarithms have, and the less the larger the batch.

    Attributes:
        site: the latent; its entries are independent in the guide of a row.
        weight: what multiplies it in the loss.
    """

    site: str
    weight: Weight = 1.0

    @property
    def name(self) -> str:
        """What it is reported as."""
        return f"total_correlation.{self.site}"

    def __call__(self, sites: Sites) -> Tensor:
        """The estimate.

        Raises:
            ObjectiveError: the latent is not in the plate of the rows, or its entries are tied.
        """
        joint, entries = aggregated_densities(sites, _of_rows(sites, self.site))
        return (joint - entries.sum(-1)).mean()


def beta_tc_vae(site: str, beta: Weight, particles: int = 1) -> Elbo:
    """The evidence lower bound less (beta - 1) times the total correlation (Chen et al. 2018)."""
    if not isinstance(beta, int | float):
        raise ObjectiveError("a schedule is for the weight of `TotalCorrelation`, beta - 1")
    return Elbo(particles=particles, penalties=(TotalCorrelation(site, beta - 1.0),))


def decomposition(sites: Sites, name: str) -> Mapping[str, Tensor]:
    """The sampled divergence of a latent from its prior in three parts, which add up to it.

    "mutual_information" of latent and row under the guide, "total_correlation", and
    "entries", the sum of the divergences of single entries of q(z) from the prior; and "kl", the
    whole (Hoffman and Johnson 2016; Chen et al. 2018). Estimated as in `TotalCorrelation`.

    Raises:
        ObjectiveError: the latent is not in the plate of the rows, or its entries are tied.
    """
    site = _of_rows(sites, name)
    if site.p is None:
        raise ObjectiveError(f"{name} has no distribution in the model")
    entry_law(site, site.p)
    joint, entries = aggregated_densities(sites, site)
    _, log_q = site.latent
    return {
        "mutual_information": (log_q - joint).mean(),
        "total_correlation": (joint - entries.sum(-1)).mean(),
        "entries": (entries.sum(-1) - site.log_p).mean(),
        "kl": (log_q - site.log_p).mean(),
    }
