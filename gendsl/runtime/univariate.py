"""Distributions of one number that Pyro has not got, or lacks the tails of.

Each tells the logarithms of P(X <= x) and of P(X > x), accurate where these are tiny.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from pyro.distributions import AsymmetricLaplace as PyroAsymmetricLaplace
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions.utils import broadcast_all
from torch.types import _size

from gendsl.runtime.parametric import NO_AXES, Given, Parametric
from gendsl.runtime.scalars import log1mexp

__all__ = ["AsymmetricLaplace", "DiscreteUniform", "ExGaussian", "SkewNormal", "Wald"]

ROOT2 = math.sqrt(2.0)
LOG2 = math.log(2.0)
LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
_AT, _WEIGHTS = np.polynomial.legendre.leggauss(64)
NEGLIGIBLE = 80.0
"""Twice the exponent at which an integrand is left off: exp(-40)."""

FAR = 100.0
"""From here on erfcx is its asymptotic series, to the last digit, and so is its derivative."""

log_ndtr = torch.special.log_ndtr
ndtr = torch.special.ndtr
erfcx = torch.special.erfcx


def _log_erfcx(x: Tensor) -> Tensor:
    """The logarithm of erfcx for x >= 0; torch's derivative of erfcx cancels for large x."""
    near = x < FAR
    square = torch.where(near, FAR, x) ** -2.0
    series = torch.log1p(square * (-0.5 + square * (0.75 - 1.875 * square)))
    far = series + 0.5 * torch.log(square / math.pi)
    return torch.where(near, torch.log(erfcx(torch.where(near, x, FAR))), far)


class _Univariate(Parametric):
    """A distribution of one number with parameters of one number."""

    def _take(self, *given: Given, validate_args: bool | None) -> None:
        """Hold parameters, in the order of `ranks`."""
        held = dict(zip(self.ranks, broadcast_all(*given), strict=True))
        self._hold(held, validate_args=validate_args)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X <= value)."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """P(X <= value)."""
        return torch.exp(self.log_cdf(value))


class AsymmetricLaplace(PyroAsymmetricLaplace):
    """Pyro's, with its distribution function."""

    def _sides(self, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where a value is on the right, and the logarithms of the tail beyond it on each side."""
        z = value - self.loc
        whole = torch.log(self.left_scale + self.right_scale)
        below = torch.log(self.left_scale) - whole - torch.abs(z) / self.left_scale
        above = torch.log(self.right_scale) - whole - torch.abs(z) / self.right_scale
        return z > 0, below, above

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X <= value)."""
        right, below, above = self._sides(value)
        return torch.where(right, log1mexp(above), below)

    def log_sf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X > value)."""
        right, below, above = self._sides(value)
        return torch.where(right, above, log1mexp(below))

    def cdf(self, value: Tensor) -> Tensor:
        """P(X <= value)."""
        return torch.exp(self.log_cdf(value))


class SkewNormal(_Univariate):
    r"""The normal density, tilted: $2 \phi(z) \Phi(a z) / s$ (Azzalini, 1985)."""

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "skewness": constraints.real,
    }
    ranks = dict.fromkeys(arg_constraints, 0)
    support = constraints.real
    has_rsample = True
    loc: Tensor
    scale: Tensor
    skewness: Tensor

    def __init__(
        self, loc: Given, scale: Given, skewness: Given, *, validate_args: bool | None = None
    ) -> None:
        self._take(loc, scale, skewness, validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$\log 2 - z^2 / 2 - \log(s \sqrt{2\pi}) + \log\Phi(a z)$."""
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        tilt: Tensor = log_ndtr(self.skewness * z)
        return LOG2 - LOG_ROOT_2PI - torch.log(self.scale) - z**2 / 2 + tilt

    def rsample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """A normal value leaning on the absolute value of another (Azzalini, 1986)."""
        shape = self._extended_shape(sample_shape)
        one, other = torch.randn((2, *shape), dtype=self.loc.dtype, device=self.loc.device)
        standard: Tensor = (self.skewness * torch.abs(one) + other) / torch.sqrt(
            1 + self.skewness**2
        )
        return self.loc + self.scale * standard

    def _tails(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithms of P(X <= value) and of P(X > value)."""
        z = (value - self.loc) / self.scale
        z, slant = broadcast_all(z, self.skewness)
        mirrored = slant < 0
        z, slant = torch.where(mirrored, -z, z), torch.where(mirrored, -slant, slant)
        right = z > 0
        away = torch.where(right, z, -z)
        short = _log_short_tail(away, slant)
        normal = log_ndtr(-away)
        below = torch.where(right, torch.log(torch.erf(away / ROOT2) + torch.exp(short)), short)
        above = torch.where(
            right, normal + torch.log(2 - torch.exp(short - normal)), log1mexp(short)
        )
        return torch.where(mirrored, above, below), torch.where(mirrored, below, above)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X <= value)."""
        return self._tails(value)[0]

    def log_sf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X > value)."""
        return self._tails(value)[1]


def _nodes(like: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre points on (0, 1) and their weights."""
    at = torch.as_tensor((_AT + 1) / 2, dtype=like.dtype, device=like.device)
    return at, torch.as_tensor(_WEIGHTS / 2, dtype=like.dtype, device=like.device)


