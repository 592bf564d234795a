"""Increasing functions of one number: from the base u to the data x, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from gendsl.library.architectures import OptionValue
from gendsl.runtime.flows.roots import increasing_root
from gendsl.runtime.flows.splines import rational_quadratic

__all__ = ["MAP_BUILDERS", "ScalarMap", "scalar_map"]

Pair = tuple[Tensor, Tensor]


class ScalarMap(Protocol):
    """A function with `size` raw parameters for each entry; zeros are near the identity."""

    size: int

    def forward(self, u: Tensor, raw: Tensor) -> Pair:
        """x, and log dx/du, of the shape of `u`; `raw` has one more axis."""
        ...

    def inverse(self, x: Tensor, raw: Tensor) -> Pair:
        """u, and log du/dx."""
        ...


def _within(raw: Tensor, bound: float) -> Tensor:
    """A number between -bound and bound that is the raw one near 0."""
    return bound * torch.tanh(raw / bound)


class Additive:
    """x = u + b."""

    size = 1

    def forward(self, u: Tensor, raw: Tensor) -> Pair:
        """A shift."""
        return u + raw[..., 0], torch.zeros_like(u)

    def inverse(self, x: Tensor, raw: Tensor) -> Pair:
        """The shift back."""
        return x - raw[..., 0], torch.zeros_like(x)


class Affine:
    """x = u exp(s) + b."""

    size = 2

    def forward(self, u: Tensor, raw: Tensor) -> Pair:
        """A scale and a shift."""
        log = _within(raw[..., 0], 7.0)
        return u * torch.exp(log) + raw[..., 1], log.expand_as(u)

    def inverse(self, x: Tensor, raw: Tensor) -> Pair:
        """Both undone."""
        log = _within(raw[..., 0], 7.0)
        return (x - raw[..., 1]) * torch.exp(-log), -log.expand_as(x)


class Spline:
    """A rational-quadratic spline."""

    def __init__(self, bins: int, bound: float) -> None:
        """So many bins over [-bound, bound]."""
        self.bins, self.bound = bins, bound
        self.size = 3 * bins - 1

    def forward(self, u: Tensor, raw: Tensor) -> Pair:
        """The spline."""
        return rational_quadratic(u, raw, self.bins, self.bound, inverse=False)

    def inverse(self, x: Tensor, raw: Tensor) -> Pair:
        """Its inverse."""
        return rational_quadratic(x, raw, self.bins, self.bound, inverse=True)


class MixtureCdf:
    """u = exp(s) logit(F(x)) + b, F of a mixture of logistics."""

    def __init__(self, components: int) -> None:
        """So many components."""
        self.components = components
        self.size = 3 * components + 2
        # Equal components would stay equal.
        self.spread = [0.0]
        if components > 1:
            self.spread = [-1.0 + 2.0 * k / (components - 1) for k in range(components)]

    def _parts(self, raw: Tensor) -> tuple[Tensor, ...]:
        k = self.components
        logits, means, logs, rest = raw.split((k, k, k, 2), -1)
        centre = torch.tensor(self.spread, dtype=raw.dtype, device=raw.device)
        return (
            torch.log_softmax(logits, -1),
            means + centre,
            _within(logs, 7.0),
            _within(rest[..., 0], 7.0),
            rest[..., 1],
        )

    def _odds(self, x: Tensor, parts: tuple[Tensor, ...]) -> Pair:
        """Log odds of F(x), and the log of its derivative."""
        weights, means, logs = parts[:3]
        z = (x.unsqueeze(-1) - means) * torch.exp(-logs)
        below = torch.logsumexp(weights + functional.logsigmoid(z), -1)
        above = torch.logsumexp(weights + functional.logsigmoid(-z), -1)
        each = weights - logs + functional.logsigmoid(z) + functional.logsigmoid(-z)
        return below - above, torch.logsumexp(each, -1) - below - above

    def inverse(self, x: Tensor, raw: Tensor) -> Pair:
        """To the base, by formula."""
        parts = self._parts(raw)
        odds, log = self._odds(x, parts)
        return odds * torch.exp(parts[3]) + parts[4], log + parts[3]

    def forward(self, u: Tensor, raw: Tensor) -> Pair:
        """To the data: the quantile lies between those of the components."""
        parts = self._parts(raw)
        target = (u - parts[4]) * torch.exp(-parts[3])
        with torch.no_grad():
            quantiles = parts[1] + torch.exp(parts[2]) * target.unsqueeze(-1)
            low, high = quantiles.amin(-1), quantiles.amax(-1)
        x = increasing_root(
            lambda at: self._odds(at, parts)[0] - target,
            lambda at: torch.exp(self._odds(at, parts)[1]),
            low,
            high,
        )
        return x, -(self._odds(x, parts)[1] + parts[3])


class SinhArcsinh:
    """x = sinh(exp(s) (arsinh u + b))."""

    size = 2

    def forward(self, u: Tensor, raw: Tensor) -> Pair:
        """To the data."""
        log = _within(raw[..., 0], 2.0)
        inner = torch.exp(log) * (torch.asinh(u) + raw[..., 1])
        slope = _log_cosh(inner) + log - 0.5 * torch.log1p(u * u)
        return torch.sinh(inner), slope

    def inverse(self, x: Tensor, raw: Tensor) -> Pair:
        """To the base."""
        log = _within(raw[..., 0], 2.0)
        inner = torch.exp(-log) * torch.asinh(x) - raw[..., 1]
        slope = _log_cosh(inner) - log - 0.5 * torch.log1p(x * x)
        return torch.sinh(inner), slope


def _log_cosh(x: Tensor) -> Tensor:
    return x.abs() + torch.log1p(torch.exp(-2.0 * x.abs())) - math.log(2.0)


class NonlinearSquared:
    """u = a x + b + c / (1 + (d x + e)^2), with a > 9 / (8 sqrt 3) |c| d.

    The bound needs the modulus of c: without it a negative c could give a negative slope.
    """

    size = 5
    _STEEPEST = 9.0 / (8.0 * math.sqrt(3.0))

    def _parts(self, raw: Tensor) -> tuple[Tensor, ...]:
        a, b, c, d, e = raw.unbind(-1)
        a, d = torch.exp(_within(a, 7.0)), torch.exp(_within(d, 7.0))
        # At zeros there is no bump.
        c = 0.95 * torch.tanh(c) * a / (self._STEEPEST * d)
        return a, b, c, d, e

    @staticmethod
    def value_and_slope(x: Tensor, parts: tuple[Tensor, ...]) -> Pair:
        """To the base, and its derivative, with a, b, c, d and e."""
        a, b, c, d, e = parts
        t = d * x + e
        bump = 1.0 / (1.0 + t * t)
        return a * x + b + c * bump, a - 2.0 * c * d * t * bump * bump

    def inverse(self, x: Tensor, raw: Tensor) -> Pair:
        """To the base, by formula."""
        u, slope = self.value_and_slope(x, self._parts(raw))
        return u, torch.log(slope)

    def forward(self, u: Tensor, raw: Tensor) -> Pair:
        """To the data: the bump is between 0 and c."""
        parts = self._parts(raw)
        a, b, c = parts[:3]
        with torch.no_grad():
            low = (u - b - torch.clamp(c, min=0.0)) / a
            high = (u - b - torch.clamp(c, max=0.0)) / a
        x = increasing_root(
            lambda at: self.value_and_slope(at, parts)[0] - u,
            lambda at: self.value_and_slope(at, parts)[1],
            low,
            high,
        )
        return x, -torch.log(self.value_and_slope(x, parts)[1])


def _whole(options: Mapping[str, OptionValue], name: str) -> int:
    value = options[name]
    assert isinstance(value, int)
    return value


def _number(options: Mapping[str, OptionValue], name: str) -> float:
    value = options[name]
    assert isinstance(value, int | float)
    return float(value)


MAP_BUILDERS: Mapping[str, Callable[[Mapping[str, OptionValue]], ScalarMap]] = {
    "additive": lambda options: Additive(),
    "affine": lambda options: Affine(),
    "mixture_cdf": lambda options: MixtureCdf(_whole(options, "components")),
    "nonlinear_squared": lambda options: NonlinearSquared(),
    "sinh_arcsinh": lambda options: SinhArcsinh(),
    "spline": lambda options: Spline(_whole(options, "bins"), _number(options, "bound")),
}
"""What builds each scalar map of the table."""


def scalar_map(name: str, options: Mapping[str, OptionValue]) -> ScalarMap:
    """The scalar map of that name."""
    return MAP_BUILDERS[name](options)
