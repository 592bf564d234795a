"""Residual transforms: planar, radial and contractive ones.

References:
    Variational inference with normalizing flows (Rezende, Mohamed, ICML 2015), appendix A.
    Invertible residual networks (Behrmann, Grathwohl, Chen, Duvenaud, Jacobsen, ICML 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendsl.library.transforms import FlowDesign
from gendsl.runtime.flows.bijection import Bijection, Context, Pair, Values
from gendsl.runtime.flows.roots import increasing_root

__all__ = ["Contractive", "Planar", "Radial", "contractive", "planar", "radial"]

ITERATIONS = 1000
"""Passes of a fixed-point iteration at most."""


class Planar(Bijection):
    """u = x + v tanh(w . x + b), with w . v > -1."""

    def __init__(self, entries: int, width: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.entries = entries
        start = torch.cat((torch.randn(entries), 0.01 * torch.randn(entries), torch.zeros(1)))
        self.values = Values(start, width, hidden)

    def _parts(self, context: Context) -> tuple[Tensor, ...]:
        """w, v, b, and w . v."""
        w, raw, b = self.values(context).split((self.entries, self.entries, 1), -1)
        along = (w * raw).sum(-1, keepdim=True)
        # A change along w alone makes w . v = softplus(along + ln(e - 1)) - 1, 0 where it was 0.
        wanted = functional.softplus(along + 0.5413248546129181) - 1.0
        v = raw + (wanted - along) * w / (w * w).sum(-1, keepdim=True)
        return w, v, b.squeeze(-1), wanted.squeeze(-1)

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """By formula."""
        w, v, b, along = self._parts(context)
        bend = torch.tanh((w * x).sum(-1) + b)
        return x + v * bend.unsqueeze(-1), torch.log1p(along * (1.0 - bend * bend))

    def forward(self, u: Tensor, context: Context) -> Pair:
        """The projection on w is the root of an increasing function of one number."""
        w, v, b, along = self._parts(context)
        target = (w * u).sum(-1)
        width = along.abs().expand_as(target)

        def function(at: Tensor) -> Tensor:
            return at + along * torch.tanh(at + b) - target

        def slope(at: Tensor) -> Tensor:
            return 1.0 + along * (1.0 - torch.tanh(at + b) ** 2)

        at = increasing_root(function, slope, target - width, target + width)
        bend = torch.tanh(at + b)
        return u - v * bend.unsqueeze(-1), -torch.log1p(along * (1.0 - bend * bend))


class Radial(Bijection):
    """u = x + h (x - c) / (a + |x - c|), with a > 0 and h > -a."""

    def __init__(self, entries: int, width: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.entries = entries
        start = torch.cat((torch.randn(entries), torch.zeros(2)))
        self.values = Values(start, width, hidden)

    def _parts(self, context: Context) -> tuple[Tensor, ...]:
        c, a, h = self.values(context).split((self.entries, 1, 1), -1)
        a = torch.exp(a.squeeze(-1))
        return c, a, a * torch.expm1(h.squeeze(-1))

    def _log(self, r: Tensor, a: Tensor, h: Tensor) -> Tensor:
        """The log-determinant of the way to the base."""
        push = h / (a + r)
        along = 1.0 + push - h * r / (a + r) ** 2
        return (self.entries - 1) * torch.log1p(push) + torch.log(along)

    @staticmethod
    def _norm(x: Tensor) -> Tensor:
        return (x.square().sum(-1) + 1e-30).sqrt()

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """By formula."""
        c, a, h = self._parts(context)
        away = x - c
        r = self._norm(away)
        return x + (h / (a + r)).unsqueeze(-1) * away, self._log(r, a, h)

    def forward(self, u: Tensor, context: Context) -> Pair:
        """The distance from c is the positive root of a quadratic."""
        c, a, h = self._parts(context)
        away = u - c
        far = self._norm(away)
        half = 0.5 * (a + h - far)
        root = torch.sqrt(half * half + a * far)
        # Of two equal formulas the one without cancellation.
        r = torch.where(half > 0, a * far / (half.abs() + root), half.abs() + root)
        return u - (h / (a + h + r)).unsqueeze(-1) * away, -self._log(r, a, h)


class Contractive(Bijection):
    """u = x + F(x), with F a perceptron (tanh) of Lipschitz constant `lipschitz`."""

    def __init__(
        self, entries: int, width: int, hidden: tuple[int, ...], lipschitz: float
    ) -> None:
        super().__init__()
        self.entries, self.lipschitz = entries, lipschitz
        sizes = (entries, *hidden, entries)
        self.layers = nn.ModuleList(
            nn.Linear(m, n) for m, n in zip(sizes, sizes[1:], strict=False)
        )
        self.share = lipschitz ** (1.0 / len(self.layers))
        self.context = nn.Linear(width, hidden[0], bias=False) if width else None

    def _weights(self) -> list[Tensor]:
        """Weights whose spectral norms are at most the share of each layer."""
        found = []
        for layer in self.layers:
            weight: Tensor = layer.weight  # type: ignore[assignment]
            norm = torch.linalg.matrix_norm(weight, 2)
            found.append(weight * torch.clamp(self.share / norm, max=1.0))
        return found

    def _step(self, x: Tensor, context: Context, weights: list[Tensor]) -> list[Tensor]:
        """Hidden values of each layer, and at last F(x)."""
        found = []
        for number, (layer, weight) in enumerate(zip(self.layers, weights, strict=True)):
            x = functional.linear(x, weight, layer.bias)  # type: ignore[arg-type]
            if number == 0 and self.context is not None:
                x = x + self.context(context)
            if number < len(weights) - 1:
                x = torch.tanh(x)
            found.append(x)
        return found

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """By formula, with the determinant of the whole Jacobian."""
        weights = self._weights()
        found = self._step(x, context, weights)
        jacobian = weights[0].expand(x.shape[0], *weights[0].shape)
        for hidden, weight in zip(found, weights[1:], strict=False):
            jacobian = weight @ ((1.0 - hidden * hidden).unsqueeze(-1) * jacobian)
        eye = torch.eye(self.entries, dtype=x.dtype, device=x.device)
        return x + found[-1], torch.linalg.slogdet(eye + jacobian)[1]

    def forward(self, u: Tensor, context: Context) -> Pair:
        """The fixed point of x = u - F(x), and one step of Newton's method for its gradient."""
        weights = self._weights()
        with torch.no_grad():
            x = u
            for _ in range(ITERATIONS):
                x, before = u - self._step(x, context, weights)[-1], x
                if torch.equal(x, before):
                    break
        x = self._differentiable(u, x.detach(), context, weights)
        return x, -self.inverse(x, context)[1]

    def _differentiable(
        self, u: Tensor, x: Tensor, context: Context, weights: list[Tensor]
    ) -> Tensor:
        """Newton's x - J^-1 (x + F(x) - u), with J as a constant."""
        found = self._step(x, context, weights)
        with torch.no_grad():
            jacobian = weights[0].expand(x.shape[0], *weights[0].shape)
            for hidden, weight in zip(found, weights[1:], strict=False):
                jacobian = weight @ ((1.0 - hidden * hidden).unsqueeze(-1) * jacobian)
            jacobian = jacobian + torch.eye(self.entries, dtype=x.dtype, device=x.device)
        rest = (x + found[-1] - u).unsqueeze(-1)
        step: Tensor = torch.linalg.solve(jacobian, rest)
        return x - step.squeeze(-1)


def planar(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """Planar layers."""
    hidden = design.wholes("hidden")
    return [Planar(entries, width, hidden) for _ in range(design.whole("layers"))]


def radial(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """Radial layers."""
    hidden = design.wholes("hidden")
    return [Radial(entries, width, hidden) for _ in range(design.whole("layers"))]


def contractive(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """Contractive residual layers."""
    constant = design.options["lipschitz"]
    assert isinstance(constant, float | int)
    hidden = design.wholes("hidden")
    return [
        Contractive(entries, width, hidden, float(constant)) for _ in range(design.whole("layers"))
    ]