def _owen(h: Tensor, a: Tensor) -> Tensor:
    """Owen's T for 0 <= a <= 1 by quadrature of its definition (Owen, 1956)."""
    at, weights = _nodes(h)
    square = 1 + (a.unsqueeze(-1) * at) ** 2
    terms = torch.exp(-(h.unsqueeze(-1) ** 2) * square / 2) / square
    return a * torch.sum(weights * terms, -1) / (2 * math.pi)


def _log_short_tail(h: Tensor, a: Tensor) -> Tensor:
    r"""The logarithm of P(Z <= -h) of the standard law with slant a, both at least 0.

    It is $\frac{1}{\pi} \int_a^\infty e^{-h^2 (1 + x^2) / 2} / (1 + x^2) dx$. Near the centre it
    follows from Owen's T without loss; farther out the integral is computed over the angle
    $\arctan x$, the largest value of the integrand taken out.
    """
    near = h * torch.sqrt(1 + a**2) < 1
    at, weights = _nodes(h)
    inner = torch.where(near, h, 0.0)
    flat = a <= 1
    low, high = torch.where(flat, a, 1.0), torch.where(flat, 1.0, a)
    central = torch.where(
        flat,
        ndtr(-inner) - 2 * _owen(inner, low),
        2 * _owen(high * inner, 1 / high) - ndtr(-high * inner) * torch.erf(inner / ROOT2),
    )
    outer = torch.where(near, 1.0, h)
    last = torch.sqrt(a**2 + NEGLIGIBLE / outer**2)
    width = torch.atan(NEGLIGIBLE / outer**2 / (last + a) / (1 + a * last))
    step = torch.tan(width.unsqueeze(-1) * at)
    slope = a.unsqueeze(-1)
    rise = step * (1 + slope**2) / (1 - slope * step)
    fall = outer.unsqueeze(-1) ** 2 * rise * (rise + 2 * slope) / 2
    area = width * torch.sum(weights * torch.exp(-fall), -1) / math.pi
    return torch.where(near, torch.log(central), torch.log(area) - outer**2 * (1 + a**2) / 2)


