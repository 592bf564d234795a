"""Draws of discrete latents with derivatives, and which estimator a latent gets by itself.

Derivatives of these draws are biased for the model with the discrete latent; so they are used on
request only.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = [
    "Estimator",
    "estimator_for",
    "gumbel_softmax",
    "straight_through_bernoulli",
    "straight_through_one_hot",
]

Estimator = Literal["path", "enumerate", "score"]
MOST_VALUES = 64


def estimator_for(values: int | None, members: int, *, reparameterised: bool) -> Estimator:
    """How the gradient of a latent's guide is estimated unless the user says otherwise.

    Along the path where draws have derivatives. Else all values of a row are tried, where these
    are at most 64, which has no noise; else by the score function, which has much.

    Args:
        values: how many values an entry has; None: infinitely many.
        members: the number of entries of a row.
        reparameterised: whether draws have derivatives.
    """
    if reparameterised:
        return "path"
    if values is not None and _at_most(values, members):
        return "enumerate"
    return "score"


def _at_most(values: int, members: int) -> bool:
    """Whether values ** members is at most `MOST_VALUES`."""
    if values < 1 or members < 1:
        raise ValueError(f"there cannot be {members} entries of {values} values")
    return values == 1 or (members <= MOST_VALUES and values**members <= MOST_VALUES)


def _through(value: Tensor, relaxed: Tensor) -> Tensor:
    """`value` with the derivatives of `relaxed`."""
    return value.detach() + (relaxed - relaxed.detach())


def straight_through_bernoulli(probabilities: Tensor) -> Tensor:
    """Draws of 0 and 1 whose derivative is that of the probability (Bengio et al. 2013)."""
    return _through(torch.bernoulli(probabilities.detach()), probabilities)


def straight_through_one_hot(logits: Tensor) -> Tensor:
    """Draws of one category, the last axis, whose derivative is that of the probabilities."""
    probabilities = torch.softmax(logits, -1)
    drawn = torch.distributions.OneHotCategorical(logits=logits.detach()).sample()
    return _through(drawn, probabilities)


def gumbel_softmax(
    logits: Tensor, temperature: float | Tensor, *, straight_through: bool = False
) -> Tensor:
    """Draws from the concrete distribution: softmax((logits + Gumbel noise) / temperature).

    Jang et al. (2017), Maddison et al. (2017). Its largest entry has the law of the categorical
    draw at every temperature, and at temperature 0 it is that draw.

    Args:
        logits: categories along the last axis.
        temperature: positive.
        straight_through: the category of the largest entry, with the derivative of the draw.
    """
    if not bool(torch.as_tensor(temperature) > 0):
        raise ValueError(f"a temperature is positive, not {temperature}")
    noise = -torch.log(torch.empty_like(logits.detach()).exponential_())
    relaxed = torch.softmax((logits + noise) / temperature, -1)
    if not straight_through:
        return relaxed
    largest = relaxed.detach().argmax(-1, keepdim=True)
    return _through(torch.zeros_like(relaxed).scatter(-1, largest, 1.0), relaxed)
