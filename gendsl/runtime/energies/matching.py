"""Score matching: densities are learned from their gradients, in which no constant Z is left.

The score is s(x) = d log p(x) / dx. Objectives are means over rows, to be minimised:

- exact: |s|^2 / 2 + div s (Hyvarinen, JMLR 2005), the divergence by a derivative for each entry;
- sliced: |s|^2 / 2 + v' (ds/dx) v for random directions v, unbiased for it (Song, Garg, Shi and
  Ermon, UAI 2019, with the variance reduction of their section 4);
- finite differences: the sliced divergence from values of the log density alone, to an error of
  the order of the square of the step (Pang, Xu, Li, Song, Ermon, Zhu, NeurIPS 2020);
- denoising: |s(x + sigma e) + e / sigma|^2 / 2 (Vincent, Neural Computation 2011), which learns
  the law of x + sigma e, not that of x.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["denoising", "exact", "finite_difference", "score_of", "sliced"]

LogDensity = Callable[[Tensor], Tensor]
"""From values, (chains..., event), to an unnormalised log density for each chain."""


def score_of(log_density: LogDensity, x: Tensor) -> tuple[Tensor, Tensor]:
    """The values, as a leaf of the graph, and the score at them, which has derivatives itself."""
    with torch.enable_grad():
        held = x.detach().requires_grad_()
        total = log_density(held).sum()
        (score,) = torch.autograd.grad(total, held, create_graph=True)
    return held, score


def _of_chains(entries: Tensor, event: int) -> Tensor:
    return entries.flatten(entries.ndim - event).sum(-1) if event else entries


def exact(log_density: LogDensity, x: Tensor, event: int) -> Tensor:
    """The objective of each chain; `event` counts the event axes of `x`.

    It costs one derivative for each entry of an event.
    """
    held, score = score_of(log_density, x)
    flat = score.flatten(score.ndim - event) if event else score[..., None]
    divergence = torch.zeros_like(flat[..., 0])
    for i in range(flat.shape[-1]):
        (row,) = torch.autograd.grad(
            flat[..., i].sum(), held, create_graph=True, materialize_grads=True
        )
        row = row.flatten(row.ndim - event) if event else row[..., None]
        divergence = divergence + row[..., i]
    return (flat**2).sum(-1) / 2 + divergence


def sliced(log_density: LogDensity, x: Tensor, event: int, directions: int = 1) -> Tensor:
    """The objective of each chain with the divergence along random directions of signs."""
    held, score = score_of(log_density, x)
    found = _of_chains(score**2, event) / 2
    for _ in range(directions):
        v = torch.randint_like(x, 2) * 2 - 1
        (row,) = torch.autograd.grad(
            (score * v).sum(), held, create_graph=True, materialize_grads=True
        )
        found = found + _of_chains(row * v, event) / directions
    return found


def finite_difference(log_density: LogDensity, x: Tensor, step: float = 1e-2) -> Tensor:
    """The sliced objective, where derivatives along v are differences over `step` times v.

    With normal directions v of expected square length D:
    ``(v's)^2 / 2 + v' (ds/dx) v`` from three values of the log density.
    """
    v = torch.randn_like(x) * step
    here, ahead, behind = log_density(x), log_density(x + v), log_density(x - v)
    first = (ahead - behind) / (2 * step)
    return first**2 / 2 + (ahead + behind - 2 * here) / step**2


def denoising(log_density: LogDensity, x: Tensor, event: int, sigma: float | Tensor) -> Tensor:
    """The objective of each chain, at one level of noise; it learns the law of x + sigma e."""
    noise = torch.randn_like(x)
    _, score = score_of(log_density, x + sigma * noise)
    return _of_chains((score + noise / sigma) ** 2, event) / 2
