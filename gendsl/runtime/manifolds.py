"""Supports that torch has no bijection for: centred and unit vectors, matrices, bounded orders."""

from __future__ import annotations

import math

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import biject_to, transforms

__all__ = [
    "OrderedBetween",
    "cholesky_correlation",
    "correlation",
    "covariance",
    "unit_vector",
    "zero_sum",
]

TOLERANCE = 1e-6
Shape = tuple[int, ...]


class _ZeroSum(constraints.Constraint):
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        legal: Tensor = value.sum(-1).abs() <= TOLERANCE * (1 + value.abs().sum(-1))
        return legal


class _UnitVector(constraints.Constraint):
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        legal: Tensor = (value.norm(dim=-1) - 1).abs() <= TOLERANCE
        return legal


class _Covariance(constraints.Constraint):
    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        legal: Tensor = constraints.positive_definite.check(value)
        return legal


class _Correlation(_Covariance):
    def check(self, value: Tensor) -> Tensor:
        ones = (value.diagonal(dim1=-2, dim2=-1) - 1).abs() <= TOLERANCE
        return super().check(value) & ones.all(-1)


class _CorrelationFactor(constraints.Constraint):
    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        ones = (value.norm(dim=-1) - 1).abs() <= TOLERANCE
        legal: Tensor = constraints.lower_cholesky.check(value) & ones.all(-1)
        return legal


class OrderedBetween(constraints.Constraint):
    """Increasing vectors between two numbers, either of which may be infinite."""

    event_dim = 1

    def __init__(self, lower: float, upper: float) -> None:
        """Take the bounds."""
        self.lower, self.upper = lower, upper
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        """Whether entries increase within the bounds."""
        steps = (value[..., 1:] > value[..., :-1]).all(-1)
        return steps & (value >= self.lower).all(-1) & (value <= self.upper).all(-1)


zero_sum = _ZeroSum()
unit_vector = _UnitVector()
covariance = _Covariance()
correlation = _Correlation()
cholesky_correlation = _CorrelationFactor()


class _Bijection(transforms.Transform):
    """A transform between vectors of different lengths, or to matrices."""

    domain = constraints.real_vector
    bijective = True

    def __init__(self, codomain: constraints.Constraint) -> None:
        self.codomain = codomain
        super().__init__()

    def _lengths(self, event: Shape) -> Shape:
        """The shape before, of the shape after; by default the same."""
        return event

    def _event(self, length: int) -> Shape:
        """The shape after, of the length before; by default the same."""
        return (length,)

    def forward_shape(self, shape: Shape) -> torch.Size:
        return torch.Size((*shape[:-1], *self._event(shape[-1])))

    def inverse_shape(self, shape: Shape) -> torch.Size:
        rank = self.codomain.event_dim
        return torch.Size((*shape[: len(shape) - rank], *self._lengths(tuple(shape[-rank:]))))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    __hash__ = object.__hash__


def _centring(length: int) -> Tensor:
    """Orthonormal columns that span the vectors which sum to zero (Helmert's)."""
    number = torch.arange(1.0, length)
    scale = torch.rsqrt(number * (number + 1))
    upper = torch.triu(torch.ones(length, length - 1)) * scale
    return upper - torch.diag_embed(number * scale, offset=-1)[:, : length - 1]


