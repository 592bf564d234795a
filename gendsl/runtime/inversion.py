"""Draws from a univariate distribution between two bounds, by inverting its distribution function.

Everything is done on logarithms of the smaller tail, so that an interval of probability 1e-300 is
drawn from as exactly as any other.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gendsl.runtime.incomplete import LOG_HALF
from gendsl.runtime.tails import tails

__all__ = ["draw_between"]

Law = Any
"""A distribution of torch, whose parameters mypy does not know."""

_ROUNDS = 200
"""Halving alone would take a third of it."""
_PRECISION = 4.0
"""Distances of neighbouring numbers at which a search ends."""


@dataclass(frozen=True, slots=True)
class _Target:
    """The quantile that is searched for: the logarithm of its nearer tail.

    Attributes:
        base: the distribution.
        log: the tail.
        right: whether it is the upper one.
    """

    base: Law
    log: Tensor
    right: Tensor

    @staticmethod
    def drawn(base: Law, low: Tensor | None, high: Tensor | None, shape: torch.Size) -> _Target:
        """One for each entry of `shape`, uniform between the tails at the bounds."""
        zero, nothing = torch.zeros(()), torch.tensor(-math.inf)
        below_low, above_low = (nothing, zero) if low is None else tails(base, low)
        below_high, above_high = (zero, nothing) if high is None else tails(base, high)
        right = above_low < LOG_HALF
        start = torch.where(right, above_low, below_low)
        end = torch.where(right, above_high, below_high)
        u = torch.rand(shape)
        log = torch.logaddexp(start + torch.log1p(-u), end + torch.log(u))
        return _Target(base, log, right.expand(shape))

    def excess(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """How far `x` lies above the quantile, in logarithms, and the tail there."""
        below, above = tails(self.base, x)
        tail = torch.where(self.right, above, below)
        return torch.where(self.right, self.log - tail, tail - self.log), tail


def draw_between(base: Law, low: Tensor | None, high: Tensor | None, shape: torch.Size) -> Tensor:
    """Draws given that low <= X <= high; None is no bound.

    Args:
        base: a distribution whose tails are known.
        low: the lower bound, which aligns with its batch.
        high: the upper bound.
        shape: of the draws; ends in the shape of the batch.

    Raises:
        NotImplementedError: the distribution function of `base` is not known.
    """
    with torch.no_grad():
        if base.support.is_discrete:
            target = _Target.drawn(base, None if low is None else low - 1, high, shape)
            value = _whole_number(target, low, high)
        else:
            value = _number(_Target.drawn(base, low, high, shape), low, high)
        value = value if low is None else torch.maximum(value, low)
        return value if high is None else torch.minimum(value, high)


# Whole numbers


def _whole_number(target: _Target, low: Tensor | None, high: Tensor | None) -> Tensor:
    """The smallest whole number at which the distribution function reaches the target."""
    zeros = torch.zeros_like(target.log)
    start = low if low is not None else getattr(target.base.support, "lower_bound", None)
    under = _reached(target, zeros, -1.0) if start is None else zeros + start - 1
    over = _reached(target, under, 1.0) if high is None else zeros + high
    while bool((over - under > 1).any()):
        middle = torch.floor((under + over) / 2)
        enough = target.excess(middle)[0] >= 0
        done = over - under <= 1
        over = torch.where(enough & ~done, middle, over)
        under = torch.where(enough | done, under, middle)
    return over


def _reached(target: _Target, start: Tensor, sign: float) -> Tensor:
    """A whole number beyond the quantile, in the direction of `sign`."""
    step = torch.ones_like(start)
    while True:
        found = start + sign * step
        beyond = sign * target.excess(found)[0] >= 0
        if bool((beyond | (step > 2.0**60)).all()):
            return found
        step = torch.where(beyond, step, 2 * step)


# Numbers


@dataclass(frozen=True, slots=True)
class _Coordinate:
    """The line bent so that a support has its ends, and zero, at the ends of the floating range.

    Attributes:
        to: from the coordinate to the value.
        of: back.
        log_slope: the logarithm of the derivative of `to`.
        least: where the coordinate begins.
        most: where it ends.
    """

    to: Callable[[Tensor], Tensor]
    of: Callable[[Tensor], Tensor]
    log_slope: Callable[[Tensor], Tensor]
    least: float
    most: float


def _coordinate(base: Law) -> _Coordinate:
    lower = getattr(base.support, "lower_bound", -math.inf)
    upper = getattr(base.support, "upper_bound", math.inf)
    lower, upper = torch.as_tensor(lower), torch.as_tensor(upper)
    logsigmoid = torch.nn.functional.logsigmoid
    largest = math.log(torch.finfo(torch.get_default_dtype()).max) - 1
    if bool(torch.isinf(lower).any()):
        return _Coordinate(
            torch.sinh, torch.asinh, lambda z: torch.log(torch.cosh(z)), -largest, largest
        )
    if bool(torch.isinf(upper).any()):
        return _Coordinate(
            lambda z: lower + torch.exp(z),
            lambda x: torch.log(x - lower),
            lambda z: z,
            -largest,
            largest,
        )
    width = upper - lower
    return _Coordinate(
        lambda z: lower + width * torch.sigmoid(z),
        lambda x: torch.logit((x - lower) / width),
        lambda z: torch.log(width) + logsigmoid(z) + logsigmoid(-z),
        -largest,
        largest,
    )


def _number(target: _Target, low: Tensor | None, high: Tensor | None) -> Tensor:
    """The quantile, by Newton's method within a shrinking bracket."""
    coordinate, law = _coordinate(target.base), copy.copy(target.base)
    law._validate_args = False  # the search may touch the ends of the support
    zeros = torch.zeros_like(target.log)

    def end(bound: Tensor | None, otherwise: float) -> Tensor:
        if bound is None:
            return zeros + otherwise
        z = torch.nan_to_num(coordinate.of(bound), nan=otherwise)
        return zeros + torch.clamp(z, coordinate.least, coordinate.most)

    under, over = end(low, coordinate.least), end(high, coordinate.most)
    z = (under + over) / 2
    for _ in range(_ROUNDS):
        x = coordinate.to(z)
        excess, tail = target.excess(x)
        under, over = torch.where(excess < 0, z, under), torch.where(excess < 0, over, z)
        slope = torch.exp(law.log_prob(x) + coordinate.log_slope(z) - tail)
        newton = z - excess / slope
        inside = (newton > under) & (newton < over)
        new = torch.where(inside, newton, (under + over) / 2)
        near = _PRECISION * torch.finfo(z.dtype).eps * (1 + torch.abs(z))
        settled = (torch.abs(new - z) <= near) | (over - under <= near)
        z = new
        if bool(settled.all()):
            break
    return coordinate.to(z)
