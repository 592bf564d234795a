"""Distributions made of another one: counts with more zeros, hurdles and censoring.

They are batch-safe on the left, as the distributions that they are made of. Both branches of a
choice are evaluated at legal points, so that no gradient is NaN.
"""

from __future__ import annotations

import math

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.types import _size

from gendsl.runtime.incomplete import log_complement
from gendsl.runtime.shapes import broadcast_shapes
from gendsl.runtime.tails import log_cdf, log_sf
from gendsl.runtime.wrapped import (
    Law,
    Number,
    Support,
    Wrapper,
    closed_interval,
    ends_of,
    log_prob_of,
    plain,
    point_of,
)

__all__ = ["Censored", "Hurdle", "ZeroInflated"]

_NO_AXES = torch.Size()
_STEPS = 1_000_000
"""The search for the value of a draw gives up after so many."""


def log_chances(probs: Number | None, logits: Number | None) -> tuple[Tensor, Tensor]:
    """The logarithms of a probability and of its complement."""
    if probs is not None:
        share = torch.as_tensor(probs)
        return torch.log(share), torch.log1p(-share)
    assert logits is not None
    odds = torch.as_tensor(logits)
    return logsigmoid(odds), logsigmoid(-odds)


def _log_add(a: Tensor, b: Tensor) -> Tensor:
    """The logarithm of a sum; unlike `torch.logaddexp`, of operations that can be compiled."""
    return torch.logsumexp(torch.stack(torch.broadcast_tensors(a, b), -1), -1)


