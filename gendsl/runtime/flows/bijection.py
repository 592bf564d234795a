"""What layers of flows have in common, and the numbers that they learn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gendsl.runtime.nets.dense import perceptron
from gendsl.runtime.nets.layers import Layers

__all__ = ["Bijection", "Context", "Pair", "Turned", "Values"]

Context = Tensor | None
"""What rows are conditional on, (rows, width)."""

Pair = tuple[Tensor, Tensor]
"""Values, (rows, entries), and the log-determinant of what gave them, (rows,)."""


class Bijection(nn.Module):
    """An invertible map of rows of numbers, from the base `u` to the data `x`.

    Attributes:
        tolerance: how far a value may be off after both directions, relative to 1 + |x|.
    """

    tolerance = 1e-6

    def forward(self, u: Tensor, context: Context) -> Pair:
        """``x`` and ``log |det dx/du|``."""
        raise NotImplementedError

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """``u`` and ``log |det du/dx|``."""
        raise NotImplementedError

    def initialise(self, x: Tensor) -> None:
        """Begin at values that suit the data `x`; most layers need none."""


class Turned(Bijection):
    """A bijection with base and data exchanged."""

    def __init__(self, turned: Bijection) -> None:
        super().__init__()
        self.turned, self.tolerance = turned, turned.tolerance

    def forward(self, u: Tensor, context: Context) -> Pair:
        """The inverse of the other."""
        return self.turned.inverse(u, context)

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """The forward direction of the other."""
        found: Pair = self.turned(x, context)
        return found


class Values(nn.Module):
    """Numbers that are learned, or that a network computes from the context.

    What is learned is added to where they begin, so that weights that decay leave them there.

    Args:
        start: where they begin.
        width: of the context; 0 where there is none.
        hidden: widths of the network.
    """

    def __init__(self, start: Tensor, width: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.start: Tensor
        self.register_buffer("start", start.clone())
        self.net: nn.Module | None = None
        if width:
            trunk = perceptron(width, hidden, Layers())
            last = nn.Linear(hidden[-1], start.numel())
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.net = nn.Sequential(trunk, last)
        else:
            self.added = nn.Parameter(torch.zeros_like(start))

    def begin(self, start: Tensor) -> None:
        """Begin elsewhere, whatever the context."""
        self.start.copy_(start.reshape(self.start.shape))

    def forward(self, context: Context) -> Tensor:
        """The numbers, (rows or 1, ...)."""
        if self.net is None:
            return (self.start + self.added).unsqueeze(0)
        assert context is not None
        found: Tensor = self.net(context)
        return found.reshape(-1, *self.start.shape) + self.start