class ExGaussian(_Univariate):
    """The sum of a normal and an exponential value: the exponentially modified Gaussian."""

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "rate": constraints.positive,
    }
    ranks = dict.fromkeys(arg_constraints, 0)
    support = constraints.real
    has_rsample = True
    loc: Tensor
    scale: Tensor
    rate: Tensor

    def __init__(
        self, loc: Given, scale: Given, rate: Given, *, validate_args: bool | None = None
    ) -> None:
        self._take(loc, scale, rate, validate_args=validate_args)

    def _log_shape(self, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""$z$, $r = b s$ and $\log(e^{r^2 / 2 - r z} \Phi(z - r))$: the density over the rate."""
        z = (value - self.loc) / self.scale
        r = self.rate * self.scale
        u = z - r
        left = u < 0
        # On the left exp(r^2 / 2 - r z) and Phi(u) are huge and tiny; erfcx has their product.
        scaled = -(z**2) / 2 + _log_erfcx(torch.where(left, -u, 1.0) / ROOT2) - LOG2
        v = torch.where(left, 1.0, u)
        plain = -r * v - r**2 / 2 + log_ndtr(v)
        return z, r, torch.where(left, scaled, plain)

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$\log b + b^2 s^2 / 2 - b (x - m) + \log\Phi((x - m) / s - b s)$."""
        if self._validate_args:
            self._validate_sample(value)
        return torch.log(self.rate) + self._log_shape(value)[2]

    def rsample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """The sum, drawn."""
        shape = self._extended_shape(sample_shape)
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + self.scale * noise + torch.empty_like(noise).exponential_() / self.rate

    def log_cdf(self, value: Tensor) -> Tensor:
        r"""The logarithm of $\Phi(z) - e^{r^2 / 2 - r z} \Phi(z - r)$."""
        z, r, shape = self._log_shape(value)
        left = z < 0
        x = torch.where(left, -z, 0.0) / ROOT2
        below = torch.log((erfcx(x) - erfcx(x + r / ROOT2)) / 2) - x**2
        other = torch.where(left, -1.0, shape)
        above = torch.log(-torch.expm1(other) - ndtr(-torch.where(left, 1.0, z)))
        return torch.where(left, below, above)

    def log_sf(self, value: Tensor) -> Tensor:
        r"""The logarithm of $\Phi(-z) + e^{r^2 / 2 - r z} \Phi(z - r)$."""
        z, _, shape = self._log_shape(value)
        return torch.logaddexp(log_ndtr(-z), shape)


class Wald(_Univariate):
    """The inverse Gaussian: when a Brownian motion with drift first reaches a level."""

    arg_constraints = {"mean": constraints.positive, "concentration": constraints.positive}
    ranks = dict.fromkeys(arg_constraints, 0)
    support = constraints.positive
    mean: Tensor = None  # type: ignore[assignment]  # in the place of torch's property
    concentration: Tensor

    def __init__(
        self, mean: Given, concentration: Given, *, validate_args: bool | None = None
    ) -> None:
        self._take(mean, concentration, validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$\frac{1}{2} \log\frac{k}{2\pi x^3} - k (x - m)^2 / (2 m^2 x)$."""
        if self._validate_args:
            self._validate_sample(value)
        k, m = self.concentration, self.mean
        away = (value - m) / m
        return (torch.log(k) - 3 * torch.log(value)) / 2 - LOG_ROOT_2PI - k * away**2 / value / 2

    def sample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """By the smaller root of a quadratic equation (Michael, Schucany and Haas, 1976)."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            m = self.mean.expand(shape)
            w = m * torch.randn_like(m) ** 2 / (2 * self.concentration)
            root = 1 / (1 + w + torch.sqrt(w**2 + 2 * w))
            return m * torch.where(torch.rand_like(m) * (1 + root) <= 1, root, 1 / root)

    def _tails(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithms of P(X <= value) and of P(X > value)."""
        inside = value > 0
        x = torch.where(inside, value, 1.0)
        root = torch.sqrt(self.concentration / x)
        a, b = root * (x / self.mean - 1), root * (x / self.mean + 1)
        # exp(2 k / m) Phi(-b) is exp(-a^2 / 2) erfcx(b / sqrt 2) / 2
        reflected = _log_erfcx(b / ROOT2) - LOG2 - a**2 / 2
        below = torch.logaddexp(log_ndtr(a), reflected)
        far = a > -1
        c = torch.where(far, a, 0.0) / ROOT2
        d = torch.where(far, b, 1.0) / ROOT2
        beyond = torch.log((erfcx(c) - erfcx(d)) / 2) - c**2
        above = torch.where(far, beyond, log1mexp(torch.where(far, -1.0, below)))
        return torch.where(inside, below, -math.inf), torch.where(inside, above, 0.0)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X <= value)."""
        return self._tails(value)[0]

    def log_sf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X > value)."""
        return self._tails(value)[1]


class DiscreteUniform(_Univariate):
    """The whole numbers from `low` to `high`, both included, equally likely."""

    arg_constraints = {"low": constraints.integer, "high": constraints.integer}
    ranks = dict.fromkeys(arg_constraints, 0)
    has_enumerate_support = True
    low: Tensor
    high: Tensor

    def __init__(self, low: Given, high: Given, *, validate_args: bool | None = None) -> None:
        self._take(low, high, validate_args=validate_args)
        if self._validate_args and bool((self.low > self.high).any()):
            raise ValueError("DiscreteUniform has no values where its low exceeds its high")

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> constraints.Constraint:
        """From `low` to `high`."""
        return constraints.integer_interval(self.low, self.high)

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$-\log(h - l + 1)$ inside."""
        if self._validate_args:
            self._validate_sample(value)
        inside = (value >= self.low) & (value <= self.high)
        return torch.where(inside, -torch.log(self.high - self.low + 1), -math.inf)

    def sample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """A uniform number, rounded down."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            step = torch.rand(shape, dtype=self.low.dtype, device=self.low.device)
            count = self.high - self.low + 1
            return self.low + torch.minimum(torch.floor(step * count), count - 1)

    def enumerate_support(self, expand: bool = True) -> Tensor:  # noqa: FBT001, FBT002
        """Every value; the ends must be the same throughout the batch."""
        low, high = self.low.flatten(), self.high.flatten()
        if bool((low != low[0]).any()) or bool((high != high[0]).any()):
            raise NotImplementedError("the ends differ from member to member")
        count = int(high[0] - low[0]) + 1
        values = low[0] + torch.arange(count, dtype=low.dtype, device=low.device)
        values = values.reshape((-1,) + (1,) * len(self.batch_shape))
        return values.expand((count, *self.batch_shape)) if expand else values

    def _share(self, value: Tensor) -> Tensor:
        """P(X <= value)."""
        share = (torch.floor(value) - self.low + 1) / (self.high - self.low + 1)
        return torch.clamp(share, 0.0, 1.0)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X <= value)."""
        return torch.log(self._share(value))

    def log_sf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X > value)."""
        return torch.log1p(-self._share(value))
