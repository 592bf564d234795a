"""Laws of vectors whose values can be listed."""

from __future__ import annotations

import torch
from pyro.distributions import Independent, TorchDistribution
from torch import Tensor

__all__ = ["listed"]


class _Listed(Independent):
    """Independent entries of finitely many values each, which lists all vectors of them."""

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]  # noqa: D102
        return bool(self.base_dist.has_enumerate_support)

    def enumerate_support(self, expand: bool = True) -> Tensor:  # noqa: FBT001, FBT002
        """Every vector, along a new first dimension; the last entry changes fastest."""
        base = self.base_dist
        while isinstance(base, Independent):
            base = base.base_dist
        entries = base.enumerate_support(expand=False).reshape(-1)
        count = self.event_shape.numel()
        every = torch.cartesian_prod(*[entries] * count).reshape(-1, *self.event_shape)
        shape = (len(every), *(1 for _ in self.batch_shape), *self.event_shape)
        found = every.reshape(shape)
        return found.expand(len(every), *self.batch_shape, *self.event_shape) if expand else found


def listed(law: TorchDistribution) -> TorchDistribution:
    """The same law of vectors, which can be summed out: its values are listed.

    Args:
        law: of independent entries, each of finitely many values.
    """
    assert isinstance(law, Independent)
    found: TorchDistribution = _Listed(law.base_dist, law.reinterpreted_batch_ndims)
    return found
