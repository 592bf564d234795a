r"""Beta, gamma, inverse gamma and Dirichlet laws, and what observations add to them.

As a function of one entry $z$ of a latent with such a prior, all else in the log density is
$c + s^\top T(z)$, where $T$ are the statistics of the family. The numbers $s$ are added to the
parameters of the prior, $\eta$. They are read off by derivatives at two points: in the coordinates
used here these are linear in the numbers, so that no second derivative is needed. With $A$ the log
normaliser, the logarithm of the integral over $z$ is $c + A(\eta + s) - A(\eta)$ (Diaconis and
Ylvisaker, Conjugate priors for exponential families, 1979). That difference is computed as one:
its parts may be far larger.

Everything here is made of operations that can be recorded. Values have any shape; a simplex is the
last axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["FAMILIES", "Family", "Numbers", "log_rising"]

Numbers = tuple[Tensor, ...]
"""Parameters of a law for every entry, or what is added to them."""

SMALLEST = float(np.finfo(np.float64).tiny)
LEAST = 1e-30
"""Of a rate, where its sign was lost to rounding."""
INSIDE = 1e-6
"""How near to 0 and 1 densities are looked at; torch's own cut probabilities off at 2e-16."""
ROUNDING = 1e-14
"""Numbers that are smaller than this, relative to what they were found from, are none."""
LARGE = 10.0
"""From here on the logarithm of the gamma function is computed by Stirling's series."""


@dataclass(frozen=True)
class Family:
    """A family of conjugate priors.

    Attributes:
        broad: the parameters of a law that says little, for values of a shape.
        slope: the derivative in the coordinate of the family, from a value and the derivative in
            the value itself.
        numbers: what the observations add, from a value and its slope, at two points.
        kernel: the numbers times the statistics at values; one for each entry.
        exponents: the numbers of the density of a law, from its parameters.
        gain: how much the log normaliser grows when numbers are added to parameters; NaN where
            it is not finite.
        points: two values, the mean or mode of a law and one further on, at which to read numbers
            off: there they are what is left when larger ones cancel, with all of their digits.
        draw: values of laws, given their parameters.
    """

    broad: Callable[[torch.Size], Numbers]
    slope: Callable[[Tensor, Tensor], Tensor]
    numbers: Callable[[Tensor, Tensor, Tensor, Tensor], Numbers]
    kernel: Callable[[Tensor, Numbers], Tensor]
    exponents: Callable[[Numbers], Numbers]
    gain: Callable[[Numbers, Numbers], Tensor]
    points: Callable[[Numbers], tuple[Tensor, Tensor]]
    draw: Callable[[tuple[np.ndarray, ...], np.random.Generator], np.ndarray]


def _rounded(number: Tensor, scale: Tensor) -> Tensor:
    """0 in place of what may be a rounding error of numbers as large as `scale`."""
    return torch.where(number.abs() < ROUNDING * scale.abs(), 0.0, number)


def _correction(x: Tensor) -> Tensor:
    """What Stirling's formula lacks, to 2e-14 from 10 on."""
    y = 1 / (x * x)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x


def log_rising(x: Tensor, more: Tensor) -> Tensor:
    """The growth of the log gamma function from x to x + more, precise also where x is large.

    Not a number where one of the two gamma functions has no positive argument.
    """
    legal = (x > 0) & (x + more > 0)
    small = torch.where(legal & (x < LARGE), x, LARGE)
    moved = torch.where(legal & (x < LARGE), x + more, LARGE)
    large = torch.where(legal & (x >= LARGE), x, LARGE)
    added = torch.where(legal & (x >= LARGE), more, 0.0)
    direct = torch.lgamma(moved) - torch.lgamma(small)
    stirling = (
        (large - 0.5) * torch.log1p(added / large)
        + added * (torch.log(large + added) - 1)
        + _correction(large + added)
        - _correction(large)
    )
    return torch.where(legal, torch.where(x < LARGE, direct, stirling), torch.nan)


