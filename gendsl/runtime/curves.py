"""Basis functions of numbers, and interpolation between them.

Arguments carry any number of batch axes on the left. A function of numbers takes the values at
which it is evaluated with `axes` event axes, and adds one axis for the basis behind them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gendsl.runtime.shapes import broadcast_shapes

__all__ = [
    "bspline",
    "fourier",
    "hilbert_basis",
    "hilbert_frequencies",
    "interpolate",
    "natural_spline",
]


def _behind(value: Tensor | float, axes: int, own: int = 0) -> Tensor:
    """`value` with `axes` axes of size 1 before its last `own` ones."""
    value = torch.as_tensor(value)
    at = value.dim() - own
    return value.reshape(value.shape[:at] + (1,) * axes + value.shape[at:])


def _interval(x: Tensor, knots: Tensor) -> Tensor:
    """The interval between knots that each x lies in, 0 to K - 2, as an index along the last axis.

    The shapes are those of x with a last axis of size 1, and of knots, which broadcast.
    """
    inner = knots[..., 1:-1].detach()
    return (x.detach() >= inner).sum(-1, keepdim=True)


def _picked(values: Tensor, index: Tensor) -> Tensor:
    """The entries of `values` (..., K) at `index` (..., 1)."""
    batch = broadcast_shapes(values.shape[:-1], index.shape[:-1])
    wide = values.expand(batch + values.shape[-1:])
    return wide.gather(-1, index.expand((*batch, 1)))


def interpolate(x: Tensor | float, xs: Tensor, ys: Tensor, axes: int = 0) -> Tensor:
    """The piecewise linear function through (xs, ys) at x; constant beyond the ends.

    Args:
        x: where, with `axes` event axes.
        xs: increasing knots (..., K), K at least 2.
        ys: values there (..., K).
        axes: the number of event axes of x.
    """
    at = torch.as_tensor(x, dtype=ys.dtype).unsqueeze(-1)
    knots, values = _behind(xs, axes, 1), _behind(ys, axes, 1)
    left = _interval(at, knots)
    low, high = _picked(knots, left), _picked(knots, left + 1)
    share = torch.clamp((at - low) / (high - low), 0.0, 1.0)
    below, above = _picked(values, left), _picked(values, left + 1)
    return (below + share * (above - below)).squeeze(-1)


def bspline(x: Tensor | float, knots: Tensor, degree: int, axes: int = 0) -> Tensor:
    """The B-splines of a degree at x: K + degree - 1 numbers from 0 to 1 that sum to 1.

    The recursion of de Boor (A Practical Guide to Splines, 1978, chapter IX); the first and the
    last knot count degree + 1 times. Beyond them the splines keep their values there.

    Args:
        x: where, with `axes` event axes.
        knots: increasing (..., K), K at least 2.
        degree: of the polynomials between knots.
        axes: the number of event axes of x.
    """
    inner = _behind(knots, axes, 1)
    at = torch.as_tensor(x, dtype=knots.dtype).unsqueeze(-1)
    at = torch.minimum(torch.maximum(at, inner[..., :1]), inner[..., -1:])
    ends = inner.shape[:-1] + (degree,)
    full = torch.cat([inner[..., :1].expand(ends), inner, inner[..., -1:].expand(ends)], -1)
    numbers = torch.arange(full.shape[-1] - 1)
    basis = (numbers == _interval(at, inner) + degree).to(knots.dtype)
    for order in range(1, degree + 1):
        basis = _raised(at, full, basis, order)
    return basis


def _raised(at: Tensor, knots: Tensor, basis: Tensor, order: int) -> Tensor:
    """B-splines of degree `order` from those of one degree less."""
    start, stop = knots[..., : -order - 1], knots[..., order + 1 :]
    rise = _ratio(at - start, knots[..., order:-1] - start)
    fall = _ratio(stop - at, stop - knots[..., 1:-order])
    return rise * basis[..., :-1] + fall * basis[..., 1:]


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """A quotient; 0 where knots coincide."""
    apart = below > 0
    return torch.where(apart, above / torch.where(apart, below, 1.0), 0.0)


def natural_spline(x: Tensor | float, knots: Tensor, axes: int = 0) -> Tensor:
    """The natural cubic splines at x that are 1 at one knot and 0 at the others: K numbers.

    The second derivatives at the knots solve a tridiagonal system (Wood, Generalized Additive
    Models, 2017, section 5.3.1). Beyond the ends the splines are straight lines.

    Args:
        x: where, with `axes` event axes.
        knots: increasing (..., K), K at least 2.
        axes: the number of event axes of x.
    """
    inner = _behind(knots, axes, 1)
    count = knots.shape[-1]
    identity = torch.eye(count, dtype=knots.dtype)
    curving = _behind(_curvatures(knots), axes, 2)
    free = torch.as_tensor(x, dtype=knots.dtype).unsqueeze(-1)
    at = torch.minimum(torch.maximum(free, inner[..., :1]), inner[..., -1:])
    left = _interval(at, inner)
    low, high = _picked(inner, left), _picked(inner, left + 1)
    here, there = _rows(identity, left), _rows(identity, left + 1)
    bend, bent = _rows(curving, left), _rows(curving, left + 1)
    width = high - low
    a, b = (high - at) / width, (at - low) / width
    inside = a * here + b * there
    inside = inside + width**2 / 6 * ((a**3 - a) * bend + (b**3 - b) * bent)
    slope = (there - here) / width
    slope = slope + width / 6 * ((1 - 3 * a**2) * bend + (3 * b**2 - 1) * bent)
    return inside + (free - at) * slope


def _rows(matrix: Tensor, index: Tensor) -> Tensor:
    """The rows of (..., K, K) at `index` (..., 1)."""
    batch = broadcast_shapes(matrix.shape[:-2], index.shape[:-1])
    count = matrix.shape[-1]
    wide = matrix.expand((*batch, count, count))
    at = index.expand((*batch, 1)).unsqueeze(-1).expand((*batch, 1, count))
    return wide.gather(-2, at).squeeze(-2)


def _curvatures(knots: Tensor) -> Tensor:
    """Second derivatives at each knot (row) of the spline of each knot (column)."""
    width = torch.diff(knots, dim=-1)
    count = knots.shape[-1]
    if count == 2:
        return torch.zeros((*knots.shape[:-1], 2, 2), dtype=knots.dtype)
    before, after = 1 / width[..., :-1], 1 / width[..., 1:]
    identity = torch.eye(count, dtype=knots.dtype)
    change = before.unsqueeze(-1) * identity[:-2] + after.unsqueeze(-1) * identity[2:]
    change = change - (before + after).unsqueeze(-1) * identity[1:-1]
    system = torch.diag_embed((width[..., :-1] + width[..., 1:]) / 3)
    system = system + torch.diag_embed(width[..., 1:-1] / 6, 1)
    system = system + torch.diag_embed(width[..., 1:-1] / 6, -1)
    inner = torch.linalg.solve(system, change)
    ends = torch.zeros_like(inner[..., :1, :])
    return torch.cat([ends, inner, ends], -2)


def fourier(x: Tensor | float, period: Tensor | float, count: int, axes: int = 0) -> Tensor:
    """`count` cosines and then as many sines, of 1 to `count` waves a period, at x.

    Args:
        x: where, with `axes` event axes.
        period: a scalar.
        count: of waves.
        axes: the number of event axes of x.
    """
    at = torch.as_tensor(x)
    waves = torch.arange(1, count + 1)
    angle = 2 * math.pi * waves * (at / _behind(period, axes)).unsqueeze(-1)
    return torch.cat([torch.cos(angle), torch.sin(angle)], -1)


def hilbert_basis(
    x: Tensor | float, boundary: Tensor | float, count: int, axes: int = 0
) -> Tensor:
    r"""Eigenfunctions of the Laplacian on (-L, L) that are 0 at the ends, at x.

    $\sin(j \pi (x + L) / (2 L)) / \sqrt{L}$ for j from 1 (Solin and Särkkä, Hilbert space methods
    for reduced-rank Gaussian process regression, 2020; Riutort-Mayol et al., 2023).

    Args:
        x: where, with `axes` event axes.
        boundary: L, a scalar.
        count: of functions.
        axes: the number of event axes of x.
    """
    length = _behind(boundary, axes + 1)
    shifted = torch.as_tensor(x).unsqueeze(-1) + length
    waves = torch.arange(1, count + 1)
    return torch.sin(waves * math.pi * shifted / (2 * length)) / torch.sqrt(length)


def hilbert_frequencies(boundary: Tensor | float, count: int) -> Tensor:
    r"""The square roots of the eigenvalues of `hilbert_basis`: $j \pi / (2 L)$."""
    length = torch.as_tensor(boundary).unsqueeze(-1)
    return torch.arange(1, count + 1) * math.pi / (2 * length)
