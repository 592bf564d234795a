"""Logarithms of tail probabilities, accurate where the probabilities are tiny.

A distribution brings its own by methods ``log_cdf(value)`` and ``log_sf(value)`` of its class;
those of torch and Pyro, which have none, are in the table `TAILS`. The last resort is ``cdf``. All
have gradients in the value and in all parameters, and are made of operations that can be recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import logsigmoid

from gendsl.runtime.incomplete import LOG_HALF, Tails, beta_tails, gamma_tails, log_complement
from gendsl.runtime.intervals import Uniform
from gendsl.runtime.shapes import broadcast_shapes

__all__ = ["log_between", "log_by_masses", "log_cdf", "log_sf", "tails"]

Law = Any
"""A distribution of torch, whose parameters mypy does not know."""
Both = Callable[[Law, Tensor], Tails]
"""The logarithms of P(X <= x) and of P(X > x)."""


def _inside(law: Both, least: float = -math.inf) -> Both:
    """A law above `least`, whose tails there and at infinity are 0 and 1."""

    def whole(d: Law, x: Tensor) -> Tails:
        low, high = x > least, x < math.inf
        below, above = law(d, torch.where(low & high, x, 1.0))
        below = torch.where(low, torch.where(high, below, 0.0), -math.inf)
        return below, torch.where(high, torch.where(low, above, 0.0), -math.inf)

    return whole


def _nearer(below: Tensor, above: Tensor) -> Tails:
    """Two tails of which the smaller is accurate: the larger one is its complement."""
    left = below < above
    other = log_complement(torch.where(left, below, above))
    return torch.where(left, below, other), torch.where(left, other, above)


def _above(above: Tensor) -> Tails:
    return log_complement(above), above


def _standard(d: Law, x: Tensor) -> Tensor:
    z: Tensor = (x - d.loc) / d.scale
    return z


# On the line


def _squarable(z: Tensor) -> Tensor:
    """Cut where the square would overflow."""
    most = 0.1 * math.sqrt(torch.finfo(z.dtype).max)
    return torch.clamp(z, -most, most)


def _exp(z: Tensor) -> Tensor:
    """The exponential, cut before it overflows."""
    return torch.exp(torch.clamp(z, max=math.log(torch.finfo(z.dtype).max) - 1))


def _normal_tails(z: Tensor) -> Tails:
    z = _squarable(z)
    return torch.special.log_ndtr(z), torch.special.log_ndtr(-z)


def _normal(d: Law, x: Tensor) -> Tails:
    return _normal_tails(_standard(d, x))


def _logistic(d: Law, x: Tensor) -> Tails:
    z = _standard(d, x)
    return logsigmoid(z), logsigmoid(-z)


def _cauchy(d: Law, x: Tensor) -> Tails:
    z = _standard(d, x)
    one = torch.ones_like(z)
    shares = (torch.atan2(one, -z) / math.pi, torch.atan2(one, z) / math.pi)
    return _nearer(torch.log(shares[0]), torch.log(shares[1]))


def _student_t(d: Law, x: Tensor) -> Tails:
    r"""Each tail is $\tfrac{1}{2} I_w(\nu / 2, \tfrac{1}{2})$ with $w = \nu / (\nu + z^2)$."""
    z = _squarable(_standard(d, x))
    left = z < 0
    # Not 0, where the logarithm has no gradient, nor so small that its square is.
    size = torch.where(left, -z, z) + torch.finfo(z.dtype).tiny ** 0.45
    whole = torch.log(d.df + size * size)
    share, rest = torch.log(d.df) - whole, 2 * torch.log(size) - whole
    tail, _ = beta_tails(d.df / 2, torch.full_like(d.df, 0.5), share, rest)
    near = LOG_HALF + tail
    far = log_complement(near)
    return torch.where(left, near, far), torch.where(left, far, near)


def _laplace(d: Law, x: Tensor) -> Tails:
    z = _standard(d, x)
    near = LOG_HALF - torch.abs(z)
    far = log_complement(near)
    return torch.where(z < 0, near, far), torch.where(z < 0, far, near)


def _gumbel(d: Law, x: Tensor) -> Tails:
    below = -_exp(-_standard(d, x))
    return below, log_complement(below)


# On the positive half-line


def _log_normal(d: Law, x: Tensor) -> Tails:
    return _normal_tails((torch.log(x) - d.loc) / d.scale)


def _exponential(d: Law, x: Tensor) -> Tails:
    return _above(-d.rate * x)


def _weibull(d: Law, x: Tensor) -> Tails:
    power = d.concentration * (torch.log(x) - torch.log(d.scale))
    return _above(-_exp(power))


def _half_normal(d: Law, x: Tensor) -> Tails:
    z = _squarable(x / d.scale)
    above = torch.special.log_ndtr(-z) - LOG_HALF
    return _nearer(torch.log(torch.erf(z / math.sqrt(2.0))), above)


def _half_cauchy(d: Law, x: Tensor) -> Tails:
    z = x / d.scale
    above = torch.atan2(torch.ones_like(z), z)
    return _nearer(torch.log(torch.atan(z) * 2 / math.pi), torch.log(above * 2 / math.pi))


def _folded(d: Law, x: Tensor) -> Tails:
    """Of an absolute value."""
    base = d.base_dist
    return log_between(base, -x, x), torch.logaddexp(log_sf(base, x), log_cdf(base, -x))


def _gamma(d: Law, x: Tensor) -> Tails:
    return gamma_tails(d.concentration, d.rate * x)


def _inverse_gamma(d: Law, x: Tensor) -> Tails:
    below, above = gamma_tails(d.concentration, d.rate / x)
    return above, below


# On intervals


def _uniform(d: Law, x: Tensor) -> Tails:
    low, high = x > d.low, x < d.high
    inside = low & high
    middle = (d.low + d.high) / 2
    at = torch.where(inside, x, middle)
    width = torch.log(d.high - d.low)
    below, above = _nearer(torch.log(at - d.low) - width, torch.log(d.high - at) - width)
    below = torch.where(low, torch.where(high, below, 0.0), -math.inf)
    return below, torch.where(high, torch.where(low, above, 0.0), -math.inf)


def _beta(d: Law, x: Tensor) -> Tails:
    low, high = x > 0, x < 1
    at = torch.where(low & high, x, 0.5)
    log_x = torch.where(low, torch.log(at), -math.inf)
    log_y = torch.where(high, torch.log1p(-at), -math.inf)
    return beta_tails(d.concentration1, d.concentration0, log_x, log_y)


# Whole numbers


def _counted(d: Law, x: Tensor, law: Both, most: Tensor | float = math.inf) -> Tails:
    """The tails at whole numbers from 0 to less than `most`, at the end of which all is below."""
    low, high = x >= 0, x < most
    below, above = law(d, torch.where(low & high, torch.floor(x), 0.0))
    below = torch.where(low, torch.where(high, below, 0.0), -math.inf)
    return below, torch.where(high, torch.where(low, above, 0.0), -math.inf)


def _log_odds(d: Law) -> Tails:
    """The logarithms of the probabilities of success and of failure."""
    if "probs" in d.__dict__:
        ends = torch.finfo(d.probs.dtype)
        probs = d.probs.clamp(ends.tiny, 1 - ends.eps)
        return torch.log(probs), torch.log1p(-probs)
    return logsigmoid(d.logits), logsigmoid(-d.logits)


def _bernoulli(d: Law, x: Tensor) -> Tails:
    def law(d: Law, k: Tensor) -> Tails:
        success, failure = _log_odds(d)
        return failure + 0 * k, success + 0 * k

    return _counted(d, x, law, 1.0)


def _binomial(d: Law, x: Tensor) -> Tails:
    def law(d: Law, k: Tensor) -> Tails:
        success, failure = _log_odds(d)
        rest = d.total_count - k
        return beta_tails(torch.where(rest > 0, rest, 1.0), k + 1, failure, success)

    return _counted(d, x, law, d.total_count)


def _beta_binomial(d: Law, x: Tensor) -> Tails:
    """By summing the masses of all the values."""

    def law(d: Law, k: Tensor) -> Tails:
        total = d.total_count
        shape = broadcast_shapes(k.shape, d.batch_shape)
        values = torch.arange(float(total.detach().max()) + 1 if total.numel() else 0.0)
        values = values.to(k).reshape(-1, *[1] * len(shape))
        mass = d.log_prob(torch.minimum(values, total).expand(-1, *shape))
        mass = torch.where(values <= total, mass, -math.inf)
        # The unused sum, where k is the last value, is that of all.
        upper = (values > k) | (k >= total)
        below = torch.where(values <= k, mass, -math.inf).logsumexp(0)
        return _nearer(below, torch.where(upper, mass, -math.inf).logsumexp(0))

    return _counted(d, x, law, d.total_count)


def _poisson(d: Law, x: Tensor) -> Tails:
    def law(d: Law, k: Tensor) -> Tails:
        below, above = gamma_tails(k + 1, d.rate)
        return above, below

    return _counted(d, x, law)


def _negative_binomial(d: Law, x: Tensor) -> Tails:
    def law(d: Law, k: Tensor) -> Tails:
        success, failure = _log_odds(d)
        return beta_tails(d.total_count, k + 1, failure, success)

    return _counted(d, x, law)


def _geometric(d: Law, x: Tensor) -> Tails:
    def law(d: Law, k: Tensor) -> Tails:
        return _above((k + 1) * _log_odds(d)[1])

    return _counted(d, x, law)


def _any(d: Law, x: Tensor) -> Tails:
    below = d.cdf(x)
    return torch.log(below), torch.log1p(-below)


_OWN = _inside(lambda d, x: (d.log_cdf(x), d.log_sf(x)))
"""Those that a class brings need not know of infinity."""

TAILS: dict[type[Distribution], Both] = {
    dist.Normal: _inside(_normal),
    dist.StudentT: _inside(_student_t),
    dist.Logistic: _inside(_logistic),
    dist.Cauchy: _inside(_cauchy),
    dist.Laplace: _inside(_laplace),
    dist.Gumbel: _inside(_gumbel),
    dist.LogNormal: _inside(_log_normal, 0.0),
    dist.Exponential: _inside(_exponential, 0.0),
    dist.Weibull: _inside(_weibull, 0.0),
    dist.HalfNormal: _inside(_half_normal, 0.0),
    dist.HalfCauchy: _inside(_half_cauchy, 0.0),
    dist.FoldedDistribution: _inside(_folded, 0.0),
    dist.Gamma: _inside(_gamma, 0.0),
    dist.Chi2: _inside(_gamma, 0.0),
    dist.InverseGamma: _inside(_inverse_gamma, 0.0),
    dist.Uniform: _uniform,
    Uniform: _uniform,
    dist.Beta: _beta,
    dist.Bernoulli: _bernoulli,
    dist.Binomial: _binomial,
    dist.BetaBinomial: _beta_binomial,
    dist.Poisson: _poisson,
    dist.NegativeBinomial: _negative_binomial,
    dist.Geometric: _geometric,
}
"""By the exact class: what a subclass changes is not known here."""


_NONE: dict[type[Distribution], Callable[[Law], Tensor]] = {
    dist.Poisson: lambda d: -d.rate,
    dist.Binomial: lambda d: d.total_count * _log_odds(d)[1],
    dist.NegativeBinomial: lambda d: d.total_count * _log_odds(d)[1],
    dist.Geometric: lambda d: _log_odds(d)[0],
}
"""The logarithm of P(X = 0), accurate also where that is nearly 1."""
_ENDLESS = (dist.Poisson, dist.NegativeBinomial, dist.Geometric)
"""They take every whole number from 0 on."""
_FEW = 16
"""So many masses are summed sooner than a distribution function is computed."""


def tails(d: Law, x: Tensor) -> Tails:
    """The logarithms of P(X <= x) and of P(X > x).

    Args:
        d: a univariate distribution.
        x: points, which align with its batch by broadcasting.

    Raises:
        NotImplementedError: the distribution function of `d` is not known.
    """
    own = hasattr(d, "log_cdf") and hasattr(d, "log_sf")
    return (_OWN if own else TAILS.get(type(d), _any))(d, x)


def log_cdf(d: Law, x: Tensor) -> Tensor:
    """The logarithm of P(X <= x); see `tails`."""
    return tails(d, x)[0]


def log_sf(d: Law, x: Tensor) -> Tensor:
    """The logarithm of P(X > x); see `tails`."""
    return tails(d, x)[1]


def log_between(d: Law, low: Tensor | None, high: Tensor | None) -> Tensor:
    """The logarithm of P(low < X <= high), from the nearer tail; None is no bound.

    Minus infinity, with gradient 0, where nothing lies between.
    """
    if low is None:
        return torch.zeros(()) if high is None else log_cdf(d, high)
    if high is None:
        return log_sf(d, low)
    ends = torch.stack(torch.broadcast_tensors(low, high))
    missing = max(0, len(d.batch_shape) - ends.dim() + 1)
    below, above = tails(d, ends.reshape((2,) + (1,) * missing + ends.shape[1:]))
    right = above[0] < LOG_HALF
    larger = torch.where(right, above[0], below[1])
    smaller = torch.where(right, above[1], below[0])
    some = smaller < larger
    share = torch.where(some, smaller, LOG_HALF) - torch.where(some, larger, 0.0)
    return torch.where(some, larger + log_complement(share), -math.inf)


def log_by_masses(d: Law, low: float, high: float) -> Tensor | None:
    """The logarithm of P(low <= X <= high) for counts, where few masses tell it; else None."""
    if low == 1 and high == math.inf and type(d) in _NONE:
        return log_complement(_NONE[type(d)](d))
    if type(d) in _ENDLESS and low >= 0 and high - low < _FEW:
        values = torch.arange(low, high + 1).reshape(-1, *[1] * len(d.batch_shape))
        mass: Tensor = d.log_prob(values)
        return mass.logsumexp(0)
    return None
