r"""The regularised incomplete gamma and beta functions, in logarithms, with all their derivatives.

What is integrated is what is left of the Gamma or Beta density after its value at the end point
is taken out, so nothing underflows in the far tails. With $t = x e^{-s}$, and with the recurrence
that raises $a$ by one (DLMF 8.8.5 and 8.17.20), the lower tails are

$$P(a, x) = \frac{x^a e^{-x}}{\Gamma(a + 1)}
  \Bigl(1 + x \int_0^\infty e^{-(a + 1) s + x (1 - e^{-s})} ds\Bigr)$$

$$I_x(a, b) = \frac{x^a y^b}{a B(a, b)} \Bigl(1 + (a + b) \tfrac{x}{y}
  \int_0^\infty e^{-(a + 1) s} \bigl(1 + \tfrac{x}{y} (1 - e^{-s})\bigr)^{b - 1} ds\Bigr),
  \quad y = 1 - x,$$

and with $t = x (1 + s)$ the upper tail of the first is

$$Q(a, x) = \frac{x^a e^{-x}}{\Gamma(a)} \int_0^\infty (1 + s)^{a - 1} e^{-x s} ds.$$

Each integral is taken where its integrand falls from 1 at $s = 0$, and the other tail is the
complement. The rule is the double exponential one for half lines (Takahasi and Mori, 1974) with
nodes scaled to the width of the integrand: 61 nodes leave errors near 1e-15 for $a$ and $b$ from
1e-2 to 1e4 and beyond. The nodes do not depend on the arguments, so differentiating the sum
differentiates the integral, in all arguments and to any order. Only operations on tensors are
used, so that the runtime can record them and compile them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "LOG_HALF",
    "Tails",
    "beta_tails",
    "gamma_tails",
    "log_complement",
    "log_betainc",
    "log_betaincc",
    "log_gammainc",
    "log_gammaincc",
]

Tails = tuple[Tensor, Tensor]
"""The logarithms of a lower and of the upper tail."""

LOG_HALF = -math.log(2.0)
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_LEAST, _MOST = 1e-300, 1e100
"""Arguments are cut to lie between: what is beyond is 0 or 1."""

_GRID = np.linspace(-3.6, 3.6, 61)
_NODES = np.exp(_GRID - np.exp(-_GRID))
_WEIGHTS = (_GRID[1] - _GRID[0]) * _NODES * (1 + np.exp(-_GRID))

_AT_ONCE = 2**15
"""Integrals that are taken together, so that the room for all their nodes stays small."""

_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680)
"""The asymptotic series of the logarithm of the gamma function (DLMF 5.11.1)."""
_LARGE = 20.0
"""From here on the series is right to 2e-15."""


def log_complement(x: Tensor) -> Tensor:
    """log(1 - exp(x)) for x <= 0 (Mächler, 2012); minus infinity at 0, with gradient 0."""
    legal = x < 0
    near = legal & (x > LOG_HALF)
    close = torch.log(-torch.expm1(torch.where(near, x, LOG_HALF)))
    far = torch.log1p(-torch.exp(torch.where(near | ~legal, LOG_HALF, x)))
    return torch.where(legal, torch.where(near, close, far), -math.inf)


def _stirling_rest(z: Tensor) -> Tensor:
    """What Stirling's formula for the logarithm of the gamma function leaves."""
    large = z >= _LARGE
    s, t = torch.where(large, 1.0, z), torch.where(large, z, _LARGE)
    exact = torch.lgamma(s + 1) - (s + 0.5) * torch.log(s) + s - _HALF_LOG_2PI
    inverse = 1 / t
    square = inverse * inverse
    first, *others = reversed(_STIRLING)
    series = first * square
    for coefficient in others[:-1]:
        series = (series + coefficient) * square
    series = series + others[-1]
    return torch.where(large, series * inverse, exact)


def _width(slope: Tensor, curvature: Tensor) -> Tensor:
    """Where a falling exponent with these derivatives at 0 is about -1; a constant."""
    root = torch.sqrt(slope * slope + 2 * curvature)
    return (2 / (slope + root)).detach()


def _integral(exponent: Callable[..., Tensor], width: Tensor, *args: Tensor) -> Tensor:
    """The integral of exp(exponent(s, *args)) over s > 0, entry by entry."""
    nodes = torch.as_tensor(_NODES, dtype=width.dtype, device=width.device)
    weights = torch.as_tensor(_WEIGHTS, dtype=width.dtype, device=width.device)

    def total(width: Tensor, *args: Tensor) -> Tensor:
        s = width.unsqueeze(-1) * nodes
        terms = torch.exp(exponent(s, *(a.unsqueeze(-1) for a in args))) * weights
        return width * terms.sum(-1)

    if width.numel() <= _AT_ONCE:
        return total(width, *args)
    pieces = [t.expand(width.shape).reshape(-1).split(_AT_ONCE) for t in (width, *args)]
    parts = [total(*piece) for piece in zip(*pieces, strict=True)]
    return torch.cat(parts).reshape(width.shape)


def _log_ratio(excess: Tensor, base: Tensor, direct: Tensor) -> Tensor:
    """log(1 + excess / base), which is `direct` where that is not near 0."""
    share = excess / base
    near = share > -0.5
    return torch.where(near, torch.log1p(torch.where(near, share, 0.0)), direct)