def _log_gamma_draws(shape: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Logarithms of gamma values of rate 1, also where these underflow.

    If X is Gamma(a + 1) and U uniform, X U^(1/a) is Gamma(a).
    """
    logs = np.log(rng.gamma(shape + 1)) - rng.standard_exponential(shape.shape) / shape
    return np.asarray(logs)


# beta: s log z + t log(1 - z); the derivative in log odds is s (1 - z) - t z


def _beta_numbers(z: Tensor, slope: Tensor, y: Tensor, other: Tensor) -> Numbers:
    ones = (z * other - y * slope) / (z - y)
    rest = ((1 - z) * other - (1 - y) * slope) / (z - y)
    return _rounded(ones, rest), _rounded(rest, ones)


def _beta_gain(prior: Numbers, more: Numbers) -> Tensor:
    (a, b), (s, t) = prior, more
    return log_rising(a, s) + log_rising(b, t) - log_rising(a + b, s + t)


def _beta_points(law: Numbers) -> tuple[Tensor, Tensor]:
    a, b = (n.clamp(min=0.5) for n in law)
    return (
        (a / (a + b)).clamp(INSIDE, 1 - INSIDE),
        (2 * a / (2 * a + b)).clamp(2 * INSIDE, 1 - INSIDE / 2),
    )


def _beta_draw(law: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
    a, b = (_log_gamma_draws(n, rng) for n in law)
    with np.errstate(over="ignore"):
        drawn = 1 / (1 + np.exp(b - a))
    return np.asarray(np.clip(drawn, SMALLEST, 1 - 2**-53))


BETA = Family(
    lambda shape: (torch.ones(shape), torch.ones(shape)),
    lambda z, derivative: z * (1 - z) * derivative,
    _beta_numbers,
    lambda z, n: n[0] * torch.log(z) + n[1] * torch.log1p(-z),
    lambda law: (law[0] - 1, law[1] - 1),
    _beta_gain,
    _beta_points,
    _beta_draw,
)


# gamma: s log z - t z; the derivative in log z is s - t z


def _gamma_numbers(z: Tensor, slope: Tensor, y: Tensor, other: Tensor) -> Numbers:
    rate = (slope - other) / (y - z)
    return _rounded(slope + rate * z, rate * z), rate


def _gamma_gain(prior: Numbers, more: Numbers) -> Tensor:
    """Of both gamma and inverse gamma laws."""
    (shape, rate), (s, t) = prior, more
    return log_rising(shape, s) - shape * torch.log1p(t / rate) - s * torch.log(rate + t)


def _gamma_points(law: Numbers) -> tuple[Tensor, Tensor]:
    shape, rate = law
    mean = shape.clamp(min=0.5) / rate.clamp(min=LEAST)
    return mean, 2 * mean


def _gamma_draw(law: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
    shape, rate = law
    with np.errstate(over="ignore"):
        drawn = np.exp(_log_gamma_draws(shape, rng) - np.log(rate))
    return np.asarray(np.clip(drawn, SMALLEST, np.finfo(np.float64).max))


GAMMA = Family(
    lambda shape: (torch.ones(shape), torch.ones(shape)),
    lambda z, derivative: z * derivative,
    _gamma_numbers,
    lambda z, n: n[0] * torch.log(z) - n[1] * z,
    lambda law: (law[0] - 1, law[1]),
    _gamma_gain,
    _gamma_points,
    _gamma_draw,
)


# inverse gamma: -s log z - t / z; the derivative in log z is t / z - s


def _inverse_numbers(z: Tensor, slope: Tensor, y: Tensor, other: Tensor) -> Numbers:
    rate = (slope - other) / (1 / z - 1 / y)
    return _rounded(rate / z - slope, rate / z), rate


def _inverse_points(law: Numbers) -> tuple[Tensor, Tensor]:
    shape, rate = law
    mode = rate.clamp(min=LEAST) / (shape.clamp(min=0.0) + 1)
    return mode, 2 * mode


def _inverse_draw(law: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
    shape, rate = law
    with np.errstate(over="ignore"):
        drawn = np.exp(np.log(rate) - _log_gamma_draws(shape, rng))
    return np.asarray(np.clip(drawn, SMALLEST, np.finfo(np.float64).max))


INVERSE_GAMMA = Family(
    lambda shape: (torch.ones(shape), torch.ones(shape)),
    lambda z, derivative: z * derivative,
    _inverse_numbers,
    lambda z, n: -n[0] * torch.log(z) - n[1] / z,
    lambda law: (law[0] + 1, law[1]),
    _gamma_gain,
    _inverse_points,
    _inverse_draw,
)


# Dirichlet: the sum of s_k log z_k; the derivative in l, z = softmax(l), is s_k - z_k sum(s)


def _dirichlet_slope(z: Tensor, derivative: Tensor) -> Tensor:
    return z * (derivative - torch.sum(z * derivative, -1, keepdim=True))


def _dirichlet_numbers(z: Tensor, slope: Tensor, y: Tensor, other: Tensor) -> Numbers:
    apart = y - z
    length = torch.sum(apart * apart, -1, keepdim=True)
    along = torch.sum((slope - other) * apart, -1, keepdim=True)
    total = along / torch.where(length > 0, length, 1.0)  # one category: there is nothing to know
    return (_rounded(slope + z * total, total),)


def _dirichlet_gain(prior: Numbers, more: Numbers) -> Tensor:
    (a,), (s,) = prior, more
    return log_rising(a, s).sum(-1) - log_rising(a.sum(-1), s.sum(-1))


def _dirichlet_points(law: Numbers) -> tuple[Tensor, Tensor]:
    weight = law[0].clamp(min=0.5)
    mean = (weight / weight.sum(-1, keepdim=True)).clamp(min=INSIDE)
    mean = mean / mean.sum(-1, keepdim=True)
    rarest = torch.nn.functional.one_hot(mean.argmin(-1), mean.shape[-1]).to(mean.dtype)
    return mean, (mean + rarest) / 2


def _dirichlet_draw(law: tuple[np.ndarray, ...], rng: np.random.Generator) -> np.ndarray:
    logs = _log_gamma_draws(law[0], rng)
    weights = np.maximum(np.exp(logs - logs.max(-1, keepdims=True)), SMALLEST)
    return np.asarray(weights / weights.sum(-1, keepdims=True))


DIRICHLET = Family(
    lambda shape: (torch.ones(shape),),
    _dirichlet_slope,
    _dirichlet_numbers,
    lambda z, n: torch.sum(n[0] * torch.log(z), -1),
    lambda law: (law[0] - 1,),
    _dirichlet_gain,
    _dirichlet_points,
    _dirichlet_draw,
)

FAMILIES: Mapping[str, Family] = {
    "beta": BETA,
    "gamma": GAMMA,
    "inverse_gamma": INVERSE_GAMMA,
    "dirichlet": DIRICHLET,
}
"""By the name that a plan has for them."""
