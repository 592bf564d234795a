"""Mixtures of distributions, the choice summed out.

They are batch-safe on the left, as the distributions that they are made of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.types import _size

from gendsl.runtime.shapes import broadcast_shapes
from gendsl.runtime.tails import log_cdf, log_sf
from gendsl.runtime.wrapped import (
    Law,
    Support,
    Wrapper,
    ends_of,
    hull_of,
    log_prob_of,
    same_values,
)

__all__ = ["Mixture", "MixtureOver"]

_NO_AXES = torch.Size()


def log_weights_of(weights: Tensor | None, logits: Tensor | None) -> Tensor:
    if weights is not None:
        return torch.log(weights)
    assert logits is not None
    return torch.log_softmax(logits, -1)


def _log_sum(terms: Tensor, dim: int) -> Tensor:
    """The logarithm of a sum along `dim`; its gradient is 0 where all terms are."""
    none = (terms == -math.inf).all(dim, keepdim=True)
    total = torch.logsumexp(torch.where(none, 0.0, terms), dim)
    return torch.where(none.squeeze(dim), -math.inf, total)


def _chosen(log_weights: Tensor, shape: _size, dim: int) -> Tensor:
    """Draws of a category along `dim`, by the largest of noisy log weights."""
    noise = -torch.log(torch.empty(shape, dtype=log_weights.dtype).exponential_())
    return (log_weights + noise).argmax(dim, keepdim=True)


class _Mixing(Wrapper):
    """A mixture of `parts`, along the axis `_axis` of the terms of its density."""

    def _support_of_all(self, parts: Sequence[Law], reduced: int | None = None) -> None:
        self._support = hull_of([p.support for p in parts], len(parts[0].event_shape), reduced)

    @property
    def support(self) -> Support:
        """The values that some part has."""
        return self._support

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        """Whether all parts have finitely many values."""
        return all(p.has_enumerate_support for p in self._all_parts)

    @property
    def _all_parts(self) -> Sequence[Law]:
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:  # noqa: FBT001, FBT002  as in torch
        """The values that some part has."""
        each = [p.enumerate_support(expand=False).reshape(-1) for p in self._all_parts]
        values: Tensor = torch.unique(torch.cat(each))
        values = values.reshape(-1, *[1] * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values


class Mixture(_Mixing):
    r"""One of several distributions: $\log \sum_k w_k\, p_k(x)$.

    Parts whose support is narrower have density 0 beyond it.

    Args:
        parts: of one event shape; batch shapes are broadcast.
        weights: probabilities (..., K).
        logits: instead of them, log weights up to a constant (..., K).
    """

    def __init__(
        self,
        parts: Sequence[Law],
        weights: Tensor | None = None,
        logits: Tensor | None = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.parts = tuple(parts)
        self.log_weights = log_weights_of(weights, logits)
        self._support_of_all(self.parts)
        shapes = (p.batch_shape for p in parts)
        batch = broadcast_shapes(self.log_weights.shape[:-1], *shapes)
        super().__init__(batch, parts[0].event_shape, validate_args=validate_args)

    @property
    def _all_parts(self) -> Sequence[Law]:
        return self.parts

    def _mixed(self, terms: Sequence[Tensor]) -> Tensor:
        together = torch.stack(torch.broadcast_tensors(*terms), -1)
        return _log_sum(self.log_weights + together, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density, the choice summed out."""
        terms = [
            log_prob_of(p, value, narrower=not same_values(p.support, self._support))
            for p in self.parts
        ]
        return self._full(self._mixed(terms))

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of at most `value`."""
        return self._mixed([log_cdf(p, value) for p in self.parts])

    def log_sf(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of more than `value`."""
        return self._mixed([log_sf(p, value) for p in self.parts])

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Draws of all parts, and the one that is chosen."""
        shape = torch.Size(sample_shape) + self.batch_shape
        with torch.no_grad():
            each = [p.expand(self.batch_shape).sample(sample_shape) for p in self.parts]
            drawn = torch.stack(torch.broadcast_tensors(*each), -1)
            index = _chosen(self.log_weights, (*shape, len(self.parts)), -1)
            own = len(self.event_shape)
            index = index.reshape(index.shape[:-1] + (1,) * own + (1,))
            return drawn.gather(-1, index.expand((*drawn.shape[:-1], 1))).squeeze(-1)


class MixtureOver(_Mixing):
    r"""A mixture of the members of a batch dimension of one distribution.

    Args:
        part: its batch dimension ``-depth`` holds the members; it has size 1 in the mixture.
        depth: which one, counted from the right.
        weights: probabilities (..., K), which do not vary along that dimension.
        logits: instead of them, log weights up to a constant (..., K).
    """

    def __init__(
        self,
        part: Law,
        depth: int,
        weights: Tensor | None = None,
        logits: Tensor | None = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.part, self.depth = part, depth
        log_weights = log_weights_of(weights, logits)
        while log_weights.dim() <= depth:
            log_weights = log_weights.unsqueeze(0)
        self.log_weights = log_weights.transpose(-1, -(depth + 1)).squeeze(-1)
        self._support_of_all([part], depth)
        self._shape = broadcast_shapes(self.log_weights.shape, part.batch_shape)
        batch = list(self._shape)
        batch[-depth] = 1
        super().__init__(torch.Size(batch), part.event_shape, validate_args=validate_args)

    @property
    def _all_parts(self) -> Sequence[Law]:
        return (self.part,)

    def _mixed(self, terms: Tensor) -> Tensor:
        return _log_sum(self.log_weights + terms, -self.depth).unsqueeze(-self.depth)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density, the choice summed out."""
        moving = any(isinstance(e, Tensor) for e in ends_of(self.part.support) or ())
        return self._full(self._mixed(log_prob_of(self.part, value, narrower=moving)))

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of at most `value`."""
        return self._mixed(log_cdf(self.part, value))

    def log_sf(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of more than `value`."""
        return self._mixed(log_sf(self.part, value))

    def sample(self, sample_shape: _size = _NO_AXES) -> Tensor:
        """Draws of all members, and the one that is chosen."""
        batch = list(self.batch_shape)
        batch[-self.depth] = self._shape[-self.depth]
        with torch.no_grad():
            drawn = self.part.expand(torch.Size(batch)).sample(sample_shape)
            index = _chosen(self.log_weights, (*sample_shape, *batch), -self.depth)
            own = len(self.event_shape)
            index = index.reshape(index.shape + (1,) * own)
            shape = (*index.shape[: index.dim() - own], *self.event_shape)
            chosen: Tensor = drawn.gather(-(self.depth + own), index.expand(shape))
            return chosen
