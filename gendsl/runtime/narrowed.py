"""Distributions conditioned on a narrower type, and density 1 on a type."""

from __future__ import annotations

import math

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.distributions import biject_to
from torch.types import _size

from gendsl.runtime.manifolds import OrderedBetween
from gendsl.runtime.tails import log_between

__all__ = ["FlatOn", "Ordered", "Truncated"]

_NO_AXES = torch.Size()
_TRIES = 1000
"""Rejection sampling gives up after so many rounds."""


Bound = Tensor | float


def _interval(low: Bound, high: Bound) -> constraints.Constraint:
    if isinstance(high, float) and high == math.inf:
        if isinstance(low, float) and low == -math.inf:
            return constraints.real
        zero = isinstance(low, float) and low == 0
        return constraints.positive if zero else constraints.greater_than(low)
    if isinstance(low, float) and low == -math.inf:
        return constraints.less_than(high)
    return constraints.interval(low, high)


def _shape(bound: Bound) -> torch.Size:
    return bound.shape if isinstance(bound, Tensor) else _NO_AXES


class Truncated(TorchDistribution):
    r"""A univariate distribution given that the value lies in an interval.

    $\log p(x) = \log p_0(x) - \log P_0(a < X < b)$, where the probability is taken by the
    distribution function (``cdf``), is one half by symmetry (``half``), or is a constant that
    is left out (``unnormalised``). A value outside has density 0; it is refused only where the
    bounds are numbers, since those that depend on an unknown may move past an observed value.

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
        low: Bound,
        high: Bound,
        how: str,
        *,
        validate_args: bool | None = None,
    ) -> None:
        shape = torch.broadcast_shapes(base.batch_shape, _shape(low), _shape(high))
        self.base = base.expand(shape) if shape != base.batch_shape else base
        self.low, self.high, self.how = low, high, how
        super().__init__(shape, validate_args=validate_args)

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

    def _bound(self, bound: Bound) -> Tensor | None:
        """A bound that cuts something off."""
        if isinstance(bound, Tensor):
            return bound
        ends = self.base.support
        least = getattr(ends, "lower_bound", -math.inf)
        most = getattr(ends, "upper_bound", math.inf)
        numbers = [end for end in (least, most) if isinstance(end, (int, float))]
        if math.isinf(bound) or (bound in numbers):
            return None
        return torch.tensor(bound)

    def _log_mass(self) -> Tensor:
        if self.how == "unnormalised":
            return torch.zeros(())
        if self.how == "half":
            return torch.tensor(-math.log(2.0))
        return log_between(self.base, self._bound(self.low), self._bound(self.high))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density; minus infinity outside the interval."""
        inside = (value >= self.low) & (value <= self.high)
        numbers = isinstance(self.low, float) and isinstance(self.high, float)
        if self._validate_args and numbers:
            self._validate_sample(value)
        return torch.where(inside, self.base.log_prob(value) - self._log_mass(), -math.inf)

    def _cdf(self, bound: Bound, at_infinity: float) -> Tensor:
        if isinstance(bound, float) and math.isinf(bound):
            return torch.full(self.batch_shape, at_infinity)
        return self.base.cdf(torch.as_tensor(bound))

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
    r"""Independent entries given that they increase, between bounds.

    For identically distributed entries the probability of the order is $1/K!$; otherwise it is
    a constant that is left out, and the density is up to it. `base` is conditioned on the
    bounds already.

    Args:
        base: distribution of the entries, along its last batch axis.
        lower: the lower bound of the type, or minus infinity.
        upper: the upper bound of the type, or infinity.
        identical: whether the entries have one distribution.
    """

    arg_constraints = {}
    has_rsample = False

    def __init__(
        self,
        base: TorchDistribution,
        lower: float = -math.inf,
        upper: float = math.inf,
        *,
        identical: bool = True,
        validate_args: bool | None = None,
    ) -> None:
        self.base, self.lower, self.upper, self.identical = base, lower, upper, identical
        shape = base.batch_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """Increasing vectors between the bounds."""
        if self.upper == math.inf and self.lower in (0.0, -math.inf):
            free = self.lower == -math.inf
            return constraints.ordered_vector if free else constraints.positive_ordered_vector
        return OrderedBetween(self.lower, self.upper)

    def expand(self, batch_shape: _size, _instance: object = None) -> Ordered:
        """The same for a larger batch."""
        return Ordered(
            self.base.expand(torch.Size(batch_shape) + self.event_shape),
            self.lower,
            self.upper,
            identical=self.identical,
            validate_args=self._validate_args,
        )

    def _legal(self, value: Tensor) -> Tensor:
        return OrderedBetween(self.lower, self.upper).check(value)

    def log_prob(self, value: Tensor) -> Tensor:
        """The joint log density; minus infinity out of order."""
        total = self.base.log_prob(value).sum(-1)
        if self.identical:
            total = total + math.lgamma(self.event_shape[0] + 1)
        return torch.where(self._legal(value), total, -math.inf)

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Sorted draws of identical entries, else rejection of draws out of order."""
        with torch.no_grad():
            value = self.base.sample(sample_shape)
            if self.identical:
                return value.sort(-1).values
            for _ in range(_TRIES):
                wrong = ~self._legal(value).unsqueeze(-1)
                if not bool(wrong.any()):
                    return value
                value = torch.where(wrong, self.base.sample(sample_shape), value)
        raise ValueError("the order is too improbable to sample by rejection")


class FlatOn(TorchDistribution):
    """Density 1 on a support: improper, or known up to its constant; for NUTS and MAP.

    Draws are no draws from it, but plain points of the support to start from.

    Args:
        support: a constraint that `torch.distributions.biject_to` knows.
        event_shape: of a value.
    """

    arg_constraints = {}
    has_rsample = False

    def __init__(
        self,
        support: constraints.Constraint,
        event_shape: _size = _NO_AXES,
        batch_shape: _size = _NO_AXES,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self._support = support
        super().__init__(
            torch.Size(batch_shape), torch.Size(event_shape), validate_args=validate_args
        )

    @property
    def support(self) -> constraints.Constraint:
        """As given."""
        return self._support

    def expand(self, batch_shape: _size, _instance: object = None) -> FlatOn:
        """The same for a larger batch."""
        return FlatOn(
            self._support, self.event_shape, batch_shape, validate_args=self._validate_args
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """Zero everywhere."""
        if self._validate_args:
            self._validate_sample(value)
        rank = value.dim() - len(self.event_shape)
        return torch.zeros(torch.broadcast_shapes(value.shape[:rank], self.batch_shape))

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Images of standard normal coordinates."""
        transform = biject_to(self._support)
        shape = transform.inverse_shape(self._extended_shape(sample_shape))
        with torch.no_grad():
            start: Tensor = transform(torch.randn(shape))
        return start
