"""Normalising constants: by summing over all values, and estimates by annealing.

References:
    Annealed importance sampling (Neal, Statistics and Computing 2001).
    On the quantitative analysis of deep belief networks (Salakhutdinov and Murray, ICML 2008).
    Accurate and conservative estimates of MRF log-likelihood using reverse annealing (Burda,
    Grosse and Salakhutdinov, AISTATS 2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Annealed", "Tempered", "anneal", "binary_states", "log_mean_exp", "sum_states"]

AT_A_TIME = 1 << 14
"""States that are looked at together."""

MOST_BITS = 24
"""More states than those of so many bits are not summed over."""


def binary_states(bits: int) -> Iterator[Tensor]:
    """All states of so many bits, in pieces of shape (states, bits).

    Raises:
        ValueError: there are too many.
    """
    if bits > MOST_BITS:
        raise ValueError(f"{bits} bits have more states than can be summed over")
    places = torch.arange(bits)
    for start in range(0, 1 << bits, AT_A_TIME):
        numbers = torch.arange(start, min(start + AT_A_TIME, 1 << bits))
        yield ((numbers[:, None] >> places) & 1).to(torch.get_default_dtype())


def sum_states(bits: int, log_weight: Callable[[Tensor], Tensor]) -> Tensor:
    """The logarithm of the sum over all states of so many bits, log Z, with its derivatives.

    Args:
        bits: how many.
        log_weight: from states, (states, bits), to unnormalised log densities, (states,).
    """
    return torch.logsumexp(
        torch.stack([torch.logsumexp(log_weight(s), 0) for s in binary_states(bits)]), 0
    )


def log_mean_exp(x: Tensor) -> tuple[float, float]:
    """Take log mean exp, and its standard error by the delta method."""
    x = x.to(torch.float64)
    top = x.max()
    ratios = (x - top).exp()
    mean = ratios.mean()
    error = ratios.std() / mean / math.sqrt(len(x)) if len(x) > 1 else torch.tensor(math.nan)
    return float(top + mean.log()), float(error)


@dataclass(frozen=True)
class Annealed:
    """An estimate of log Z by annealing.

    Attributes:
        log_z: the estimate, in nats.
        standard_error: of it, from the chains; that of a few lucky chains is too small.
        effective: the effective number of chains, (sum w)^2 / sum w^2.
        backward: whether chains went from the model to the base, which errs upwards; else its
            expectation is below log Z.
    """

    log_z: float
    standard_error: float
    effective: float
    backward: bool


Tempered = Callable[[float, Tensor], Tensor]
"""From the share of the model in (0, 1), and states, to log densities between base and model."""


def anneal(
    tempered: Tempered,
    move: Callable[[float, Tensor], Tensor],
    start: Tensor,
    shares: Sequence[float],
    log_z_base: float,
    *,
    backward: bool = False,
) -> Annealed:
    """Estimate log Z of the model.

    Args:
        tempered: unnormalised log densities: the base at 0, the model at 1.
        move: a Markov kernel that leaves the density of a share invariant.
        start: exact draws of the base, or of the model if `backward`, (chains, ...).
        shares: increasing, from 0 to 1.
        log_z_base: of the base.
        backward: whether to go from the model to the base.
    """
    path = list(shares)[::-1] if backward else list(shares)
    x = start
    total = torch.zeros(len(start), dtype=torch.float64)
    with torch.no_grad():
        for here, there in zip(path, path[1:], strict=False):
            total += (tempered(there, x) - tempered(here, x)).to(torch.float64).reshape(-1)
            if there not in (0.0, 1.0):
                x = move(there, x)
    found, error = log_mean_exp(total)
    ratios = torch.exp(total - total.max())
    effective = float(ratios.sum() ** 2 / (ratios**2).sum())
    log_z = log_z_base - found if backward else log_z_base + found
    return Annealed(log_z, error, effective, backward)
