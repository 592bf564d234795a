"""The Kullback-Leibler divergence of a latent's guide from its model, and its parts.

It is analytic where there is a formula and where the model's distribution is fixed given all that
the guide drew before: KL(q || p) is the expectation of log q - log p over the latent alone, so
neither the latent itself nor anything that the guide draws from it may stand in p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import (
    Distribution,
    Independent,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from gendsl.runtime.objectives.sites import ObjectiveError, Site, Sites

__all__ = ["Divergence", "Way", "divergence", "divergence_by_entry", "entry_law", "has_entries"]

Way = Literal["auto", "analytic", "sampled"]


@dataclass(frozen=True, slots=True, eq=False)
class Divergence:
    """KL(q || p) of one latent.

    Attributes:
        value: (particles or 1, rows or 1), or with a last axis of entries.
        analytic: whether it is the expectation itself, not log q - log p at a draw.
    """

    value: Tensor
    analytic: bool


def _reason_against(sites: Sites, site: Site) -> str | None:
    """Why the divergence at these draws is not the expectation of log q - log p."""
    behind = {site.name} | sites.later(site.name)
    tied = sorted(behind & site.p_parents)
    if tied:
        return f"its distribution depends on {tied[0]}, which the guide draws from it"
    if site.p is None:
        return "it has no distribution in the model"
    return None


def _formula(q: Distribution, p: Distribution) -> Tensor | None:
    """KL(q || p) where there is a formula; its shape is that of the batch."""
    if len(q.event_shape) != len(p.event_shape):
        return None
    shape = torch.broadcast_shapes(q.batch_shape, p.batch_shape)
    if isinstance(q, MultivariateNormal) and isinstance(p, Independent):
        return _from_correlated(q, p.base_dist) if isinstance(p.base_dist, Normal) else None
    try:  # not all of torch's formulas broadcast
        return kl_divergence(_expanded(q, shape), _expanded(p, shape))
    except NotImplementedError:
        return None


def _from_correlated(q: MultivariateNormal, p: Normal) -> Tensor:
    """KL(q || p) of correlated normal entries from independent ones."""
    shape = torch.broadcast_shapes((*q.batch_shape, *q.event_shape), p.batch_shape)
    scale = p.scale.expand(shape)
    tril = q.scale_tril
    spread = (tril**2).sum(-1) + (q.loc - p.loc) ** 2
    own = tril.diagonal(dim1=-2, dim2=-1).log()
    return (0.5 * (spread / scale**2 - 1) + scale.log() - own).sum(-1)


def divergence(sites: Sites, site: Site, way: Way = "auto") -> Divergence:
    """The divergence of a latent, summed over all but particles and rows.

    Args:
        sites: all sites.
        site: the latent.
        way: by formula, by log q - log p at the draws, or the former where possible.

    Raises:
        ObjectiveError: it is to be analytic and cannot be.
    """
    q, log_q = site.latent
    if site.summed:
        return Divergence(log_q - site.log_p, analytic=True)
    reason = _reason_against(sites, site)
    if way != "sampled" and reason is None and site.p is not None:
        found = _formula(q, site.p)
        if found is not None:
            whole = site.mean(_over_plates(sites, site, found, 0), 0)
            return Divergence(sites.layout.collapse(whole, 0, local=site.local), analytic=True)
        reason = f"there is no formula for {_named(q)} and {_named(site.p)}"
    if way == "analytic":
        raise ObjectiveError(f"the divergence of {site.name} has to be sampled: {reason}")
    return Divergence(log_q - site.log_p, analytic=False)


def divergence_by_entry(sites: Sites, site: Site, way: Way = "auto") -> Divergence:
    """The divergence of each entry of a latent: (particles or 1, rows or 1, entries).

    Entries are those of the event and the members of plates other than that of the rows.

    Raises:
        ObjectiveError: entries are not independent in guide or model, or the divergence is to be
            analytic and cannot be.
    """
    q, inner = entry_law(site, site.latent[0])
    p, also = entry_law(site, site.p)
    if inner != also:
        raise ObjectiveError(f"guide and model of {site.name} have {inner} and {also} event axes")
    reason = _reason_against(sites, site)
    if way != "sampled" and reason is None:
        found = _formula(q, p)
        if found is not None:
            whole = site.mean(_over_plates(sites, site, found, inner), inner)
            parts = sites.layout.entries(whole, inner, local=site.local)
            return Divergence(parts, analytic=True)
        reason = f"there is no formula for {_named(q)} and {_named(p)}"
    if way == "analytic":
        raise ObjectiveError(f"the divergence of {site.name} has to be sampled: {reason}")
    difference = site.mean(q.log_prob(site.value) - p.log_prob(site.value), inner)
    return Divergence(sites.layout.entries(difference, inner, local=site.local), analytic=False)


def entry_law(site: Site, d: Distribution | None) -> tuple[Distribution, int]:
    """The distribution of single entries of a latent, and how many axes of these there are.

    Raises:
        ObjectiveError: entries are not independent.
    """
    found = d.base_dist if isinstance(d, Independent) else d
    if found is None or found.event_shape:
        raise ObjectiveError(f"entries of {site.name} are tied: it has a law only as a whole")
    return found, d.reinterpreted_batch_ndims if isinstance(d, Independent) else 0


def has_entries(site: Site) -> bool:
    """Whether the entries of a latent have laws of their own, in guide and model alike."""
    try:
        return not site.summed and entry_law(site, site.q)[1] == entry_law(site, site.p)[1]
    except ObjectiveError:
        return False


def _expanded(d: Distribution, shape: torch.Size) -> Distribution:
    """The distribution with parameters for all of a batch."""
    return d if d.batch_shape == shape else d.expand(shape)


def _over_plates(sites: Sites, site: Site, x: Tensor, event: int) -> Tensor:
    """`x` for every member of the latent's plates: parameters may be the same for all."""
    shape = sites.batch_shape(site)
    if event:
        shape = (*shape, *site.value.shape[site.value.ndim - event :])
    return torch.broadcast_to(x, torch.broadcast_shapes(shape, x.shape))


def _named(d: Distribution) -> str:
    """What messages call a distribution."""
    return type(d.base_dist if isinstance(d, Independent) else d).__name__
