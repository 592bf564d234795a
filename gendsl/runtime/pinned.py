"""Guides of values that are missing in part: a value that is known is a point, the rest is drawn.

A guide of the missing labels of a semi-supervised model (Kingma, Rezende, Mohamed, Welling,
"Semi-supervised learning with deep generative models", NeurIPS 2014) gives each known label
probability 1, so that one program serves rows with and without a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from pyro import distributions as dist
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch import distributions as td
from torch.distributions import constraints

__all__ = ["Pins", "pinned", "pins_of"]

_MARK = "_gendsl_pins"

_NEVER = -1e9
"""The log probability of what is known not to be: its exponential is 0, and 0 times it is 0."""

Law = Any
"""A distribution of torch, whose parameters mypy does not know."""


@dataclass(frozen=True, eq=False)
class Pins:
    """What a law was made of.

    Attributes:
        free: the law that is used where nothing is known, of single entries.
        known: which entries are known.
        given: their values.
    """

    free: Law
    known: Tensor
    given: Tensor

    def log_likelihood(self) -> Tensor:
        """The free law's log density of each entry that is known, 0 for the others."""
        found: Tensor = self.free.log_prob(self.given)
        return torch.where(self.known, found, torch.zeros_like(found))


def pinned(law: Law, known: Tensor, given: Tensor) -> Law:
    """A law whose entries are points where they are known.

    Args:
        law: of all entries; those of an event that are known one by one are independent.
        known: which of them are known.
        given: their values; anything legal elsewhere.
    """
    if isinstance(law, td.Independent):
        inner = pinned(law.base_dist, known, given)
        return dist.Independent(inner, law.reinterpreted_batch_ndims)
    if isinstance(law, td.Categorical):
        every = torch.arange(law.logits.shape[-1], device=law.logits.device)
        point = torch.where(given.unsqueeze(-1) == every, 0.0, _NEVER)
        found = dist.Categorical(logits=torch.where(known.unsqueeze(-1), point, law.logits))
    elif isinstance(law, td.Bernoulli):
        point = torch.where(given > 0, -_NEVER, _NEVER)
        found = dist.Bernoulli(logits=torch.where(known, point, law.logits))
    else:
        found = Pinned(law, known, given)
    setattr(found, _MARK, Pins(law, known, given))
    return found


def pins_of(law: Law) -> tuple[Pins | None, int]:
    """What a law was made of by `pinned`, None for any other; and its event axes of entries."""
    axes = 0
    while isinstance(law, td.Independent):
        law, axes = law.base_dist, axes + law.reinterpreted_batch_ndims
    return getattr(law, _MARK, None), axes


class Pinned(TorchDistribution):
    """A law of which some draws are known.

    Args:
        base: the law.
        known: which draws are known, of its batch shape.
        given: the values of these.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(
        self,
        base: Law,
        known: Tensor,
        given: Tensor,
        validate_args: bool | None = None,  # noqa: FBT001  as in torch
    ) -> None:
        self.base_dist, self.known, self.given = base, known, given
        super().__init__(base.batch_shape, base.event_shape, validate_args=validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As the law has."""
        return bool(self.base_dist.has_rsample)

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        """As the law has."""
        return bool(self.base_dist.has_enumerate_support)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """As that of the law."""
        found: constraints.Constraint = self.base_dist.support
        return found

    def enumerate_support(self, expand: bool = True) -> Tensor:  # noqa: FBT001, FBT002
        """All values."""
        found: Tensor = self.base_dist.enumerate_support(expand=expand)
        return found

    def expand(self, batch_shape: Any, _instance: Any = None) -> Pinned:  # noqa: ANN401
        """The same for more members."""
        return Pinned(self.base_dist.expand(batch_shape), self.known, self.given)

    def _over_event(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape + (1,) * len(self.event_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:  # noqa: ANN401
        """A draw with derivatives: what is given where it is known."""
        shape = torch.Size(sample_shape)
        return torch.where(self._over_event(self.known), self.given, self.base_dist.rsample(shape))

    def sample(self, sample_shape: Any = ()) -> Tensor:  # noqa: ANN401
        """A draw."""
        drawn = self.base_dist.sample(torch.Size(sample_shape))
        return torch.where(self._over_event(self.known), self.given.to(drawn.dtype), drawn)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density; where the value is known 0 at it, elsewhere none if discrete."""
        found: Tensor = self.base_dist.log_prob(value)
        point = torch.zeros_like(found)
        if self.base_dist.support.is_discrete:
            same = (value == self.given).flatten(value.dim() - len(self.event_shape)).all(-1)
            same = same if self.event_shape else value == self.given
            point = torch.where(same, 0.0, _NEVER)
        return torch.where(self.known, point, found)

    @property
    def mean(self) -> Tensor:
        """The mean of each entry."""
        return torch.where(self._over_event(self.known), self.given, self.base_dist.mean)

    @property
    def variance(self) -> Tensor:
        """The variance of each entry: 0 where it is known."""
        found: Tensor = self.base_dist.variance
        return torch.where(self._over_event(self.known), torch.zeros_like(found), found)
