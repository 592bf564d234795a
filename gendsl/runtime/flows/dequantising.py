"""Whole numbers behind flows: dequantisation by uniform noise.

References:
    A note on the evaluation of generative models (Theis, van den Oord, Bethge, ICLR 2016),
    section 3.1.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import constraints

__all__ = ["Dequantised"]

DRAWS = 8
"""Draws of the noise where no gradient is asked for: their mean is a tighter bound."""


class Dequantised(TorchDistribution):
    """The law of a continuous value that is rounded, whose probability is bounded from below.

    P(x) is the mean over noise u, uniform in (-1/2, 1/2), of the density at x + u; its logarithm
    is at least the mean of the log densities. Draws are rounded; end values reach to the tails.

    Args:
        law: of the continuous value.
        lower: the least whole number.
        upper: the greatest.
    """

    arg_constraints = {}  # noqa: RUF012
    has_rsample = False

    def __init__(
        self,
        law: Any,  # noqa: ANN401  Pyro's distributions
        lower: float,
        upper: float,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.law, self.lower, self.upper = law, lower, upper
        super().__init__(law.batch_shape, law.event_shape, validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """Whole numbers between the ends."""
        found = constraints.integer_interval(self.lower, self.upper)
        rank = len(self.event_shape)
        return constraints.independent(found, rank) if rank else found

    def expand(self, batch_shape: Any, _instance: object = None) -> Dequantised:  # noqa: ANN401
        """The same for a larger batch."""
        return Dequantised(
            self.law.expand(batch_shape), self.lower, self.upper, validate_args=False
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """A bound on the log probability, with fresh noise for each entry."""
        if self._validate_args:
            self._validate_sample(value)
        value = value.to(torch.get_default_dtype())
        count = 1 if torch.is_grad_enabled() else DRAWS
        found = [self.law.log_prob(value + torch.rand_like(value) - 0.5) for _ in range(count)]
        return torch.logsumexp(torch.stack(found), 0) - math.log(count)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: ANN401, B008
        """Rounded draws."""
        with torch.no_grad():
            drawn: Tensor = torch.round(self.law.sample(sample_shape))
            return torch.clamp(drawn, self.lower, self.upper)