def _gamma_exponent(s: Tensor, lower: Tensor, a: Tensor, x: Tensor) -> Tensor:
    below = -(a + 1) * s - x * torch.expm1(-s)
    above = (a - 1) * torch.log1p(s) - x * s
    return torch.where(lower, below, above)


def gamma_tails(a: Tensor, x: Tensor) -> Tails:
    r"""$\log P(a, x)$ and $\log Q(a, x)$ for a > 0 and x >= 0, which align by broadcasting."""
    a, x = torch.broadcast_tensors(a, x)
    positive, finite = x > _LEAST, x < _MOST
    x = torch.where(positive & finite, x, a.detach())
    lower = x <= a + 1
    bend = torch.clamp(a - 1, min=0.0)
    width = _width(torch.where(lower, a + 1 - x, x - bend), torch.where(lower, x, bend))
    integral = _integral(_gamma_exponent, width, lower, a, x)
    rest = torch.log(torch.where(lower, 1 + x * integral, a * integral))
    excess = x - a
    front = a * _log_ratio(excess, a, torch.log(x) - torch.log(a)) - excess
    front = front - 0.5 * torch.log(a) - _HALF_LOG_2PI - _stirling_rest(a)
    near = front + rest
    far = log_complement(near)
    below, above = torch.where(lower, near, far), torch.where(lower, far, near)
    return _ended(below, above, positive, finite)


def _beta_exponent(s: Tensor, a: Tensor, b: Tensor, odds: Tensor) -> Tensor:
    return (b - 1) * torch.log1p(-odds * torch.expm1(-s)) - (a + 1) * s


def beta_tails(a: Tensor, b: Tensor, log_x: Tensor, log_y: Tensor) -> Tails:
    r"""$\log I_x(a, b)$ and $\log(1 - I_x(a, b))$ for a, b > 0, which align by broadcasting.

    Args:
        a: the exponent of x.
        b: the exponent of 1 - x.
        log_x: the logarithm of x.
        log_y: the logarithm of 1 - x, for accuracy near both ends.
    """
    a, b, log_x, log_y = torch.broadcast_tensors(a, b, log_x, log_y)
    least = math.log(_LEAST)
    positive, short = log_x > least, log_y > least
    inside = positive & short
    log_x, log_y = torch.where(inside, log_x, LOG_HALF), torch.where(inside, log_y, LOG_HALF)
    lower = torch.exp(log_x) * (a + b + 2) <= a + 1
    a, b = torch.where(lower, a, b), torch.where(lower, b, a)
    log_x, log_y = torch.where(lower, log_x, log_y), torch.where(lower, log_y, log_x)
    x, y, both = torch.exp(log_x), torch.exp(log_y), a + b
    odds = torch.exp(log_x - log_y)
    bend = torch.clamp(b - 1, min=0.0) * odds
    width = _width(a + 1 - bend, bend * (1 + odds))
    integral = _integral(_beta_exponent, width, a, b, odds)
    log_both = torch.log(both)
    excess = x * b - y * a
    front = a * _log_ratio(excess, a, log_x + log_both - torch.log(a))
    front = front + b * _log_ratio(-excess, b, log_y + log_both - torch.log(b))
    front = front + 0.5 * (torch.log(b) - torch.log(a) - log_both) - _HALF_LOG_2PI
    rest = _stirling_rest(torch.stack((both, a, b)))
    near = front + rest[0] - rest[1] - rest[2] + torch.log1p(both * odds * integral)
    far = log_complement(near)
    below, above = torch.where(lower, near, far), torch.where(lower, far, near)
    return _ended(below, above, positive, short)


def _ended(below: Tensor, above: Tensor, low: Tensor, high: Tensor) -> Tails:
    """Tails of 0 and 1 where the argument is at the end of its range."""
    below = torch.where(low, torch.where(high, below, 0.0), -math.inf)
    return below, torch.where(high, torch.where(low, above, 0.0), -math.inf)


def _log_sides(x: Tensor) -> Tails:
    """log(x) and log(1 - x), with finite gradients where they are infinite."""
    low, high = x > 0, x < 1
    log_x = torch.where(low, torch.log(torch.where(low, x, 0.5)), -math.inf)
    return log_x, torch.where(high, torch.log1p(-torch.where(high, x, 0.5)), -math.inf)


def log_gammainc(a: Tensor, x: Tensor) -> Tensor:
    r"""$\log P(a, x) = \log \int_0^x t^{a - 1} e^{-t} dt - \log\Gamma(a)$."""
    return gamma_tails(a, x)[0]


def log_gammaincc(a: Tensor, x: Tensor) -> Tensor:
    r"""$\log Q(a, x) = \log \int_x^\infty t^{a - 1} e^{-t} dt - \log\Gamma(a)$."""
    return gamma_tails(a, x)[1]


def log_betainc(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    r"""$\log I_x(a, b) = \log \int_0^x t^{a - 1} (1 - t)^{b - 1} dt - \log B(a, b)$."""
    return beta_tails(a, b, *_log_sides(x))[0]


def log_betaincc(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    r"""$\log(1 - I_x(a, b))$."""
    return beta_tails(a, b, *_log_sides(x))[1]
