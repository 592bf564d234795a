"""Roots of increasing functions, with gradients by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["increasing_root"]


def increasing_root(
    function: Callable[[Tensor], Tensor],
    slope: Callable[[Tensor], Tensor],
    lower: Tensor,
    upper: Tensor,
) -> Tensor:
    """Where an increasing function is 0, entry by entry.

    The bracket is halved until neither end moves at this precision; one step of Newton's method
    follows, whose derivative is that of the root in all that the function depends on.

    Args:
        function: of the point.
        slope: its derivative.
        lower: points at which it is not positive.
        upper: points at which it is not negative.
    """
    with torch.no_grad():
        low, high = lower.detach(), upper.detach()
        for _ in range(60 if low.dtype == torch.float64 else 32):
            middle = 0.5 * (low + high)
            below = function(middle) < 0
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        point = 0.5 * (low + high)
        steepness = slope(point)
    return point - function(point) / steepness
