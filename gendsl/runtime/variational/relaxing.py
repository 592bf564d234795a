"""Relaxed draws of discrete latents, with biased derivatives: on request only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from pyro.distributions import Bernoulli, Categorical
from torch import Tensor
from torch.distributions import Independent

from gendsl.runtime.objectives.relaxations import (
    gumbel_softmax,
    straight_through_bernoulli,
    straight_through_one_hot,
)
from gendsl.runtime.objectives.sites import ObjectiveError
from gendsl.runtime.variational.relaxed import Weighted, soften

__all__ = ["Relaxation", "relaxation"]

Relaxation = Callable[[Any], Tensor]
"""Draws from a law, with derivatives."""


def relaxation(way: Literal["straight_through", "gumbel"], temperature: float) -> Relaxation:
    """Draws from laws of categories, and of numbers 0 and 1.

    Of an index the draw is a whole number that is marked with how softly it chooses, of a binary
    number the number itself. References: Bengio, Leonard and Courville (2013), straight-through;
    Jang, Gu and Poole (2017) and Maddison, Mnih and Teh (2017), Gumbel-softmax.

    Args:
        way: "straight_through", one value, with the derivatives of its probability; "gumbel", a
            mixture of values.
        temperature: of the mixture; near 0 it is one value.
    """

    def draw(law: Any) -> Tensor:  # noqa: ANN401  Pyro's distributions
        base = law
        while isinstance(base, Independent):
            base = base.base_dist
        if isinstance(base, Bernoulli):
            if way == "straight_through":
                return straight_through_bernoulli(base.probs)
            return _concrete(base.logits, temperature)
        if not isinstance(base, Categorical):
            raise ObjectiveError(f"draws of {type(base).__name__} have no relaxation")
        if way == "straight_through":
            weights = straight_through_one_hot(base.logits)
        else:
            weights = gumbel_softmax(base.logits, temperature)
        return soften(weights.detach().argmax(-1), Weighted(weights))

    return draw


def _concrete(logits: Tensor, temperature: float) -> Tensor:
    """Draws of the binary concrete distribution, between 0 and 1."""
    drawn = torch.rand_like(logits.detach()).clamp(1e-7, 1 - 1e-7)
    noise = torch.log(drawn) - torch.log1p(-drawn)
    return torch.sigmoid((logits + noise) / temperature)
