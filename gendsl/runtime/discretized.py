"""Continuous distributions rounded to whole numbers between two ends."""

from __future__ import annotations

import math

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.types import _size

from gendsl.runtime.parametric import NO_AXES, Given
from gendsl.runtime.univariate import DiscreteUniform

__all__ = ["DiscretizedLogistic"]


class DiscretizedLogistic(DiscreteUniform):
    r"""A logistic number, rounded; the cells at the ends reach to the tails.

    Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++, ICLR, equation 2. With
    $a = (x - 1/2 - m) / s$ and $b = (x + 1/2 - m) / s$ the probability is
    $\sigma(b) - \sigma(a) = \sigma(b) \sigma(-a) (1 - e^{-1/s})$, in which nothing cancels.
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "low": constraints.integer,
        "high": constraints.integer,
    }
    ranks = dict.fromkeys(arg_constraints, 0)
    loc: Tensor
    scale: Tensor

    def __init__(
        self,
        loc: Given,
        scale: Given,
        low: Given,
        high: Given,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._take(loc, scale, low, high, validate_args=validate_args)
        if self._validate_args and bool((self.low > self.high).any()):
            raise ValueError("DiscretizedLogistic has no values where its low exceeds its high")

    def _ends(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """The ends of the cell of a value, standardised."""
        return (value - 0.5 - self.loc) / self.scale, (value + 0.5 - self.loc) / self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of the cell of a value."""
        if self._validate_args:
            self._validate_sample(value)
        below, above = self._ends(value)
        lowest, highest = value <= self.low, value >= self.high
        upper = torch.where(highest, 0.0, logsigmoid(above))
        lower = torch.where(lowest, 0.0, logsigmoid(-below))
        width = torch.log(-torch.expm1(-1 / self.scale))
        found = upper + lower + torch.where(lowest | highest, 0.0, width)
        inside = (value >= self.low) & (value <= self.high)
        return torch.where(inside, found, -math.inf)

    def sample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """A logistic number, rounded and cut off."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            share = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
            tiny = torch.finfo(share.dtype).tiny
            odds = torch.log(share.clamp_min(tiny)) - torch.log1p(-share)
            rounded = torch.floor(self.loc + self.scale * odds + 0.5)
            return torch.minimum(torch.maximum(rounded, self.low), self.high)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X <= value)."""
        _, above = self._ends(torch.floor(value))
        found = torch.where(value >= self.high, 0.0, logsigmoid(above))
        return torch.where(value < self.low, -math.inf, found)

    def log_sf(self, value: Tensor) -> Tensor:
        """The logarithm of P(X > value)."""
        _, above = self._ends(torch.floor(value))
        found = torch.where(value < self.low, 0.0, logsigmoid(-above))
        return torch.where(value >= self.high, -math.inf, found)
