"""Samples whose modes have their weights: by annealing, with resampling.

Chains that begin at noise fall into the modes that are near, and where they never leave one, the
shares of the modes stay what the noise made them. Here chains go from independent entries with
the data's moments to the model through densities between them, each move by a kernel that leaves
one of these invariant, and are resampled by the weights of annealed importance sampling, as soon
as these have come apart: correct as the number of chains grows, however badly chains mix at last.

References:
    Sequential Monte Carlo samplers (Del Moral, Doucet and Jasra, JRSS B 2006), section 3.1.
    Annealed importance sampling (Neal, Statistics and Computing 2001).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gendsl.runtime.energies.task import Task
from gendsl.runtime.energies.using import Path

__all__ = ["annealed_samples", "resampled"]


def resampled(log_weights: Tensor) -> Tensor:
    """Numbers of chains, as often as their weights say: systematic resampling."""
    count = len(log_weights)
    edges = torch.cumsum(torch.softmax(log_weights.to(torch.float64), 0), 0)
    at = (torch.arange(count, dtype=torch.float64) + torch.rand((), dtype=torch.float64)) / count
    return torch.searchsorted(edges, at).clamp(max=count - 1)


def annealed_samples(
    task: Task, options: Mapping[str, object], rows: int, steps: int
) -> dict[str, Tensor]:
    """Values of all members at the end of so many densities on the way, one for each row.

    Args:
        task: the block; rows may have no inputs of their own.
        options: of the kernel.
        rows: how many chains.
        steps: densities on the way, with a sweep at each of them.
    """
    path = Path(task, rows, options)
    x, gains = path.draw(), torch.zeros(rows)
    shares = torch.linspace(0.0, 1.0, steps + 1).tolist()
    for here, there in zip(shares, shares[1:], strict=False):
        gains = gains + path.tempered(there, x) - path.tempered(here, x)
        gains = torch.where(gains.isfinite(), gains, -torch.inf)
        weights = torch.softmax(gains, 0)
        if there == 1.0 or float(1 / (weights**2).sum()) < rows / 2:
            x, gains = x[resampled(gains)], torch.zeros(rows)
        x = path.move(there, x)
    values = path.packed.unpack(x)
    if task.facts.units:
        odds = task.odds(values, path.given)
        values |= {n: torch.bernoulli(torch.sigmoid(o)) for n, o in odds.items()}
    return values
