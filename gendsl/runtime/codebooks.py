"""Vector quantisation: which member of a codebook is nearest, and gradients straight through.

Reference:
    Neural discrete representation learning (van den Oord, Vinyals, Kavukcuoglu, NeurIPS 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gendsl.runtime.variational.relaxed import soft_of, soften

__all__ = ["Nearest", "choice_of", "nearest", "rechosen"]


@dataclass(frozen=True, eq=False)
class Nearest:
    """The choice of the member of a codebook that is nearest to a vector.

    Attributes:
        vectors: those that were quantised, the shape of the index + (C,).
        table: the codebook, (..., K, C).
        index: what was chosen.
        lead: event axes of the index.
        book: gives the codebook as the model sees it, whose entries let gradients through to
            the vectors; None where the choice is not that of a latent.
    """

    vectors: Tensor
    table: Tensor
    index: Tensor
    lead: int = 0
    book: Callable[[], Tensor | None] | None = None

    def take(self, value: Tensor, dim: int, event: int, index_event: int, plate: bool) -> Tensor:  # noqa: FBT001
        """The entries of `value` that are chosen.

        Of the codebook itself these are the members, with the gradient of the vectors in the
        place of theirs (section 3.2): a codebook learns by terms of its own.
        """
        if self.book is not None and value is self.book():
            members = members_of(self.table.detach(), self.index, self.lead)
            return members + (self.vectors - self.vectors.detach())
        last = value.unsqueeze(-1).transpose(-1, dim - 1) if plate else value.movedim(dim, -1)
        return _gathered(last, self.index, event, index_event)

    def presented(self) -> Tensor:
        """The choice as 0 and 1, which have no gradient."""
        every = torch.arange(self.table.shape[-2], device=self.index.device)
        return (self.index.unsqueeze(-1) == every).to(self.vectors.dtype)

    def distances(self) -> tuple[Tensor, Tensor]:
        """Squared distances, (...) + the index: with the gradients of the members, of the vectors.

        The first trains the codebook, the second commits the encoder to it (equation 3).
        """
        members = members_of(self.table, self.index, self.lead)
        codebook = (self.vectors.detach() - members).square().sum(-1)
        return codebook, (self.vectors - members.detach()).square().sum(-1)


def _gathered(value: Tensor, index: Tensor, event: int, index_event: int) -> Tensor:
    """`value` at `index` along its last axis, whose other event axes are `event`."""
    lead = value.dim() - 1 - event
    value = value.reshape(value.shape[:lead] + (1,) * index_event + value.shape[lead:])
    index = index.reshape(index.shape + (1,) * (event + 1))
    rank = max(value.dim(), index.dim())
    value = value.reshape((1,) * (rank - value.dim()) + value.shape)
    index = index.reshape((1,) * (rank - index.dim()) + index.shape)
    shape = torch.broadcast_shapes(value.shape[:-1], index.shape[:-1])
    return value.expand(*shape, -1).gather(-1, index.expand(*shape, 1)).squeeze(-1)


def members_of(table: Tensor, index: Tensor, lead: int) -> Tensor:
    """The rows of `table`, batch + (K, C), at an index with `lead` event axes: (...) + (C,)."""
    flat = _alone(table)
    if flat is not None:
        return functional.embedding(index, flat)
    return _gathered(table.movedim(-2, -1), index, 1, lead)


def _alone(table: Tensor) -> Tensor | None:
    """A table that is the same for all of a batch, (K, C)."""
    shape = table.shape
    return table.reshape(shape[-2:]) if table.numel() == shape[-2] * shape[-1] else None


def nearest(x: Tensor, table: Tensor, lead: int = 0) -> Tensor:
    """The index of the row that is nearest to each vector, by Euclidean distance.

    Args:
        x: vectors, batch + `lead` event axes + (C,).
        table: batch + (K, C).
        lead: event axes of the result.

    Returns:
        batch + `lead` axes, whole numbers; the first of those that are equally near.
    """
    flat = _alone(table)
    with torch.no_grad():
        if flat is not None:
            rows, inner = flat, x @ flat.mT
        else:
            rows = table.reshape(table.shape[:-2] + (1,) * lead + table.shape[-2:])
            inner = (rows @ x.unsqueeze(-1)).squeeze(-1)
        index = (rows.square().sum(-1) - 2 * inner).argmin(-1)
    return soften(index, Nearest(x, table, index, lead))


def choice_of(law: Any) -> Nearest | None:  # noqa: ANN401
    """What a law that is a point was chosen by; None if it is no choice of that kind."""
    point = getattr(law, "v", None)
    found = soft_of(point) if isinstance(point, Tensor) else None
    return found if isinstance(found, Nearest) else None


def rechosen(value: Tensor, choice: Nearest, book: Callable[[], Tensor | None] | None) -> Tensor:
    """A draw of that law, marked with the choice; `book` gives the codebook of the model."""
    return soften(value, replace(choice, index=value, book=book))
