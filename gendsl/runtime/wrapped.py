"""What distributions of distributions share: the values of their parts, and broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.types import _size

from gendsl.runtime.shapes import broadcast_shapes

__all__ = [
    "Law",
    "Number",
    "Support",
    "Wrapper",
    "closed_interval",
    "ends_of",
    "hull_of",
    "log_prob_of",
    "plain",
    "point_of",
    "same_values",
]

Law = Any
"""A distribution of torch, whose parameters mypy does not know."""
Support = Any
"""A constraint of torch, or of Pyro."""
Number = Tensor | float
Ends = tuple[Number, Number]


def plain(support: Support) -> Support:
    """The constraint of one entry."""
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    return support


def ends_of(support: Support) -> Ends | None:
    """The bounds of numbers; None for anything else."""
    entry = plain(support)
    if entry is constraints.boolean:
        return 0.0, 1.0
    if entry.event_dim:
        return None
    lower = getattr(entry, "lower_bound", -math.inf)
    return lower, getattr(entry, "upper_bound", math.inf)


def point_of(support: Support) -> Number:
    """A value inside, whose density is finite."""
    ends, step = ends_of(support), 0.0 if plain(support).is_discrete else 1.0
    if ends is None:
        return 0.0
    lower, upper = ends
    low = isinstance(lower, Tensor) or lower > -math.inf
    high = isinstance(upper, Tensor) or upper < math.inf
    if low and high:
        return lower if not step else (lower + upper) / 2
    return lower + step if low else upper - step if high else 0.0


def same_values(a: Support, b: Support) -> bool:
    """Whether two constraints surely allow the same values."""
    a, b = plain(a), plain(b)
    if a is b:
        return True
    one, other = ends_of(a), ends_of(b)
    if one is None or other is None:
        return type(a) is type(b)
    numbers = not any(isinstance(x, Tensor) for x in (*one, *other))
    return numbers and one == other and bool(a.is_discrete == b.is_discrete)


def closed_interval(lower: Number, upper: Number, *, discrete: bool) -> constraints.Constraint:
    """The values from `lower` to `upper`, both included."""
    if not discrete:
        free = not isinstance(upper, Tensor) and upper == math.inf
        if free and not isinstance(lower, Tensor):
            return constraints.real if lower == -math.inf else constraints.greater_than_eq(lower)
        return constraints.interval(lower, upper)
    return constraints.integer_interval(lower, upper)


def _farthest(
    ends: Sequence[Number],
    of_numbers: Callable[[Sequence[float]], float],
    of_tensors: Callable[[Tensor, Tensor], Tensor],
) -> Number:
    """The least or the greatest of several bounds."""
    numbers = [e for e in ends if not isinstance(e, Tensor)]
    if len(numbers) == len(ends):
        return of_numbers(numbers)
    return reduce(of_tensors, [torch.as_tensor(e) for e in ends])


def hull_of(supports: Sequence[Support], rank: int, reduced: int | None = None) -> Support:
    """The smallest interval that contains some; `reduced` is an axis that is taken away."""
    first = supports[0]
    if all(same_values(s, first) for s in supports):
        ends = ends_of(first)
        if ends is None or not any(isinstance(e, Tensor) for e in ends):
            return first
    both = [e for e in map(ends_of, supports) if e is not None]
    lower = _farthest([e[0] for e in both], min, torch.minimum)
    upper = _farthest([e[1] for e in both], max, torch.maximum)
    if reduced is not None and isinstance(lower, Tensor) and lower.dim() >= reduced:
        lower = lower.amin(-reduced, keepdim=True)
    if reduced is not None and isinstance(upper, Tensor) and upper.dim() >= reduced:
        upper = upper.amax(-reduced, keepdim=True)
    base = closed_interval(lower, upper, discrete=bool(plain(first).is_discrete))
    return constraints.independent(base, rank) if rank else base


def log_prob_of(part: Law, value: Tensor, *, narrower: bool) -> Tensor:
    """The log density of a part; minus infinity at values that only other parts have."""
    if not narrower:
        found: Tensor = part.log_prob(value)
        return found
    inside = part.support.check(value)
    wide = inside.reshape(inside.shape + (1,) * len(part.event_shape))
    at = torch.where(wide, value, point_of(part.support))
    return torch.where(inside, part.log_prob(at.to(value.dtype)), -math.inf)


class Wrapper(TorchDistribution):
    """What all wrappers share."""

    arg_constraints = {}
    has_rsample = False

    def _widened(self, batch_shape: _size) -> Law:
        """A copy for a larger batch: parameters are broadcast where they are used."""
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        new._batch_shape = torch.Size(batch_shape)
        return new

    def expand(self, batch_shape: _size, _instance: object = None) -> Law:
        """The same for a larger batch."""
        return self._widened(batch_shape)

    def _full(self, log: Tensor) -> Tensor:
        """A log density over the whole batch, also where neither value nor parameters vary."""
        shape = broadcast_shapes(log.shape, self.batch_shape)
        return log if log.shape == shape else log.expand(shape)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most `value`."""
        log_cdf: Law = getattr(self, "log_cdf", None)
        if log_cdf is None:
            raise NotImplementedError
        below: Tensor = torch.exp(log_cdf(value))
        return below
