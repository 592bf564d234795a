"""Distributions of counts of categories."""

from __future__ import annotations

import math

import torch
from pyro.distributions import Dirichlet, TorchDistribution, constraints
from torch import Tensor
from torch.distributions.utils import broadcast_all
from torch.types import _size

from gendsl.runtime.parametric import NO_AXES, Given, Parametric
from gendsl.runtime.shapes import broadcast_shapes

__all__ = ["DirichletMultinomial", "Multinomial"]


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
        batch_shape = broadcast_shapes(total.shape, probs.shape[:-1])
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

    def sample(self, sample_shape: _size = NO_AXES) -> Tensor:
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


class DirichletMultinomial(Parametric):
    """Counts of categories whose probabilities are drawn anew from a Dirichlet distribution."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "concentration": constraints.independent(constraints.positive, 1),
    }
    ranks = {"total_count": 0, "concentration": 1}
    total_count: Tensor
    concentration: Tensor

    def __init__(
        self, total_count: Given, concentration: Tensor, *, validate_args: bool | None = None
    ) -> None:
        held = {"total_count": total_count, "concentration": concentration}
        self._hold(held, concentration.shape[-1:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> constraints.Constraint:
        """Counts that sum to `total_count`."""
        return constraints.multinomial(self.total_count)

    def sample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """Draw the probabilities, then the counts."""
        with torch.no_grad():
            probs = Dirichlet(self.concentration).sample(sample_shape)
            return Multinomial(self.total_count, probs, validate_args=False).sample()

    def log_prob(self, value: Tensor) -> Tensor:
        r"""The log mass of counts that sum to `total_count`."""
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        whole, n = a.sum(-1), value.sum(-1)
        ways = torch.lgamma(n + 1) - torch.lgamma(value + 1).sum(-1)
        each = (torch.lgamma(value + a) - torch.lgamma(a)).sum(-1)
        log_mass = ways + each + torch.lgamma(whole) - torch.lgamma(n + whole)
        return torch.where(n == self.total_count, log_mass, -math.inf)
