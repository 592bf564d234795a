"""Operations that are recorded as simpler ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        aten.leaky_relu,
        aten.hardtanh,
        aten.diagonal_backward,
        aten.trace,
        aten.addcmul,
        aten.addcdiv,
        aten.logit,
        aten.logit_backward,
        aten.sinc,
        aten.tril,
        aten.triu,
    ]
)

DECOMPOSED: Mapping[Any, Callable[..., Any]] = {**SIMPLER, aten.split.Tensor: _split}
"""The function that does the same by simpler operations."""
