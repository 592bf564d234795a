"""Functions of vectors and matrices that torch has not got, or not safely in batches."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["eigenvectors", "rank", "solve", "stick_breaking"]


def solve(x: Tensor, y: Tensor) -> Tensor:
    """The z with x @ z = y, for matrices (..., N, N) and (..., N, M).

    `torch.linalg.solve` takes y for a batch of vectors where its shape happens to be that of the
    batch of x and its rows; with as many axes as x it cannot.
    """
    missing = max(0, x.dim() - y.dim())
    solved: Tensor = torch.linalg.solve(x, y.reshape((1,) * missing + y.shape))
    return solved


def eigenvectors(x: Tensor) -> Tensor:
    """The eigenvectors of symmetric matrices (..., N, N) as columns, by increasing eigenvalue.

    Their signs are chosen so that no entry of the first row is negative.
    """
    vectors = torch.linalg.eigh(x).eigenvectors
    first = vectors[..., :1, :]
    return torch.where(first < 0, -vectors, vectors)


def rank(x: Tensor) -> Tensor:
    """How many entries of a vector (..., N) are smaller than each."""
    entries = x.detach().contiguous()
    smaller = torch.searchsorted(torch.sort(entries, -1).values.contiguous(), entries)
    return smaller.to(x.dtype)


def stick_breaking(x: Tensor) -> Tensor:
    """Weights (..., K) from fractions (..., K - 1): each takes its part of what is left."""
    one = torch.ones_like(x[..., :1]) if x.shape[-1] else x.new_ones((*x.shape[:-1], 1))
    left = torch.cumprod(torch.cat([one, 1 - x], -1), -1)
    return torch.cat([x, one], -1) * left
