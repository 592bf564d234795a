"""Operations that are recorded as simpler ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch._decomp import get_decompositions

__all__ = ["DECOMPOSED"]

aten = torch.ops.aten


def _split(x: Tensor, size: int, dim: int = 0) -> list[Tensor]:
    """Each part by itself: replayed, an operation with many results would run once for each."""
    starts = range(0, x.shape[dim], size)
    return [aten.slice.Tensor(x, dim, start, start + size) for start in starts]


def _variance_and_mean(
    x: Tensor,
    dim: list[int],
    unbiased: bool = True,  # noqa: FBT001, FBT002
    keepdim: bool = False,  # noqa: FBT001, FBT002
) -> tuple[Tensor, Tensor]:
    mean = x.mean(dim, keepdim=True)
    count = math.prod(x.shape[d] for d in dim)
    variance = ((x - mean) ** 2).sum(dim, keepdim=keepdim) / (count - unbiased)
    return variance, mean if keepdim else x.mean(dim)


def _split_sizes(x: Tensor, sizes: list[int], dim: int = 0) -> list[Tensor]:
    ends = list(accumulate(sizes))
    starts = [end - size for end, size in zip(ends, sizes, strict=True)]
    return [aten.slice.Tensor(x, dim, *span) for span in zip(starts, ends, strict=True)]


SIMPLER = get_decompositions(
    [
        aten.logsumexp,
        aten.logaddexp,
        aten._log_softmax,
        aten._log_softmax_backward_data,
        aten._softmax,
        aten._softmax_backward_data,
        aten.addmm,
        aten.addmv,
        aten.baddbmm,
        aten.mvlgamma,
        aten.softplus,
        aten.softplus_backward,
        aten.silu,
        aten.silu_backward,
        aten.gelu,
        aten.gelu_backward,
        aten.elu,
        aten.elu_backward,
        aten.leaky_relu,
        aten.leaky_relu_backward,
        aten.hardtanh,
        aten.diagonal_backward,
        aten.trace,
        aten.addcmul,
        aten.addcdiv,
        aten.logit,
        aten.logit_backward,
        # Group normalisation reads memory in order, and copies that make it so are not recorded.
        aten.native_group_norm,
        aten.native_group_norm_backward,
        aten.native_layer_norm,
        aten.native_layer_norm_backward,
        aten.sinc,
        aten.tril,
        aten.triu,
    ]
)

DECOMPOSED: Mapping[Any, Callable[..., Any]] = {
    **SIMPLER,
    aten.split.Tensor: _split,
    aten.split_with_sizes.default: _split_sizes,
    aten.var_mean.dim: _variance_and_mean,
}
"""The function that does the same by simpler operations."""
