"""Continuous transforms: the flow of a differential equation.

References:
    Neural ordinary differential equations (Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018),
    section 4: the log density falls by the integral of the trace of the Jacobian.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gendsl.library.transforms import FlowDesign
from gendsl.runtime.flows.bijection import Bijection, Context, Pair

__all__ = ["Continuous", "continuous"]


class Continuous(Bijection):
    """x at time 1 of dx/dt = F(x, t), from u at time 0; F is a perceptron (tanh)."""

    tolerance = 1e-3  # the error of the solver

    def __init__(self, entries: int, width: int, hidden: tuple[int, ...], steps: int) -> None:
        super().__init__()
        self.entries, self.steps = entries, steps
        sizes = (entries, *hidden, entries)
        self.layers = nn.ModuleList(
            nn.Linear(m, n) for m, n in zip(sizes, sizes[1:], strict=False)
        )
        self.given = nn.Linear(1 + width, hidden[0], bias=False)
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def _slope(self, x: Tensor, t: float, context: Context) -> Pair:
        """F, and the trace of its Jacobian."""
        time = x.new_full((x.shape[0], 1), t)
        given = time if context is None else torch.cat((time, context), -1)
        jacobian: Tensor | None = None
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if number == 0:
                x = x + self.given(given)
            weight: Tensor = layer.weight  # type: ignore[assignment]
            if number == len(self.layers) - 1:
                assert jacobian is not None
                return x, (weight * jacobian.mT).sum((-1, -2))
            x = torch.tanh(x)
            jacobian = weight if jacobian is None else weight @ jacobian
            jacobian = (1.0 - x * x).unsqueeze(-1) * jacobian
        raise AssertionError("a perceptron has two layers at least")

    def _solve(self, x: Tensor, context: Context, start: float, length: float) -> Pair:
        """The classical Runge-Kutta method, of values and log-determinants at once."""
        h = length / self.steps
        log = torch.zeros_like(x[:, 0])
        for number in range(self.steps):
            t = start + number * h
            a, p = self._slope(x, t, context)
            b, q = self._slope(x + 0.5 * h * a, t + 0.5 * h, context)
            c, r = self._slope(x + 0.5 * h * b, t + 0.5 * h, context)
            d, s = self._slope(x + h * c, t + h, context)
            x = x + h / 6.0 * (a + 2.0 * b + 2.0 * c + d)
            log = log + h / 6.0 * (p + 2.0 * q + 2.0 * r + s)
        return x, log

    def forward(self, u: Tensor, context: Context) -> Pair:
        """From time 0 to time 1."""
        return self._solve(u, context, 0.0, 1.0)

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """From time 1 to time 0."""
        return self._solve(x, context, 1.0, -1.0)


def continuous(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """One equation."""
    return [Continuous(entries, width, design.wholes("hidden"), design.whole("steps"))]
