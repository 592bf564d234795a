"""Draws of index latents that carry derivatives.

A program indexes with whole numbers, through which no derivative goes. A draw is therefore marked
with how sharply or softly it chooses, and where a program takes entries by a marked index, or
gives one to a network, the mark answers. The mark stands on the very tensor object that was drawn:
a tensor computed from it has none, so that only bare uses may be relaxed
(`gendsl.inference.discrete` refuses others when a model is compiled).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.distributions import Independent

__all__ = ["Soft", "Weighted", "log_prob", "soft_of", "soften", "taking"]

_MARK = "_gendsl_soft"

Take = Callable[..., Tensor]


class Soft(Protocol):
    """How a draw chooses among the values of an index."""

    def take(self, value: Tensor, dim: int, event: int, index_event: int, plate: bool) -> Tensor:  # noqa: FBT001
        """The entries of `value` that it chooses along `dim`.

        Args:
            value: what is indexed.
            dim: the axis, from the right: a batch dimension with `plate`, where a 1 stays behind.
            event: the event axes that `value` keeps.
            index_event: the event axes of the index, which come first in the result.
            plate: whether `dim` is that of a plate.
        """
        ...

    def presented(self) -> Tensor:
        """The chosen value as numbers that add up to 1: the shape of the index + (K,)."""
        ...


def soften(index: Tensor, soft: Soft) -> Tensor:
    """The same tensor object, marked."""
    setattr(index, _MARK, soft)
    return index


def soft_of(index: Tensor) -> Soft | None:
    """The mark of a tensor, if it has one."""
    found: Soft | None = getattr(index, _MARK, None)
    return found


def taking(plain: Take) -> Take:
    """The `take` of emitted programs, which asks the mark of an index first."""

    def take(
        value: Tensor,
        index: Tensor,
        dim: int,
        event: int = 0,
        index_event: int = 0,
        plate: bool = True,  # noqa: FBT001, FBT002  the signature of emitted programs
    ) -> Tensor:
        soft = soft_of(index)
        if soft is None:
            return plain(value, index, dim, event=event, index_event=index_event, plate=plate)
        return soft.take(value, dim, event, index_event, plate)

    return take


def log_prob(law: Any, value: Tensor) -> Tensor:  # noqa: ANN401  Pyro's distributions
    """The log density of a value; of a marked one the mean over what it may be."""
    soft = soft_of(value)
    if not isinstance(soft, Weighted):
        found: Tensor = law.log_prob(value)
        return found
    base, entries = law, 0
    while isinstance(base, Independent):
        entries += base.reinterpreted_batch_ndims
        base = base.base_dist
    weights = soft.presented()
    logits = base.logits - base.logits.logsumexp(-1, keepdim=True)
    each = (weights * torch.where(weights > 0, logits, torch.zeros_like(logits))).sum(-1)
    return each.sum(tuple(range(-entries, 0))) if entries else each


@dataclass(frozen=True, eq=False)
class Weighted:
    """A choice as weights of all values: what it takes is the weighted mean of entries.

    Attributes:
        weights: the shape of the index + (K,), adding up to 1; the derivatives are theirs.
    """

    weights: Tensor

    def take(self, value: Tensor, dim: int, event: int, index_event: int, plate: bool) -> Tensor:  # noqa: FBT001
        """See `Soft.take`."""
        if plate:
            value = value.unsqueeze(-1).transpose(-1, dim - 1)
        else:
            value = value.movedim(dim, -1)
        lead = value.dim() - 1 - event
        value = value.reshape(value.shape[:lead] + (1,) * index_event + value.shape[lead:])
        shape = self.weights.shape
        weights = self.weights.reshape(shape[:-1] + (1,) * event + shape[-1:])
        # An entry without weight may be infinite.
        kept = torch.where(weights > 0, value, torch.zeros_like(value))
        return (weights * kept).sum(-1)

    def presented(self) -> Tensor:
        """See `Soft.presented`."""
        return self.weights
