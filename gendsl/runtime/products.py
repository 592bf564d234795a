"""Products of densities of one kind, divided by their integral."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor
from torch import distributions as td

__all__ = ["product"]

Law = Any
"""A distribution of torch, whose parameters mypy does not know."""
Laws = Sequence[Law]


def _sum(laws: Laws, name: str) -> Tensor:
    total: Tensor = reduce(torch.add, [getattr(d, name) for d in laws])
    return total


def _precision_weighted(laws: Laws) -> tuple[Tensor, Tensor]:
    """The location and the variance of a product of normal densities."""
    precisions = [d.scale**-2 for d in laws]
    total: Tensor = reduce(torch.add, precisions)
    weighted = [p * d.loc for p, d in zip(precisions, laws, strict=True)]
    return reduce(torch.add, weighted) / total, 1 / total


def _normal_of_present(laws: Laws, present: Sequence[Tensor | bool]) -> Law:
    """A normal factor that drops out has precision 0."""
    precisions = [
        torch.where(here, d.scale**-2, 0.0) if isinstance(here, Tensor) else d.scale**-2
        for d, here in zip(laws, present, strict=True)
    ]
    total: Tensor = reduce(torch.add, precisions)
    weighted = [p * d.loc for p, d in zip(precisions, laws, strict=True)]
    return dist.Normal(reduce(torch.add, weighted) / total, torch.rsqrt(total))


def _normal(laws: Laws) -> Law:
    loc, variance = _precision_weighted(laws)
    return dist.Normal(loc, torch.sqrt(variance))


def _log_normal(laws: Laws) -> Law:
    """Each factor has a 1/x; all but one of them shift the location."""
    loc, variance = _precision_weighted(laws)
    return dist.LogNormal(loc - (len(laws) - 1) * variance, torch.sqrt(variance))


def _half_normal(laws: Laws) -> Law:
    total: Tensor = reduce(torch.add, [d.scale**-2 for d in laws])
    return dist.HalfNormal(torch.rsqrt(total))


def _multivariate_normal(laws: Laws) -> Law:
    precisions = [torch.cholesky_inverse(d.scale_tril) for d in laws]
    total: Tensor = reduce(torch.add, precisions)
    weighted = [
        (p @ d.loc.unsqueeze(-1)).squeeze(-1) for p, d in zip(precisions, laws, strict=True)
    ]
    tril = torch.linalg.cholesky(total)
    loc = torch.cholesky_solve(reduce(torch.add, weighted).unsqueeze(-1), tril).squeeze(-1)
    return dist.MultivariateNormal(loc, precision_matrix=total)


def _exponential(laws: Laws) -> Law:
    return dist.Exponential(_sum(laws, "rate"))


def _gamma(laws: Laws) -> Law:
    return dist.Gamma(_sum(laws, "concentration") - (len(laws) - 1), _sum(laws, "rate"))


def _inverse_gamma(laws: Laws) -> Law:
    return dist.InverseGamma(_sum(laws, "concentration") + (len(laws) - 1), _sum(laws, "rate"))


def _beta(laws: Laws) -> Law:
    less = len(laws) - 1
    return dist.Beta(_sum(laws, "concentration1") - less, _sum(laws, "concentration0") - less)


def _dirichlet(laws: Laws) -> Law:
    return dist.Dirichlet(_sum(laws, "concentration") - (len(laws) - 1))


def _bernoulli(laws: Laws) -> Law:
    return dist.Bernoulli(logits=_sum(laws, "logits"))


def _categorical(laws: Laws) -> Law:
    return dist.Categorical(logits=_sum(laws, "logits"))


def _geometric(laws: Laws) -> Law:
    rests = [torch.nn.functional.logsigmoid(-d.logits) for d in laws]
    return dist.Geometric(-torch.expm1(reduce(torch.add, rests)))


def _von_mises(laws: Laws) -> Law:
    """The concentrations add up as vectors."""
    across: Tensor = reduce(torch.add, [d.concentration * torch.cos(d.loc) for d in laws])
    up: Tensor = reduce(torch.add, [d.concentration * torch.sin(d.loc) for d in laws])
    whole: Law = type(laws[0])
    return whole(torch.atan2(up, across), torch.hypot(across, up))


_PRODUCTS: dict[type[td.Distribution], Callable[[Laws], Law]] = {
    td.Bernoulli: _bernoulli,
    td.Beta: _beta,
    td.Categorical: _categorical,
    td.Dirichlet: _dirichlet,
    td.Exponential: _exponential,
    td.Gamma: _gamma,
    td.Geometric: _geometric,
    td.HalfNormal: _half_normal,
    dist.InverseGamma: _inverse_gamma,
    td.LogNormal: _log_normal,
    td.MultivariateNormal: _multivariate_normal,
    td.Normal: _normal,
    td.VonMises: _von_mises,
}


def product(parts: Laws, present: Sequence[Tensor | bool] | None = None) -> Law:
    r"""The distribution with density proportional to $\prod_i p_i(x)$.

    Args:
        parts: of one kind; their batch shapes are broadcast.
        present: for each part where it is a factor at all, of its batch shape or one that
            broadcasts; elsewhere it drops out. For normal parts only, one of them everywhere.

    Raises:
        ValueError: the product has no finite integral (two Gamma shapes below one half), or
            there is no formula for its integral.
    """
    if present is not None:
        if any(not isinstance(p, td.Normal) for p in parts):
            raise ValueError("only normal factors drop out")
        return _normal_of_present(parts, present)
    found = next((f for kind, f in _PRODUCTS.items() if isinstance(parts[0], kind)), None)
    if found is None or any(type(p) is not type(parts[0]) for p in parts):
        raise ValueError("the product of these densities has no formula")
    return found(parts)