class _ToZeroSum(_Bijection):
    """An isometry, so without a Jacobian."""

    def _lengths(self, event: Shape) -> Shape:
        return (event[0] - 1,)

    def _event(self, length: int) -> Shape:
        return (length + 1,)

    def _call(self, x: Tensor) -> Tensor:
        return torch.sum(_centring(x.shape[-1] + 1) * x.unsqueeze(-2), -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return torch.sum(_centring(y.shape[-1]) * y.unsqueeze(-1), -2)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.zeros(x.shape[:-1])


class _ToUnitVector(_Bijection):
    """The direction of a vector; the length is a standard normal vector's, which is independent.

    What stands for the Jacobian is that density, so that directions are uniform.
    """

    def _call(self, x: Tensor) -> Tensor:
        return torch.div(x, x.norm(dim=-1, keepdim=True))

    def _inverse(self, y: Tensor) -> Tensor:
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -0.5 * (x * x).sum(-1)


def _triangle(x: Tensor, size: int, offset: int = 0) -> Tensor:
    """A vector as the rows of a lower triangle."""
    rows, columns = torch.tril_indices(size, size, offset)
    flat = torch.zeros((*x.shape[:-1], size * size))
    at = (rows * size + columns).expand(x.shape)
    return flat.scatter(-1, at, x).reshape((*x.shape[:-1], size, size))


class _ToCovariance(_Bijection):
    """By a Cholesky factor with a positive diagonal."""

    def _lengths(self, event: Shape) -> Shape:
        return (event[0] * (event[0] + 1) // 2,)

    def _event(self, length: int) -> Shape:
        size = round((math.sqrt(8 * length + 1) - 1) / 2)
        return (size, size)

    def _factor(self, x: Tensor) -> Tensor:
        lower = _triangle(x, self._event(x.shape[-1])[0])
        diagonal = lower.diagonal(dim1=-2, dim2=-1)
        return lower.tril(-1) + torch.diag_embed(diagonal.exp())

    def _call(self, x: Tensor) -> Tensor:
        factor = self._factor(x)
        return factor @ factor.mT

    def _inverse(self, y: Tensor) -> Tensor:
        factor = torch.linalg.cholesky(y)
        diagonal = factor.diagonal(dim1=-2, dim2=-1)
        whole = factor.tril(-1) + torch.diag_embed(diagonal.log())
        rows, columns = torch.tril_indices(y.shape[-1], y.shape[-1])
        entries: Tensor = whole[..., rows, columns]
        return entries

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        size = y.shape[-1]
        log_diagonal = _triangle(x, size).diagonal(dim1=-2, dim2=-1)
        powers = torch.arange(float(size), 0.0, -1.0) + 1
        return size * math.log(2.0) + (powers * log_diagonal).sum(-1)


class _ToCorrelationFactor(_Bijection):
    """By partial correlations: entry j of a row has a share of what the entries before it leave.

    The coordinates are their inverse hyperbolic tangents (Lewandowski, Kurowicka and Joe, 2009;
    Stan Reference Manual, section 10.12), and the logarithms of what is left are sums.
    """

    def _lengths(self, event: Shape) -> Shape:
        return (event[0] * (event[0] - 1) // 2,)

    def _event(self, length: int) -> Shape:
        size = round((math.sqrt(8 * length + 1) + 1) / 2)
        return (size, size)

    def _left(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates below the diagonal, and the logs of what each entry leaves of its row."""
        below = _triangle(x, self._event(x.shape[-1])[0], -1)
        size = torch.abs(below)
        falls = math.log(2.0) - size - torch.log1p(torch.exp(-2 * size))
        return below, falls

    def _factor(self, x: Tensor) -> Tensor:
        below, falls = self._left(x)
        lower = torch.tril(torch.exp(torch.cumsum(falls, -1) - falls))
        return lower * (torch.tanh(below) + torch.eye(below.shape[-1]))

    def _log_jacobian(self, x: Tensor, powers: Tensor) -> Tensor:
        """The log Jacobian of the factor, plus powers of its diagonal."""
        _, falls = self._left(x)
        size = falls.shape[-1]
        rows, columns = torch.arange(float(size)).unsqueeze(-1), torch.arange(float(size))
        # The fall of an entry counts twice for itself and once for each one to its right; the
        # diagonal's is no coordinate, but has its power.
        counts = torch.where(columns < rows, 1 + rows - columns + powers.unsqueeze(-1), 0.0)
        return torch.sum(falls * counts, (-2, -1))

    def _call(self, x: Tensor) -> Tensor:
        return self._factor(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._coordinates(y)

    def _coordinates(self, factor: Tensor) -> Tensor:
        """The hyperbolic sine of a coordinate is the entry over the length to its right."""
        squares = torch.flip(torch.cumsum(torch.flip(factor**2, (-1,)), -1), (-1,))
        size = factor.shape[-1]
        rows, columns = torch.tril_indices(size, size, -1)
        entries = factor[..., rows, columns] * torch.rsqrt(squares[..., rows, columns + 1])
        coordinates: Tensor = torch.asinh(entries)
        return coordinates

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self._log_jacobian(x, torch.zeros(y.shape[-1]))


class _ToCorrelation(_ToCorrelationFactor):
    """By the Cholesky factor."""

    def _call(self, x: Tensor) -> Tensor:
        factor = self._factor(x)
        return torch.matmul(factor, factor.mT)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._coordinates(torch.linalg.cholesky(y))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        size = y.shape[-1]
        return self._log_jacobian(x, torch.arange(float(size) - 1, -1.0, -1.0))


def _ordered_between(support: OrderedBetween) -> transforms.Transform:
    """Increasing numbers, each brought between the bounds by an increasing function."""
    low, high = support.lower, support.upper
    steps = [biject_to(constraints.ordered_vector)]
    if math.isinf(low) and not math.isinf(high):
        steps += [_entrywise(transforms.AffineTransform(0.0, -1.0))]
        steps += [_entrywise(transforms.ExpTransform())]
        steps += [_entrywise(transforms.AffineTransform(high, -1.0))]
    elif math.isinf(high) and not math.isinf(low):
        steps += [_entrywise(biject_to(constraints.greater_than(low)))]
    elif not math.isinf(low):
        steps += [_entrywise(biject_to(constraints.interval(low, high)))]
    return transforms.ComposeTransform(steps)


def _entrywise(entry: transforms.Transform) -> transforms.Transform:
    return transforms.IndependentTransform(entry, 1)


def _to_factor(constraint: constraints.Constraint) -> transforms.Transform:
    """To a triangle with a positive diagonal; for params, which need no Jacobian."""
    del constraint
    return transforms.LowerCholeskyTransform()


biject_to.register(_ZeroSum, _ToZeroSum)
biject_to.register(_UnitVector, _ToUnitVector)
biject_to.register(_Covariance, _ToCovariance)
biject_to.register(_Correlation, _ToCorrelation)
biject_to.register(_CorrelationFactor, _ToCorrelationFactor)
biject_to.register(OrderedBetween, _ordered_between)
biject_to.register(constraints.lower_cholesky, _to_factor)
