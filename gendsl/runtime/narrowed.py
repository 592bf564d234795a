"""Distributions conditioned on a narrower type: intervals and increasing order."""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.types import _size

__all__ = ["OneSided", "Ordered", "Truncated"]

_NO_AXES = torch.Size()
_TRIES = 1000
"""Rejection sampling gives up after so many rounds."""


def _interval(low: Any, high: Any) -> constraints.Constraint:
    numbers = isinstance(low, float) and isinstance(high, float)
    if numbers and high == math.inf:
        if low == -math.inf:
            return constraints.real
        return constraints.positive if low == 0 else constraints.greater_than(low)
    if numbers and low == -math.inf:
        return constraints.less_than(high)
    return constraints.interval(low, high)


class Truncated(TorchDistribution):
    r"""A univariate distribution given that the value lies in an interval.

    $\log p(x) = \log p_0(x) - \log P_0(a < X < b)$, where the probability is taken by the
    distribution function (``cdf``), is one half by symmetry (``half``), or is a constant that
    is left out (``unnormalised``).

    Args:
        base: the distribution that is conditioned.
        low: the lower bound, or minus infinity.
        high: the upper bound, or infinity.
        how: ``cdf``, ``half`` or ``unnormalised``.
    """

    arg_constraints = {}
    has_rsample = False

    def __init__(
        self,
        base: TorchDistribution,
        low: Any,
        high: Any,
        how: str,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.base, self.low, self.high, self.how = base, low, high, how
        super().__init__(base.batch_shape, validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """The interval."""
        return _interval(self.low, self.high)

    def expand(self, batch_shape: _size, _instance: object = None) -> Truncated:
        """The same for a larger batch."""
        return Truncated(
            self.base.expand(batch_shape),
            self.low,
            self.high,
            self.how,
            validate_args=self._validate_args,
        )

    def _cdf(self, bound: Any, at_infinity: float) -> Tensor:
        if isinstance(bound, float) and math.isinf(bound):
            return torch.full(self.batch_shape, at_infinity)
        return self.base.cdf(torch.as_tensor(bound))

    def _log_mass(self) -> Tensor:
        if self.how == "unnormalised":
            return torch.zeros(())
        if self.how == "half":
            return torch.tensor(-math.log(2.0))
        return torch.log(self._cdf(self.high, 1.0) - self._cdf(self.low, 0.0))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density; minus infinity outside the interval."""
        inside = (value >= self.low) & (value <= self.high)
        if self._validate_args:
            self._validate_sample(value)
        return torch.where(inside, self.base.log_prob(value) - self._log_mass(), -math.inf)

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Draws by the inverse distribution function, else by rejection."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            try:
                low, high = self._cdf(self.low, 0.0), self._cdf(self.high, 1.0)
                value = self.base.icdf(low + (high - low) * torch.rand(shape))
                return torch.clamp(value, torch.as_tensor(self.low), torch.as_tensor(self.high))
            except NotImplementedError:
                return self._by_rejection(sample_shape)

    def _by_rejection(self, sample_shape: _size) -> Tensor:
        value = self.base.sample(sample_shape)
        for _ in range(_TRIES):
            outside = (value < self.low) | (value > self.high)
            if not bool(outside.any()):
                return value
            value = torch.where(outside, self.base.sample(sample_shape), value)
        raise ValueError("the truncation interval is too improbable to sample by rejection")


class Ordered(TorchDistribution):
    r"""Independent entries given that they increase.

    For identically distributed entries the probability of the order is $1/K!$; otherwise it is
    a constant that is left out, and the density is up to it.

    Args:
        base: distribution of the entries, along its last batch axis.
        lower: the bound of the type, or None.
        identical: whether the entries have one distribution.
    """

    arg_constraints = {}
    has_rsample = False

    def __init__(
        self,
        base: TorchDistribution,
        lower: float | None,
        identical: bool,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.base, self.lower, self.identical = base, lower, identical
        shape = base.batch_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """Increasing vectors, of positive numbers where the lower bound is 0."""
        if self.lower == 0:
            return constraints.positive_ordered_vector
        return constraints.ordered_vector

    def expand(self, batch_shape: _size, _instance: object = None) -> Ordered:
        """The same for a larger batch."""
        base = self.base.expand(torch.Size(batch_shape) + self.event_shape)
        return Ordered(base, self.lower, self.identical, validate_args=self._validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """The joint log density; minus infinity out of order."""
        steps = value[..., 1:] > value[..., :-1]
        legal = steps.all(-1)
        if self.lower is not None:
            legal = legal & (value[..., 0] > self.lower)
        total = self.base.log_prob(value).sum(-1)
        if self.identical:
            total = total + math.lgamma(self.event_shape[0] + 1)
        return torch.where(legal, total, -math.inf)

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Sorted draws of identical entries, else rejection of draws out of order."""
        with torch.no_grad():
            value = self.base.sample(sample_shape)
            if self.identical:
                return value.sort(-1).values
            for _ in range(_TRIES):
                wrong = ~(value[..., 1:] > value[..., :-1]).all(-1, keepdim=True)
                if self.lower is not None:
                    wrong = wrong | (value[..., :1] <= self.lower)
                if not bool(wrong.any()):
                    return value
                value = torch.where(wrong, self.base.sample(sample_shape), value)
        raise ValueError("the order is too improbable to sample by rejection")


class OneSided(TorchDistribution):
    """A proper starting point on a half line that does not begin at 0; for flat densities."""

    arg_constraints = {}
    has_rsample = False

    def __init__(
        self,
        low: float,
        high: float,
        batch_shape: _size = _NO_AXES,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.low, self.high = low, high
        super().__init__(torch.Size(batch_shape), validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """The half line."""
        return _interval(self.low, self.high)

    def expand(self, batch_shape: _size, _instance: object = None) -> OneSided:
        """The same for a larger batch."""
        return OneSided(self.low, self.high, batch_shape, validate_args=self._validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density of an exponential from the bound on."""
        distance = value - self.low if math.isinf(self.high) else self.high - value
        return -distance.expand(torch.broadcast_shapes(value.shape, self.batch_shape))

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """The bound plus or minus exponential draws."""
        step = -torch.log1p(-torch.rand(self._extended_shape(sample_shape)))
        return self.low + step if math.isinf(self.high) else self.high - step
