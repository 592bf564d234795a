"""Distributions conditioned on a narrower type, and density 1 on a type."""

from __future__ import annotations

import math

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.distributions import biject_to
from torch.types import _size

from gendsl.runtime.intervals import Bound, between, inner, shape_of, verify_not_empty
from gendsl.runtime.inversion import draw_between
from gendsl.runtime.manifolds import OrderedBetween
from gendsl.runtime.shapes import broadcast_shapes
from gendsl.runtime.tails import log_between, log_by_masses

__all__ = ["FlatOn", "Ordered", "Truncated"]

_NO_AXES = torch.Size()
_TRIES = 1000
"""Rejection sampling gives up after so many rounds."""
_QUICK = 4
"""Where there is another way, it is tried for so many."""


class Truncated(TorchDistribution):
    r"""A univariate distribution given that the value lies in an interval.

    $\log p(x) = \log p_0(x) - \log P_0(a \le X \le b)$, where the probability is taken by the
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
        shape = broadcast_shapes(base.batch_shape, shape_of(low), shape_of(high))
        self.base = base.expand(shape) if shape != base.batch_shape else base
        self.low, self.high, self.how = low, high, how
        super().__init__(shape, validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """What the interval leaves of the support of the distribution."""
        if self._discrete:
            return constraints.integer_interval(self.low, self.high)
        own = self.base.support
        low = inner(self.low, _end(own, "lower_bound", -math.inf), low=True)
        return between(low, inner(self.high, _end(own, "upper_bound", math.inf), low=False))

    @property
    def _discrete(self) -> bool:
        return self.base.support is not None and bool(self.base.support.is_discrete)

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        """Whether it has finitely many values, the same for the whole batch."""
        ends = (self.low, self.high)
        return self._discrete and all(isinstance(e, float) and math.isfinite(e) for e in ends)

    def enumerate_support(self, expand: bool = True) -> Tensor:  # noqa: FBT001, FBT002  as in torch
        """Every value, along a new first axis.

        Args:
            expand: repeat them for the batch; else its axes have size 1.

        Raises:
            NotImplementedError: there is no such list.
        """
        if not self.has_enumerate_support:
            raise NotImplementedError("its values cannot be listed")
        assert isinstance(self.low, float)
        assert isinstance(self.high, float)
        values = torch.arange(self.low, self.high + 1)
        values = values.reshape((-1,) + (1,) * len(self.batch_shape))
        return values.expand((-1, *self.batch_shape)) if expand else values

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
        if self._discrete and isinstance(self.low, float) and isinstance(self.high, float):
            mass = log_by_masses(self.base, self.low, self.high)
            if mass is not None:
                return mass
        low, high = self._bound(self.low), self._bound(self.high)
        if low is not None and self._discrete:
            low = low - 1
        return log_between(self.base, low, high)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density; minus infinity outside the interval, and where nothing lies in it."""
        inside = (value >= self.low) & (value <= self.high)
        numbers = isinstance(self.low, float) and isinstance(self.high, float)
        if self._validate_args and numbers:
            self._validate_sample(value)
        mass = self._log_mass()
        possible = mass > -math.inf
        inside = inside & possible
        mass = torch.where(possible, mass, 0.0)
        return torch.where(inside, self.base.log_prob(value) - mass, -math.inf)

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Draws by rejection, and the rest by the inverse distribution function.

        Raises:
            ValueError: that is not known, and the interval is too improbable.
        """
        tries = _QUICK if self.how == "cdf" else _TRIES
        with torch.no_grad():
            if not self._discrete:
                verify_not_empty(self.low, self.high)
            value = self.base.sample(sample_shape)
            for _ in range(tries):
                outside = (value < self.low) | (value > self.high)
                if not bool(outside.any()):
                    return value
                value = torch.where(outside, self.base.sample(sample_shape), value)
            if self.how != "cdf":
                raise ValueError(
                    "the truncation interval is too improbable to sample by rejection"
                )
            outside = (value < self.low) | (value > self.high)
            low, high = self._bound(self.low), self._bound(self.high)
            return torch.where(outside, draw_between(self.base, low, high, value.shape), value)


def _end(support: constraints.Constraint | None, name: str, otherwise: float) -> Bound:
    """A bound of a support, or infinity."""
    end = getattr(support, name, otherwise)
    return end if isinstance(end, Tensor) else float(end)


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
        return torch.zeros(broadcast_shapes(value.shape[:rank], self.batch_shape))

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Images of standard normal coordinates."""
        transform = biject_to(self._support)
        shape = transform.inverse_shape(self._extended_shape(sample_shape))
        with torch.no_grad():
            start: Tensor = transform(torch.randn(shape))
        return start