class _OfOne(Wrapper):
    """A wrapper of one distribution, whose values are those of `part`, changed by `_moved`."""

    part: Law

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        """Whether the distribution has finitely many values."""
        return bool(self.part.has_enumerate_support)

    def _moved(self, values: Tensor) -> Tensor:
        return values

    def enumerate_support(self, expand: bool = True) -> Tensor:  # noqa: FBT001, FBT002  as in torch
        """All values."""
        own: Tensor = self.part.enumerate_support(expand=False)
        values: Tensor = torch.unique(self._moved(own.reshape(-1)))
        values = values.reshape(-1, *[1] * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values


class ZeroInflated(_OfOne):
    r"""Counts with more zeros: $\log(\pi\, [x = 0] + (1 - \pi)\, p(x))$.

    Args:
        part: a discrete distribution that may be 0.
        probs: the probability of the extra zero.
        logits: instead of it, its log odds.
    """

    def __init__(
        self,
        part: Law,
        probs: Number | None = None,
        logits: Number | None = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.part = part
        self.log_extra, self.log_rest = log_chances(probs, logits)
        batch = broadcast_shapes(self.log_extra.shape, part.batch_shape)
        super().__init__(batch, validate_args=validate_args)

    @property
    def support(self) -> Support:
        """That of the distribution."""
        return self.part.support

    def log_prob(self, value: Tensor) -> Tensor:
        """The log mass."""
        if self._validate_args:
            self._validate_sample(value)
        own = self.log_rest + self.part.log_prob(value)
        return self._full(torch.where(value == 0, _log_add(self.log_extra, own), own))

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of at most `value`."""
        own = self.log_rest + log_cdf(self.part, value)
        return torch.where(value >= 0, _log_add(self.log_extra, own), own)

    def log_sf(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of more than `value`."""
        own = self.log_rest + log_sf(self.part, value)
        return torch.where(value < 0, _log_add(self.log_extra, own), own)

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Draws, some of which are replaced by 0."""
        with torch.no_grad():
            drawn = self.part.expand(self.batch_shape).sample(sample_shape)
            extra = torch.rand(drawn.shape) < torch.exp(self.log_extra)
            return torch.where(extra, 0, drawn).to(drawn.dtype)


class Hurdle(_OfOne):
    r"""Zero, or else a draw given that it is above zero.

    The density of a continuous one is with respect to length together with a unit mass at 0.

    Args:
        part: of counts, or of positive numbers.
        probs: the probability of zero.
        logits: instead of it, its log odds.
    """

    def __init__(
        self,
        part: Law,
        probs: Number | None = None,
        logits: Number | None = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.part = part
        self.discrete = bool(plain(part.support).is_discrete)
        self.log_zero, self.log_rest = log_chances(probs, logits)
        batch = broadcast_shapes(self.log_zero.shape, part.batch_shape)
        super().__init__(batch, validate_args=validate_args)

    @property
    def support(self) -> Support:
        """From 0 to the largest value of the distribution."""
        ends = ends_of(self.part.support)
        assert ends is not None
        if self.discrete and ends[1] is math.inf:
            return constraints.nonnegative_integer
        return closed_interval(0.0, ends[1], discrete=self.discrete)

    def _moved(self, values: Tensor) -> Tensor:
        return torch.cat([torch.zeros(1).to(values.dtype), values])

    def _has_zero(self) -> bool:
        """Whether the distribution itself gives 0 a probability."""
        ends = ends_of(self.part.support)
        assert ends is not None
        return self.discrete and not (isinstance(ends[0], (int, float)) and ends[0] > 0)

    def _log_above(self) -> Tensor:
        """The log probability that a draw of the distribution is above zero."""
        if not self._has_zero():
            return torch.zeros(())
        return log_complement(_log_at_zero(self.part))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log mass at 0, and the log density or mass above."""
        if self._validate_args:
            self._validate_sample(value)
        zero = value == 0
        inside = torch.clamp(torch.as_tensor(point_of(self.part.support)), min=1.0)
        point = inside if self.discrete else point_of(self.part.support)
        at = torch.where(zero, point, value).to(value.dtype)
        above = self.log_rest + self.part.log_prob(at) - self._log_above()
        return self._full(torch.where(zero, self.log_zero, above))

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of at most `value`."""
        positive = value > 0
        rest = log_sf(self.part, torch.where(positive, value, 1.0)) - self._log_above()
        own = self.log_rest + log_complement(torch.clamp(rest, max=0.0))
        above = torch.where(positive, _log_add(self.log_zero, own), self.log_zero)
        return torch.where(value >= 0, above, -math.inf)

    def log_sf(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of more than `value`."""
        positive = value > 0
        rest = log_sf(self.part, torch.where(positive, value, 1.0)) - self._log_above()
        above = self.log_rest + torch.where(positive, torch.clamp(rest, max=0.0), 0.0)
        return torch.where(value >= 0, above, 0.0)

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Zeros, and draws above zero."""
        with torch.no_grad():
            part = self.part.expand(self.batch_shape)
            drawn = part.sample(sample_shape)
            if self._has_zero():
                drawn = _above_zero(part, drawn)
            zero = torch.rand(drawn.shape) < torch.exp(self.log_zero)
            return torch.where(zero, 0, drawn).to(drawn.dtype)


def _log_at_zero(part: Law) -> Tensor:
    """The log probability of 0, also where the distribution has no such value."""
    return log_prob_of(part, torch.zeros(()), narrower=True)


def _above_zero(part: Law, drawn: Tensor) -> Tensor:
    """Draws given that they are above zero: those that are, else by adding up the masses."""
    zero = torch.zeros(part.batch_shape).to(drawn.dtype)
    rare = _log_at_zero(part).expand(part.batch_shape) > math.log(0.5)
    for _ in range(100):  # a draw is zero at most every other time
        again = (drawn == 0) & ~rare
        if not bool(again.any()):
            break
        drawn = torch.where(again, part.sample(drawn.shape[: drawn.dim() - rare.dim()]), drawn)
    mass = -torch.expm1(_log_at_zero(part))
    left = torch.rand(drawn.shape) * mass
    found = torch.zeros_like(drawn)
    value = zero
    for _ in range(_STEPS):
        waiting = rare & (found == 0)
        if not bool(waiting.any()):
            break
        value = value + 1
        share = torch.exp(log_prob_of(part, value, narrower=True))
        found = torch.where(waiting & (left <= share), value, found)
        left = left - share
        # What rounding leaves over when all has been added up belongs to the last values.
        spent = waiting & (found == 0) & (share < torch.finfo(share.dtype).eps * mass)
        found = torch.where(spent & (value > 1), value, found)
    return torch.where(rare, found, drawn)


class Censored(_OfOne):
    r"""Values of which some are only known to lie beyond a bound.

    With bounds, a value at one of them has the probability of all beyond it, $P(X \le a)$ or
    $P(X \ge b)$. With flags, a flagged value $c$ is itself the bound: $P(X > c)$, or
    $P(X \le c)$ on the left. Draws are clipped to the bounds; flags leave them as they are.

    Args:
        part: a univariate distribution whose tails are known.
        lower: the bound from below.
        upper: the bound from above.
        left: 1 where the value is a bound from above of what it stands for.
        right: 1 where it is a bound from below.
    """

    def __init__(
        self,
        part: Law,
        lower: Number | None = None,
        upper: Number | None = None,
        left: Number | None = None,
        right: Number | None = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.part, self.lower, self.upper = part, lower, upper
        self.left, self.right = left, right
        given = (x.shape for x in (lower, upper, left, right) if isinstance(x, Tensor))
        batch = broadcast_shapes(part.batch_shape, *given)
        super().__init__(batch, validate_args=validate_args)

    @property
    def support(self) -> Support:
        """The values of the distribution, from bound to bound."""
        if self.lower is None and self.upper is None:
            return self.part.support
        ends = ends_of(self.part.support)
        assert ends is not None
        lower = ends[0] if self.lower is None else self.lower
        upper = ends[1] if self.upper is None else self.upper
        return closed_interval(lower, upper, discrete=bool(plain(self.part.support).is_discrete))

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density, or the log probability of what is beyond."""
        if self._validate_args:
            self._validate_sample(value)
        never = torch.zeros_like(value, dtype=torch.bool)
        below = value <= self.lower if self.lower is not None else never
        above = value >= self.upper if self.upper is not None else never
        if self.left is not None:
            below = below | (torch.as_tensor(self.left) != 0)
        if self.right is not None:
            above = above | (torch.as_tensor(self.right) != 0)
        point = point_of(self.part.support)
        at = torch.where(below | above, point, value).to(value.dtype)
        log = self.part.log_prob(at)
        if self.lower is not None or self.left is not None:
            log = torch.where(below, self._log_below(value, below, point), log)
        if self.upper is not None or self.right is not None:
            log = torch.where(above, self._log_above(value, above, point), log)
        if self.left is not None and self.right is not None:
            log = torch.where(below & above, -math.inf, log)
        return self._full(self._within(value, log))

    def _log_below(self, value: Tensor, chosen: Tensor, point: Number) -> Tensor:
        bound = value if self.lower is None else torch.as_tensor(self.lower)
        return log_cdf(self.part, torch.where(chosen, bound, point))

    def _log_above(self, value: Tensor, chosen: Tensor, point: Number) -> Tensor:
        bound = value if self.upper is None else torch.as_tensor(self.upper)
        if self.upper is not None and plain(self.part.support).is_discrete:
            bound = bound - 1  # the bound itself is among the values that it stands for
        return log_sf(self.part, torch.where(chosen, bound, point))

    def _within(self, value: Tensor, log: Tensor) -> Tensor:
        """Minus infinity beyond the bounds."""
        if self.lower is not None:
            log = torch.where(value < self.lower, -math.inf, log)
        if self.upper is not None:
            log = torch.where(value > self.upper, -math.inf, log)
        return log

    def _moved(self, values: Tensor) -> Tensor:
        if self.lower is not None:
            values = torch.maximum(values, torch.as_tensor(self.lower).to(values.dtype))
        if self.upper is not None:
            values = torch.minimum(values, torch.as_tensor(self.upper).to(values.dtype))
        return values

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Draws, clipped to the bounds."""
        with torch.no_grad():
            return self._moved(self.part.expand(self.batch_shape).sample(sample_shape))
