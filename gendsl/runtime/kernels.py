"""Covariance functions, and the distribution of a Gaussian process at points.

Points are x (..., N) on the line or, with ``axes=2``, x (..., N, D); `to` lists further points of
the same kind, for the covariances of the ones with the others. Scales and lengthscales are
scalars (...); with ``each=True`` there is a lengthscale (..., D) for every dimension. Formulas
are those of Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapter 4.
"""

from __future__ import annotations

import math

import pyro.distributions as dist
import torch
from torch import Tensor

from gendsl.runtime.shapes import broadcast_shapes

__all__ = [
    "constant_kernel",
    "gaussian_process",
    "linear_kernel",
    "matern12",
    "matern32",
    "matern52",
    "periodic",
    "rational_quadratic",
    "squared_exponential",
    "white",
]

Number = Tensor | float


def _matrix(value: Number) -> Tensor:
    """A scalar (...) that goes with matrices (..., N, M)."""
    return torch.as_tensor(value)[..., None, None]


def _square_distance(
    x: Tensor, to: Tensor | None, lengthscale: Number, axes: int, *, each: bool
) -> Tensor:
    """Squares of the distances of each two points, in lengthscales, (..., N, M)."""
    other = x if to is None else to
    if axes == 1:
        return ((x[..., :, None] - other[..., None, :]) / _matrix(lengthscale)) ** 2
    if each:
        per = torch.as_tensor(lengthscale)[..., None, :]
        x, other = x / per, other / per
    apart = torch.sum((x[..., :, None, :] - other[..., None, :, :]) ** 2, -1)
    return apart if each else apart / _matrix(lengthscale) ** 2


def _distance(
    x: Tensor, to: Tensor | None, lengthscale: Number, axes: int, *, each: bool
) -> Tensor:
    """Distances; where two points coincide, the gradient is 0."""
    square = _square_distance(x, to, lengthscale, axes, each=each)
    apart = square > 0
    return torch.where(apart, torch.sqrt(torch.where(apart, square, 1.0)), 0.0)


def squared_exponential(
    x: Tensor,
    scale: Number,
    lengthscale: Number,
    to: Tensor | None = None,
    *,
    axes: int = 1,
    each: bool = False,
) -> Tensor:
    r"""$s^2 \exp(-r^2 / 2)$."""
    square = _square_distance(x, to, lengthscale, axes, each=each)
    return _matrix(scale) ** 2 * torch.exp(-0.5 * square)


def matern12(
    x: Tensor,
    scale: Number,
    lengthscale: Number,
    to: Tensor | None = None,
    *,
    axes: int = 1,
    each: bool = False,
) -> Tensor:
    r"""$s^2 \exp(-r)$."""
    return _matrix(scale) ** 2 * torch.exp(-_distance(x, to, lengthscale, axes, each=each))


def matern32(
    x: Tensor,
    scale: Number,
    lengthscale: Number,
    to: Tensor | None = None,
    *,
    axes: int = 1,
    each: bool = False,
) -> Tensor:
    r"""$s^2 (1 + \sqrt 3 r) \exp(-\sqrt 3 r)$."""
    far = math.sqrt(3) * _distance(x, to, lengthscale, axes, each=each)
    return _matrix(scale) ** 2 * (1 + far) * torch.exp(-far)


def matern52(
    x: Tensor,
    scale: Number,
    lengthscale: Number,
    to: Tensor | None = None,
    *,
    axes: int = 1,
    each: bool = False,
) -> Tensor:
    r"""$s^2 (1 + \sqrt 5 r + 5 r^2 / 3) \exp(-\sqrt 5 r)$."""
    far = math.sqrt(5) * _distance(x, to, lengthscale, axes, each=each)
    return _matrix(scale) ** 2 * (1 + far + far**2 / 3) * torch.exp(-far)


def rational_quadratic(
    x: Tensor,
    scale: Number,
    lengthscale: Number,
    mixture: Number,
    to: Tensor | None = None,
    *,
    axes: int = 1,
    each: bool = False,
) -> Tensor:
    r"""$s^2 (1 + r^2 / (2 a))^{-a}$."""
    a = _matrix(mixture)
    square = _square_distance(x, to, lengthscale, axes, each=each)
    return _matrix(scale) ** 2 * torch.exp(-a * torch.log1p(square / (2 * a)))


def periodic(
    x: Tensor,
    scale: Number,
    lengthscale: Number,
    period: Number,
    to: Tensor | None = None,
) -> Tensor:
    r"""$s^2 \exp(-2 \sin^2(\pi d / p) / \ell^2)$ of points on the line."""
    other = x if to is None else to
    apart = x[..., :, None] - other[..., None, :]
    wave = torch.sin(math.pi * apart / _matrix(period)) / _matrix(lengthscale)
    return _matrix(scale) ** 2 * torch.exp(-2 * wave**2)


def linear_kernel(x: Tensor, scale: Number, to: Tensor | None = None, *, axes: int = 1) -> Tensor:
    r"""$s^2 x \cdot x'$."""
    other = x if to is None else to
    if axes == 1:
        return _matrix(scale) ** 2 * (x[..., :, None] * other[..., None, :])
    return _matrix(scale) ** 2 * (x @ other.mT)


def constant_kernel(
    x: Tensor, scale: Number, to: Tensor | None = None, *, axes: int = 1
) -> Tensor:
    r"""$s^2$ for each two points."""
    other = x if to is None else to
    batch = broadcast_shapes(x.shape[: x.dim() - axes], other.shape[: other.dim() - axes])
    shape = (*batch, x.shape[-axes], other.shape[-axes])
    return _matrix(scale) ** 2 * torch.ones((), dtype=x.dtype).expand(shape)


def white(x: Tensor, scale: Number, *, axes: int = 1) -> Tensor:
    r"""$s^2$ for a point with itself, 0 for two of them."""
    count = x.shape[-axes]
    identity = torch.eye(count, dtype=x.dtype)
    return _matrix(scale) ** 2 * identity.expand((*x.shape[: x.dim() - axes], count, count))


def gaussian_process(
    kernel: Tensor, loc: Tensor, noise: Tensor | None = None
) -> dist.MultivariateNormal:
    """A Gaussian process at N points: a multivariate normal distribution.

    To each variance is added the square root of the machine's rounding error (1.5e-8 in 64 bits)
    times their mean: covariance matrices of smooth functions are singular in floating point.

    Args:
        kernel: the covariance of each two points (..., N, N).
        loc: the mean at each point (..., N).
        noise: the standard deviation of independent noise at each point (..., N); None for none.
    """
    variances = torch.diagonal(kernel, dim1=-2, dim2=-1)
    tiny = math.sqrt(torch.finfo(kernel.dtype).eps)
    added = (tiny * variances.mean(-1, keepdim=True)).expand(variances.shape)
    if noise is not None:
        added = added + noise**2
    return dist.MultivariateNormal(
        loc, scale_tril=torch.linalg.cholesky(kernel + torch.diag_embed(added))
    )
