"""Logarithms of tail probabilities, accurate where the probabilities are tiny."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import logsigmoid

__all__ = ["log_between", "log_cdf", "log_sf"]

LOG_HALF = -math.log(2.0)
Law = Any
"""A distribution of torch, whose parameters mypy does not know."""
Tails = tuple[Tensor, Tensor]
"""The logarithms of P(X <= x) and of P(X > x)."""


def _log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) for x <= 0."""
    near = x > LOG_HALF
    return torch.where(
        near,
        torch.log(-torch.expm1(torch.where(near, x, LOG_HALF))),
        torch.log1p(-torch.exp(torch.where(near, LOG_HALF, x))),
    )


def _standard(d: Law, x: Tensor) -> Tensor:
    z: Tensor = (x - d.loc) / d.scale
    return z


def _normal(d: Law, x: Tensor) -> Tails:
    z = _standard(d, x)
    return torch.special.log_ndtr(z), torch.special.log_ndtr(-z)


def _log_normal(d: Law, x: Tensor) -> Tails:
    z = (torch.log(x) - d.loc) / d.scale
    return torch.special.log_ndtr(z), torch.special.log_ndtr(-z)


def _logistic(d: Law, x: Tensor) -> Tails:
    z = _standard(d, x)
    return logsigmoid(z), logsigmoid(-z)


def _cauchy(d: Law, x: Tensor) -> Tails:
    z = _standard(d, x)
    one = torch.ones_like(z)
    return torch.log(torch.atan2(one, -z) / math.pi), torch.log(torch.atan2(one, z) / math.pi)


def _laplace(d: Law, x: Tensor) -> Tails:
    z = _standard(d, x)
    near = LOG_HALF - torch.abs(z)
    far = _log1mexp(near)
    return torch.where(z < 0, near, far), torch.where(z < 0, far, near)


def _gumbel(d: Law, x: Tensor) -> Tails:
    below = -torch.exp(-_standard(d, x))
    return below, _log1mexp(below)


def _exponential(d: Law, x: Tensor) -> Tails:
    above = -d.rate * x
    return _log1mexp(above), above


def _weibull(d: Law, x: Tensor) -> Tails:
    above = -((x / d.scale) ** d.concentration)
    return _log1mexp(above), above


def _half_normal(d: Law, x: Tensor) -> Tails:
    z = x / d.scale
    return torch.log(torch.erf(z / math.sqrt(2.0))), torch.special.log_ndtr(-z) - LOG_HALF


def _half_cauchy(d: Law, x: Tensor) -> Tails:
    z = x / d.scale
    above = torch.atan2(torch.ones_like(z), z)
    return torch.log(torch.atan(z) * 2 / math.pi), torch.log(above * 2 / math.pi)


def _gamma(d: Law, x: Tensor) -> Tails:
    at = d.rate * x
    below = torch.special.gammainc(d.concentration, at)
    return torch.log(below), torch.log(torch.special.gammaincc(d.concentration, at))


def _inverse_gamma(d: Law, x: Tensor) -> Tails:
    at = d.rate / x
    below = torch.special.gammaincc(d.concentration, at)
    return torch.log(below), torch.log(torch.special.gammainc(d.concentration, at))


def _any(d: Law, x: Tensor) -> Tails:
    below = d.cdf(x)
    return torch.log(below), torch.log1p(-below)


_TAILS: dict[type[Distribution], Callable[[Law, Tensor], Tails]] = {
    dist.Normal: _normal,
    dist.LogNormal: _log_normal,
    dist.Logistic: _logistic,
    dist.Cauchy: _cauchy,
    dist.Laplace: _laplace,
    dist.Gumbel: _gumbel,
    dist.Exponential: _exponential,
    dist.Weibull: _weibull,
    dist.HalfNormal: _half_normal,
    dist.HalfCauchy: _half_cauchy,
    dist.Gamma: _gamma,
    dist.Chi2: _gamma,
    dist.InverseGamma: _inverse_gamma,
}


def _tails(d: Law, x: Tensor) -> Tails:
    return _TAILS.get(type(d), _any)(d, x)


def log_cdf(d: Law, x: Tensor) -> Tensor:
    """The logarithm of P(X <= x)."""
    return _tails(d, x)[0]


def log_sf(d: Law, x: Tensor) -> Tensor:
    """The logarithm of P(X > x)."""
    return _tails(d, x)[1]


def log_between(d: Law, low: Tensor | None, high: Tensor | None) -> Tensor:
    """The logarithm of P(low < X < high), from the nearer tail; None is no bound."""
    if low is None:
        return torch.zeros(()) if high is None else log_cdf(d, high)
    if high is None:
        return log_sf(d, low)
    below_low, above_low = _tails(d, low)
    below_high, above_high = _tails(d, high)
    right = above_low < LOG_HALF
    larger = torch.where(right, above_low, below_high)
    smaller = torch.where(right, above_high, below_low)
    return larger + _log1mexp(smaller - larger)
