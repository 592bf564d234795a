"""Laws on a support, by the coordinates without bounds."""

from __future__ import annotations

from pyro.distributions import TorchDistribution, TransformedDistribution, constraints
from torch.distributions import biject_to

__all__ = ["carried"]


def carried(base: TorchDistribution, support: constraints.Constraint) -> TorchDistribution:
    """The law of ``b(z)`` for z of `base`, b the bijection from unbounded vectors to `support`.

    Its density has the Jacobian of b.

    Args:
        base: a law of vectors without bounds, its event axes those of the value.
        support: of the values.
    """
    law: TorchDistribution = TransformedDistribution(base, [biject_to(support)])
    return law
