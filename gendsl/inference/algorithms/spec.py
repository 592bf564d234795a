"""What every algorithm's file defines: a rating of a model from its facts alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gendsl.graph.facts import Facts
from gendsl.inference.plan import Rating
from gendsl.library.methods import MethodSpec

__all__ = ["AlgorithmSpec"]


@dataclass(frozen=True, slots=True)
class AlgorithmSpec:
    """An inference algorithm.

    Attributes:
        method: its name and options.
        rate: how well it suits a model; unknown facts count against it.
        sums_out: whether discrete latents are summed out under it.
        reparameterises: whether location-scale latents are non-centred under it.
        samples: whether it draws, step by step, what is not summed or integrated out.
        integrates: whether conjugate latents are integrated out under it.
        guides: whether it seeks the posterior of latents among laws of a guide.
        accounts: whether it accounts for the constants of energies with something learned.
        references: sources.
    """

    method: MethodSpec
    rate: Callable[[Facts], Rating]
    sums_out: bool
    reparameterises: bool
    samples: bool = False
    integrates: bool = False
    guides: bool = False
    accounts: bool = False
    references: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name after `infer`."""
        return self.method.name
