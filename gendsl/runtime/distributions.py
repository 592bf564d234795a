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
from torch.distributions.utils import broadcast_all
from torch.types import _size

from gendsl.runtime.manifolds import (
    OrderedBetween,
    correlation,
    covariance,
    unit_vector,
    zero_sum,
)
from gendsl.runtime.narrowed import FlatOn, Ordered, Truncated

__all__ = [
    "Flat",
    "FlatOn",
    "Kumaraswamy",
    "Multinomial",
    "Ordered",
    "OrderedBetween",
    "Pareto",
    "Truncated",
    "VonMises",
    "correlation",
    "covariance",
    "unit_vector",
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
        return torch.zeros_like(value).expand(
            torch.broadcast_shapes(value.shape, self.batch_shape)
        )


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


class Multinomial(TorchDistribution):
    """Counts of categories; unlike in Pyro, each batch entry has its own `total_count`."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.simplex,
    }
    has_rsample = False
    total_count: Tensor
    probs: Tensor

    def __init__(
        self, total_count: Tensor | float, probs: Tensor, *, validate_args: bool | None = None
    ) -> None:
        total = torch.as_tensor(total_count, dtype=probs.dtype, device=probs.device)
        batch_shape = torch.broadcast_shapes(total.shape, probs.shape[:-1])
        self.total_count = total.expand(batch_shape)
        self.probs = probs.expand(batch_shape + probs.shape[-1:])
        super().__init__(batch_shape, probs.shape[-1:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> constraints.Constraint:
        """Counts that sum to `total_count`."""
        return constraints.multinomial(self.total_count)

    def expand(self, batch_shape: _size, _instance: object = None) -> Multinomial:
        """The same for a larger batch."""
        new = Multinomial(
            self.total_count.expand(batch_shape),
            self.probs.expand((*batch_shape, *self.event_shape)),
            validate_args=False,
        )
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> Tensor:
        """Expected counts."""
        return self.total_count.unsqueeze(-1) * self.probs

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Draw the categories one after the other, each given those before it."""
        shape = torch.Size(sample_shape) + self.batch_shape
        with torch.no_grad():
            left = self.total_count.expand(shape).clone()
            probs = self.probs.expand(shape + self.event_shape)
            # What is left of the probability, summed from the small end so that it ends in 0.
            rest = torch.flip(torch.cumsum(torch.flip(probs, (-1,)), -1), (-1,))
            counts = []
            for p, q in zip(probs.unbind(-1), rest.unbind(-1), strict=True):
                share = torch.where(q > 0, p / q, torch.ones_like(q)).clamp(0.0, 1.0)
                drawn = torch.binomial(left, share)
                counts.append(drawn)
                left = left - drawn
        return torch.stack(counts, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$\log n! + \sum_k (x_k \log p_k - \log x_k!)$."""
        if self._validate_args:
            self._validate_sample(value)
        total, counts = broadcast_all(self.total_count, value.sum(-1))
        terms = torch.xlogy(value, self.probs) - torch.lgamma(value + 1)
        log_mass = torch.lgamma(total + 1) + terms.sum(-1)
        return torch.where(counts == total, log_mass, -math.inf)
