"""Summing discrete sites out in log space, so that no product underflows.

Pyro exponentiates every factor of a sum by itself, relative to its own largest entry, and
multiplies them. Where two factors speak for different values, all products are small: below the
unit of rounding Pyro clamps the gradient of the logarithm, so that it is wrong, and below the
smallest number the density is 0. Here factors are added before they are exponentiated: the largest
product is exactly 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from math import prod
from typing import Any

import torch
from pyro.infer.mcmc.util import TraceEinsumEvaluator
from pyro.ops.contract import contract_to_tensor
from pyro.ops.rings import LogRing
from pyro.poutine.trace_struct import Trace
from torch import Tensor

__all__ = ["Evaluator"]

LARGEST = 1 << 18
"""A table that is larger than each of its factors has so many entries at most."""


class Evaluator(TraceEinsumEvaluator):
    """Pyro's evaluator of the density of a trace, with sums that do not underflow."""

    def __init__(self, trace: Trace, nesting: int) -> None:
        """Learn the discrete sites of a trace, whose plates are nested at most so deep."""
        make: Any = super().__init__
        make(trace, has_enumerable_sites=True, max_plate_nesting=nesting)

    def log_prob(self, model_trace: Trace) -> Tensor:
        """The log density, discrete sites summed out; a scalar."""
        gather: Any = self._get_log_factors
        found: Tensor = contract_to_tensor(gather(model_trace), self._enum_dims, ring=_LogRing())
        return found


class _LogRing(LogRing):
    """Sums over one axis at a time, of a table to which all factors with that axis are added.

    Where the table would be too large, its factors stay apart and are multiplied as in Pyro.
    """

    def __init__(self) -> None:
        """Remember what has been computed for one evaluation."""
        make: Any = super().__init__
        make()

    def sumproduct(self, terms: list[Tensor], dims: Iterable[str]) -> Tensor:
        """Multiply `terms`, which know the names of their axes, and sum over `dims`; as logs."""
        contract: Any = super().sumproduct
        left, waiting = list(terms), set(dims)
        while waiting:
            dim = min(sorted(waiting), key=lambda d: prod(_joint(_with(left, d)).values()))
            own = _with(left, dim)
            rest = [t for t in left if dim not in _axes(t)]
            left = [*rest, contract([_added(own)] if _fits(own) else own, {dim})]
            waiting.remove(dim)
        return _added(left)


def _axes(term: Tensor) -> str:
    """The names of its axes, a character each."""
    axes: str = term._pyro_dims  # type: ignore[attr-defined]
    return axes


def _with(terms: list[Tensor], dim: str) -> list[Tensor]:
    return [t for t in terms if dim in _axes(t)]


def _joint(terms: list[Tensor]) -> dict[str, int]:
    """The axes of a table to which `terms` are added, in the order of their names."""
    sizes = {d: n for t in terms for d, n in zip(_axes(t), t.shape, strict=True)}
    return dict(sorted(sizes.items()))


def _fits(terms: list[Tensor]) -> bool:
    entries = prod(_joint(terms).values())
    return entries <= max(LARGEST, *(t.numel() for t in terms), 0)


def _added(terms: list[Tensor]) -> Tensor:
    """Their product, in log units."""
    if len(terms) == 1:
        return terms[0]
    joint = "".join(_joint(terms))
    total = reduce(torch.add, (_aligned(t, joint) for t in terms))
    total._pyro_dims = joint  # type: ignore[attr-defined]
    return total


def _aligned(term: Tensor, joint: str) -> Tensor:
    own = _axes(term)
    shown = term.permute([own.index(d) for d in joint if d in own])
    shape = iter(shown.shape)
    return shown.reshape([next(shape) if d in own else 1 for d in joint])
