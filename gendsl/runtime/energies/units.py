"""Binary units in whose values the log density is affine.

Where no product has two units of a group, each has a Bernoulli law given all else, and all of them
are independent: their log odds are the derivatives of the log density, at any values of the group.
So they can be drawn at once (block Gibbs) and summed out: with p their probabilities,
``log sum_h exp w(v, h) = w(v, p) + entropy(p)``, whose derivatives by anything else are those of
``w(v, p)`` with p held.

References:
    Training products of experts by minimizing contrastive divergence (Hinton, Neural Computation
    2002); the free energy of a restricted Boltzmann machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["Free", "LogWeight", "entropy", "free", "log_odds"]

LogWeight = Callable[[Mapping[str, Tensor]], Tensor]
"""From values by name to unnormalised log densities, one for each chain."""


def log_odds(
    log_weight: LogWeight, values: Mapping[str, Tensor], names: Iterable[str]
) -> dict[str, Tensor]:
    """The log odds of the units `names` given all other values: the shapes of their values.

    Their own values are ignored up to rounding: the log density is affine in them together.
    """
    asked = tuple(names)
    with torch.enable_grad():
        held = {n: v.detach() for n, v in values.items()}
        held |= {n: held[n].requires_grad_() for n in asked}
        total = log_weight(held).sum()
        found = torch.autograd.grad(total, [held[n] for n in asked])
    return dict(zip(asked, found, strict=True))


def entropy(odds: Tensor) -> Tensor:
    """The entropy of Bernoulli units with these log odds, entry by entry, in nats."""
    return softplus(odds) - odds * torch.sigmoid(odds)


@dataclass(frozen=True)
class Free:
    """A log density with units summed out, at some values.

    Attributes:
        log_weight: at the values and the units' probabilities: its gradient by params is that of
            the summed log density.
        entropy: of the units; the summed log density is the sum of the two.
        values: with the probabilities of the units.
    """

    log_weight: Tensor
    entropy: Tensor
    values: Mapping[str, Tensor]

    @property
    def value(self) -> Tensor:
        """The log density with the units summed out, cut from the graph."""
        return self.log_weight.detach() + self.entropy


def free(
    log_weight: LogWeight,
    values: Mapping[str, Tensor],
    names: tuple[str, ...],
    collapse: Callable[[Tensor, str], Tensor],
) -> Free:
    """Sum out the units `names`.

    Args:
        log_weight: affine in them together.
        values: of everything; those of the units may be anything.
        names: the units.
        collapse: from entries of a unit's shape, and its name, to their sum for each chain.
    """
    if not names:
        found = log_weight(values)
        return Free(found, torch.zeros_like(found), values)
    odds = log_odds(log_weight, values, names)
    filled = dict(values) | {n: torch.sigmoid(o) for n, o in odds.items()}
    spread = [collapse(entropy(o), n) for n, o in odds.items()]
    return Free(log_weight(filled), torch.stack(torch.broadcast_tensors(*spread)).sum(0), filled)
