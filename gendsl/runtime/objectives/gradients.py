"""Gradients of expectations under the guide, where automatic differentiation alone gives others.

Each function gives tensors whose values are those of the objective and whose gradients are the
estimator's, so that one backward pass is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from gendsl.runtime.objectives.sites import ObjectiveError, Site, Sites
from gendsl.runtime.objectives.terms import KL, Memory, Term

__all__ = ["Baseline", "path_terms", "score_latents", "score_terms", "scores", "mean_of_others"]

Baseline = Literal["auto", "leave_one_out", "running", "none"]
DECAY = 0.99
_ROWS, _ONCE = "baseline.rows", ".once"


def scores(sites: Sites) -> Mapping[str, Tensor]:
    """For each latent the guide's log density at values that are cut from the graph.

    Its gradient is the score, the derivative with respect to parameters at fixed values.

    Raises:
        ObjectiveError: the guide of one latent depends on another one, and `Sites.scores`, which
            would run the guide again, is missing.
    """
    drawn = [site for site in sites.latents if not site.summed]
    if sites.scores is not None:
        found = sites.scores()
        return {site.name: found[site.name] for site in drawn}
    return {site.name: _score(sites, site) for site in drawn}


def _score(sites: Sites, site: Site) -> Tensor:
    q, _ = site.latent
    if site.q_parents:
        other = min(site.q_parents)
        raise ObjectiveError(
            f"the guide of {site.name} depends on {other}: `Sites.scores` has to run it again"
        )
    return sites.layout.collapse(q.log_prob(site.value.detach()), 0, local=site.local)


def path_terms(sites: Sites, terms: Sequence[Term]) -> tuple[Term, ...]:
    """Sampled divergences whose gradient goes through the draws only.

    The derivative of log q with respect to parameters at a fixed draw, which has expectation 0,
    is taken away (Roeder, Wu and Duvenaud 2017).

    Raises:
        ObjectiveError: a latent is not reparameterised.
    """
    _all_reparameterised(sites, "the gradient along the path")
    found = scores(sites)
    return tuple(
        replace(term, value=term.value - _only_gradient(found[term.site]))
        if term.group == KL and term.site in found
        else term
        for term in terms
    )


def _only_gradient(x: Tensor) -> Tensor:
    """A tensor of zeros with the gradient of `x`."""
    return x - x.detach()


def _all_reparameterised(sites: Sites, what: str) -> None:
    """Ensure that gradients go through the values of all latents."""
    for site in sites.latents:
        if not (site.reparameterised or site.summed):
            raise ObjectiveError(f"{what} needs draws with derivatives: {site.name} has none")


def score_latents(sites: Sites) -> tuple[Site, ...]:
    """The latents whose draws have no derivatives, while their guide has something to learn."""
    if sites.probabilities is not None:
        return ()  # all values are tried, and weighted by what the guide learns
    return tuple(
        site
        for site in sites.latents
        if not (site.reparameterised or site.summed)
        and site.log_q is not None
        and site.log_q.requires_grad
    )


def score_terms(
    sites: Sites,
    gains: Sequence[tuple[Tensor, bool]],
    baseline: Baseline,
    memory: Memory | None,
) -> Tensor:
    """A zero whose gradient is the score-function part of the gradient of E_q[sum of gains].

    E[(f - b) d log q] with f of a row's own terms for a latent in the plate of the rows
    (Williams 1992). The baseline b is the mean of f over the other particles (Kool et al. 2019),
    or a running mean over the steps before.

    Args:
        sites: all sites.
        gains: terms, (particles or 1, rows or 1) each, and whether they are local.
        baseline: which baseline; "auto" is the first where there are several particles, else the
            second where there is a memory.
        memory: where the running mean is kept.

    Raises:
        ObjectiveError: the baseline is impossible.
    """
    zero = gains[0][0].new_zeros(())
    chosen = score_latents(sites)
    if not chosen:
        return zero
    sites.independent_rows("the score-function gradient")
    with torch.no_grad():
        of_rows = zero.expand(sites.particles, sites.rows)
        of_all = zero.expand(sites.particles, 1)
        for value, local in gains:
            of_rows, of_all = (of_rows + value, of_all) if local else (of_rows, of_all + value)
        of_all = of_all / sites.total + of_rows.mean(1, keepdim=True)
        centred: dict[str, Tensor] = {}
        for kind in {_kind(sites, site) for site in chosen}:
            signal = of_rows if kind.startswith(_ROWS) else of_all
            if kind.endswith(_ONCE):  # particles that share a draw are no baseline for it
                signal = signal.mean(0, keepdim=True)
            centred[kind] = signal - _baseline(signal, baseline, memory, kind)
    for site in chosen:
        zero = zero + (_only_gradient(site.latent[1]) * centred[_kind(sites, site)]).mean()
    return zero


def _kind(sites: Sites, site: Site) -> str:
    """Whose signal a latent has: that of a row or of all, of a particle or of all."""
    once = _ONCE if site.latent[1].shape[0] < sites.particles else ""
    return (_ROWS if site.local else "baseline.all") + once


def _baseline(signal: Tensor, kind: Baseline, memory: Memory | None, key: str) -> Tensor:
    """What is subtracted from a signal, (particles, rows or 1): independent of its own draw."""
    particles = signal.shape[0]
    if kind == "auto":
        kind = "leave_one_out" if particles > 1 else "none" if memory is None else "running"
    if kind == "none":
        return torch.zeros_like(signal)
    if kind == "leave_one_out":
        if particles == 1:
            raise ObjectiveError("a baseline of the other particles needs at least 2 particles")
        return mean_of_others(signal)
    if memory is None:
        raise ObjectiveError("a running baseline needs a memory that lasts from step to step")
    return _running(signal, memory, key)


def mean_of_others(signal: Tensor) -> Tensor:
    """For each particle the mean over the others."""
    return (signal.sum(0, keepdim=True) - signal) / (signal.shape[0] - 1)


def _running(signal: Tensor, memory: Memory, key: str) -> Tensor:
    """The running mean of the signals before this one, which it then takes in."""
    held = memory.get(key, signal.new_zeros(2))
    mean = held[0] / held[1].clamp(min=1 - DECAY)  # 0 before the first step
    new = torch.stack([signal.mean(), signal.new_ones(())])
    memory[key] = DECAY * held + (1 - DECAY) * new
    return mean
