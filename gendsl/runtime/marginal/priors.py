"""The priors of conjugate latents, apart from all else that a density consists of.

What the data say of a latent is read off without its prior: where this is very narrow the few
observations would drown in it, and what is left of them would be rounding errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyro.distributions as dist
import torch
import torch.distributions as plain
from pyro.poutine.messenger import Messenger
from torch import Tensor

from gendsl.runtime.marginal.blocks import NotIntegrable
from gendsl.runtime.shapes import broadcast_shapes

__all__ = ["PriorsAside", "prior_numbers"]


class PriorsAside(Messenger):
    """Leaves the densities of latents out of that of a program, and keeps their laws.

    Attributes:
        laws: of the latents, by name, once the program has run.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Take the names of the latents."""
        super().__init__()
        self.names = frozenset(names)
        self.laws: dict[str, Any] = {}

    def _pyro_sample(self, msg: Any) -> None:  # noqa: ANN401  a message of Pyro's
        if msg["name"] in self.names:
            self.laws[msg["name"]] = msg["fn"]
            msg["fn"] = msg["fn"].mask(mask=False)


def prior_numbers(law: Any, shape: torch.Size) -> tuple[Tensor, ...]:  # noqa: ANN401
    """The parameters of a law, as `gendsl.runtime.marginal.families` has them.

    Raises:
        NotIntegrable: the law is of none of the families.
    """
    found: tuple[Tensor, ...]
    while isinstance(law, dist.Independent):
        law = law.base_dist
    match law:
        case plain.Beta():
            found = law.concentration1, law.concentration0
        case plain.Uniform():
            found = torch.ones(shape), torch.ones(shape)
        case plain.Gamma() | dist.InverseGamma():
            found = law.concentration, law.rate
        case plain.Exponential():
            found = torch.ones(shape), law.rate
        case plain.Dirichlet():
            found = (law.concentration,)
        case _:
            raise NotIntegrable(f"{type(law).__name__} is no conjugate prior")
    if any(broadcast_shapes(n.shape, shape) != shape for n in found):
        raise NotIntegrable("its prior depends on what is summed out")
    return tuple(n.expand(shape) for n in found)
