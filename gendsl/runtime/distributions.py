"""Distributions that Pyro has not got, or not accurately enough."""

from __future__ import annotations

import math

import torch
from pyro.distributions import TorchDistribution, constraints
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor
from torch.distributions import Kumaraswamy as TorchKumaraswamy
from torch.distributions import Pareto as TorchPareto
from torch.distributions import VonMises as TorchVonMises
from torch.types import _size

from gendsl.runtime.autoregressive import Autoregressive
from gendsl.runtime.carrying import carried
from gendsl.runtime.codebooks import nearest
from gendsl.runtime.counts import DirichletMultinomial, Multinomial
from gendsl.runtime.curves import (
    bspline,
    fourier,
    hilbert_basis,
    hilbert_frequencies,
    interpolate,
    natural_spline,
)
from gendsl.runtime.discretized import DiscretizedLogistic
from gendsl.runtime.fields import CAR, ICAR
from gendsl.runtime.flows.checking import begin
from gendsl.runtime.flows.dequantising import Dequantised
from gendsl.runtime.flows.written import flow
from gendsl.runtime.incomplete import (
    log_betainc,
    log_complement,
    log_gammainc,
    log_gammaincc,
)
from gendsl.runtime.intervals import FlatBetween, Uniform, between, start_between
from gendsl.runtime.kernels import (
    constant_kernel,
    gaussian_process,
    linear_kernel,
    matern12,
    matern32,
    matern52,
    periodic,
    rational_quadratic,
    squared_exponential,
    white,
)
from gendsl.runtime.linear_algebra import eigenvectors, rank, solve, stick_breaking
from gendsl.runtime.listing import listed
from gendsl.runtime.manifolds import (
    OrderedBetween,
    cholesky_correlation,
    correlation,
    covariance,
    unit_vector,
    zero_sum,
)
from gendsl.runtime.matrices import LKJ, InverseWishart, LKJCholesky, MatrixNormal, Wishart
from gendsl.runtime.mixtures import Mixture, MixtureOver
from gendsl.runtime.moving import FollowSupport
from gendsl.runtime.narrowed import FlatOn, Ordered, Truncated
from gendsl.runtime.nets.written import net, supplied
from gendsl.runtime.odes import odeint
from gendsl.runtime.ordinal import ordered_logistic, ordered_probit
from gendsl.runtime.pinned import pinned
from gendsl.runtime.products import product
from gendsl.runtime.scalars import trigamma
from gendsl.runtime.series import AR, GaussianRandomWalk
from gendsl.runtime.shapes import broadcast_shapes
from gendsl.runtime.univariate import (
    AsymmetricLaplace,
    DiscreteUniform,
    ExGaussian,
    SkewNormal,
    Wald,
)
from gendsl.runtime.wrappers import Censored, Hurdle, ZeroInflated

__all__ = [
    "AR",
    "AsymmetricLaplace",
    "Autoregressive",
    "CAR",
    "Dequantised",
    "Censored",
    "DirichletMultinomial",
    "DiscreteUniform",
    "DiscretizedLogistic",
    "ExGaussian",
    "Flat",
    "FlatBetween",
    "FlatOn",
    "FollowSupport",
    "GaussianRandomWalk",
    "Hurdle",
    "ICAR",
    "InverseWishart",
    "Kumaraswamy",
    "LKJ",
    "LKJCholesky",
    "MatrixNormal",
    "Mixture",
    "MixtureOver",
    "Multinomial",
    "Ordered",
    "OrderedBetween",
    "Pareto",
    "SkewNormal",
    "Truncated",
    "Uniform",
    "VonMises",
    "Wald",
    "Wishart",
    "ZeroInflated",
    "begin",
    "between",
    "bspline",
    "carried",
    "cholesky_correlation",
    "constant_kernel",
    "correlation",
    "covariance",
    "eigenvectors",
    "flow",
    "fourier",
    "gaussian_process",
    "hilbert_basis",
    "hilbert_frequencies",
    "interpolate",
    "linear_kernel",
    "listed",
    "log_betainc",
    "log_complement",
    "log_gammainc",
    "log_gammaincc",
    "matern12",
    "matern32",
    "matern52",
    "natural_spline",
    "nearest",
    "net",
    "odeint",
    "ordered_logistic",
    "ordered_probit",
    "periodic",
    "pinned",
    "product",
    "rank",
    "rational_quadratic",
    "solve",
    "squared_exponential",
    "start_between",
    "stick_breaking",
    "supplied",
    "trigamma",
    "unit_vector",
    "white",
    "zero_sum",
]

