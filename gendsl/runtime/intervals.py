"""Distributions between bounds that may be tensors, and move with what they are computed from."""

from __future__ import annotations

import math

import pyro
import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.distributions import biject_to
from torch.types import _size

from gendsl.runtime.shapes import broadcast_shapes

__all__ = [
    "Bound",
    "FlatBetween",
    "Uniform",
    "between",
    "inner",
    "shape_of",
    "start_between",
    "verify_not_empty",
]

_NO_AXES = torch.Size()

Bound = Tensor | float


def between(low: Bound, high: Bound) -> constraints.Constraint:
    """The interval from `low` to `high`; a number may be infinite."""
    if isinstance(high, float) and high == math.inf:
        if isinstance(low, float) and low == -math.inf:
            return constraints.real
        zero = isinstance(low, float) and low == 0
        return constraints.positive if zero else constraints.greater_than(low)
    if isinstance(low, float) and low == -math.inf:
        return constraints.less_than(high)
    return constraints.interval(low, high)


def start_between(low: Bound, high: Bound, shape: _size) -> Tensor:
    """A plain point of an interval: where the search for a param begins."""
    start: Tensor = biject_to(between(low, high))(torch.zeros(shape))
    return start


def shape_of(bound: Bound) -> torch.Size:
    """The batch shape that a bound brings along."""
    return bound.shape if isinstance(bound, Tensor) else _NO_AXES


def inner(a: Bound, b: Bound, *, low: bool) -> Bound:
    """The stricter one of two lower bounds (`low`), or of two upper ones."""
    outermost = -math.inf if low else math.inf
    for bound, other in ((a, b), (b, a)):
        if isinstance(bound, float) and bound == outermost:
            return other
    if isinstance(a, float) and isinstance(b, float):
        return max(a, b) if low else min(a, b)
    pick = torch.maximum if low else torch.minimum
    return pick(torch.as_tensor(a), torch.as_tensor(b))


def verify_not_empty(low: Bound, high: Bound) -> None:
    """Refuse to draw from an interval without values, where distributions are validated.

    Raises:
        ValueError: a lower bound is not below its upper one.
    """
    validated = pyro.settings.get("validate_distributions_pyro")
    if validated and bool((torch.as_tensor(low) >= torch.as_tensor(high)).any()):
        raise ValueError("a value is to be drawn between bounds that leave none")


class FlatBetween(TorchDistribution):
    """Density 1 between bounds and 0 elsewhere: improper; draws are plain points to start from.

    Args:
        low: the lower bound, or minus infinity.
        high: the upper bound, or infinity.
        batch_shape: beyond that of the bounds.
    """

    arg_constraints = {}
    has_rsample = False

    def __init__(
        self,
        low: Bound,
        high: Bound,
        batch_shape: _size = _NO_AXES,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.low, self.high = low, high
        shape = broadcast_shapes(shape_of(low), shape_of(high), torch.Size(batch_shape))
        super().__init__(shape, validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """The interval."""
        return between(self.low, self.high)

    def expand(self, batch_shape: _size, _instance: object = None) -> FlatBetween:
        """The same for a larger batch."""
        return FlatBetween(self.low, self.high, batch_shape, validate_args=self._validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """Zero between the bounds, else minus infinity."""
        inside = (value >= self.low) & (value <= self.high)
        shape = broadcast_shapes(value.shape, self.batch_shape)
        return torch.where(inside, 0.0, -math.inf).expand(shape)

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Images of standard normal coordinates."""
        with torch.no_grad():
            verify_not_empty(self.low, self.high)
            noise = torch.randn(self._extended_shape(sample_shape))
            start: Tensor = biject_to(self.support)(noise)
        return start


class Uniform(TorchDistribution):
    """Every value between two bounds is equally likely; bounds may come to leave none.

    Pyro's density is NaN there, and 0 at the upper end.
    """

    arg_constraints = {}
    has_rsample = False

    def __init__(self, low: Bound, high: Bound, *, validate_args: bool | None = None) -> None:
        ends = torch.broadcast_tensors(torch.as_tensor(low), torch.as_tensor(high))
        self.low, self.high = ends[0], ends[1]
        super().__init__(self.low.shape, validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """The interval."""
        return constraints.interval(self.low, self.high)

    def expand(self, batch_shape: _size, _instance: object = None) -> Uniform:
        """The same for a larger batch."""
        return Uniform(
            self.low.expand(batch_shape),
            self.high.expand(batch_shape),
            validate_args=self._validate_args,
        )

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$-\log(h - l)$ between the bounds, else minus infinity."""
        inside = (value >= self.low) & (value <= self.high)
        width = torch.where(self.low < self.high, self.high - self.low, 1.0)
        return torch.where(inside, -torch.log(width), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """The part of the interval below a value."""
        below: Tensor = (value - self.low) / (self.high - self.low)
        return below.clamp(min=0, max=1)

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a part of the interval lies."""
        found: Tensor = self.low + value * (self.high - self.low)
        return found

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Uniform draws."""
        with torch.no_grad():
            verify_not_empty(self.low, self.high)
            return self.icdf(torch.rand(self._extended_shape(sample_shape)))