_NO_AXES = torch.Size()


class Flat(TorchDistribution):
    """Density 1 on the whole line: improper, cannot be sampled."""

    arg_constraints = {}
    support = constraints.real
    has_rsample = False

    def __init__(
        self, batch_shape: _size = _NO_AXES, *, validate_args: bool | None = None
    ) -> None:
        super().__init__(torch.Size(batch_shape), validate_args=validate_args)

    def expand(self, batch_shape: _size, _instance: object = None) -> Flat:
        """The same for a larger batch."""
        return Flat(batch_shape, validate_args=self._validate_args)

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Refused: there is nothing to draw from."""
        raise NotImplementedError("Flat has no finite integral and cannot be sampled")

    def log_prob(self, value: Tensor) -> Tensor:
        """Zero everywhere."""
        if self._validate_args:
            self._validate_sample(value)
        return torch.zeros_like(value).expand(broadcast_shapes(value.shape, self.batch_shape))


class VonMises(TorchVonMises, TorchDistributionMixin):
    """The normal distribution of the circle.

    Pyro's normaliser is a polynomial that is right to seven digits; this one to sixteen.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$\kappa (\cos(x - m) - 1) - \log(2\pi e^{-\kappa} I_0(\kappa))$."""
        if self._validate_args:
            self._validate_sample(value)
        # cos - 1, without cancellation where the concentration is large
        fall = -2 * torch.sin((value - self.loc) / 2) ** 2
        normalizer = math.log(2 * math.pi) + torch.log(torch.special.i0e(self.concentration))
        return self.concentration * fall - normalizer


class Pareto(TorchPareto, TorchDistributionMixin):  # type: ignore[misc, override]
    """A power law above `scale`; Pyro's gives values below it a density."""

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$\log a + a \log s - (a + 1) \log x$ above $s$, else $-\infty$."""
        if self._validate_args:
            self._validate_sample(value)
        inside = torch.log(self.alpha / value) + self.alpha * torch.log(self.scale / value)
        return torch.where(value >= self.scale, inside, -math.inf)

    def log_cdf(self, value: Tensor) -> Tensor:
        r"""$\log(1 - (s / x)^a)$ above $s$."""
        return log_complement(self.log_sf(value))

    def log_sf(self, value: Tensor) -> Tensor:
        r"""$a (\log s - \log x)$ above $s$."""
        high = value < math.inf
        inside = (value > self.scale) & high
        excess = torch.where(inside, value, self.scale) - self.scale
        above = -self.alpha * torch.log1p(excess / self.scale)
        return torch.where(high, above, -math.inf)


class Kumaraswamy(TorchKumaraswamy, TorchDistributionMixin):
    """Much like Beta; Pyro's density is 0 near 0, where it rounds $1 - x^a$ to 1."""

    def _log_tail(self, value: Tensor) -> Tensor:
        """$log(1 - x^a)$."""
        return torch.log(-torch.expm1(self.concentration1 * torch.log(value)))

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$\log(a b) + (a - 1) \log x + (b - 1) \log(1 - x^a)$."""
        if self._validate_args:
            self._validate_sample(value)
        a, b = self.concentration1, self.concentration0
        return torch.log(a * b) + (a - 1) * torch.log(value) + (b - 1) * self._log_tail(value)

    def cdf(self, value: Tensor) -> Tensor:
        """$1 - (1 - x^a)^b$."""
        return -torch.expm1(self.concentration0 * self._log_tail(value))

    def log_cdf(self, value: Tensor) -> Tensor:
        """$log(1 - (1 - x^a)^b)$."""
        return log_complement(self.log_sf(value))

    def log_sf(self, value: Tensor) -> Tensor:
        """$b log(1 - x^a)$."""
        low, high = value > 0, value < 1
        at = torch.where(low & high, value, 0.5)
        above = self.concentration0 * log_complement(self.concentration1 * torch.log(at))
        return torch.where(high, torch.where(low, above, 0.0), -math.inf)
