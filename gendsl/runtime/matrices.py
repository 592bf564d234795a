"""Distributions of matrices: correlations, covariances, and matrices of normal values."""

from __future__ import annotations

import math

import torch
from pyro.distributions import Beta, Chi2, constraints
from torch import Tensor
from torch.types import _size

from gendsl.runtime.manifolds import cholesky_correlation, correlation, covariance
from gendsl.runtime.parametric import NO_AXES, Given, Parametric
from gendsl.runtime.shapes import broadcast_shapes

__all__ = ["LKJ", "InverseWishart", "LKJCholesky", "MatrixNormal", "Wishart"]

LOG_PI = math.log(math.pi)


def _log_diagonal(factor: Tensor) -> Tensor:
    """Half the log determinant of the matrix with this Cholesky factor."""
    return torch.sum(torch.log(factor.diagonal(dim1=-2, dim2=-1)), -1)


def _squares(matrix: Tensor) -> Tensor:
    """The sum of the squares of the entries."""
    return torch.sum(matrix**2, (-2, -1))


def _divided(factor: Tensor, matrix: Tensor) -> Tensor:
    """The inverse of a lower triangular matrix, times another."""
    shape = broadcast_shapes(factor.shape[:-2], matrix.shape[:-2])
    solved: Tensor = torch.linalg.solve_triangular(
        factor.expand(shape + factor.shape[-2:]),
        matrix.expand(shape + matrix.shape[-2:]),
        upper=False,
    )
    return solved


class _CorrelationLaw(Parametric):
    """A distribution of correlation matrices that shrinks them to the identity.

    The normaliser is exact, and the same for the matrix and for its factor (Lewandowski,
    Kurowicka and Joe, 2009, in terms of the Gamma function).

    Args:
        size: the number of rows.
        concentration: 1 is uniform; above it the identity is most likely.
    """

    arg_constraints = {"concentration": constraints.positive}
    ranks = {"concentration": 0}
    concentration: Tensor

    def __init__(
        self, size: int, concentration: Given, *, validate_args: bool | None = None
    ) -> None:
        held = {"concentration": concentration}
        self._hold(held, (size, size), validate_args=validate_args)

    def _steps(self, first: int) -> Tensor:
        """The whole numbers from `first` to below the number of rows."""
        eta = self.concentration
        return torch.arange(first, self.event_shape[0], dtype=eta.dtype, device=eta.device)

    def _log_normalizer(self) -> Tensor:
        last, eta, step = self.event_shape[0] - 1, self.concentration, self._steps(1)
        gammas = torch.lgamma(eta.unsqueeze(-1) + (last - step) / 2).sum(-1)
        return step.sum() / 2 * LOG_PI + gammas - last * torch.lgamma(eta + last / 2)

    def _factor(self, sample_shape: _size) -> Tensor:
        """Cholesky factors by the onion method: a length and a direction for each row.

        The squared lengths are Beta with i/2 for row i, counted from 0; torch's sampler has
        i - 1/2 in its place, which is right for two rows only.
        """
        size, batch = self.event_shape[0], self._extended_shape(sample_shape)[:-2]
        step = self._steps(1)
        spread = self.concentration.unsqueeze(-1) + (size - 1 - step) / 2
        squares = Beta(step / 2, spread).sample(sample_shape)
        squares = torch.cat([torch.zeros((*batch, 1), dtype=step.dtype), squares], -1)
        ways = torch.randn((*batch, size, size), dtype=step.dtype).tril(-1)
        lengths = torch.linalg.vector_norm(ways, dim=-1, keepdim=True)
        ways = ways / torch.where(lengths > 0, lengths, 1.0)
        diagonal = torch.sqrt(torch.clamp(1 - squares, min=torch.finfo(step.dtype).tiny))
        return ways * torch.sqrt(squares).unsqueeze(-1) + torch.diag_embed(diagonal)


class LKJ(_CorrelationLaw):
    """Correlation matrices, with density proportional to a power of the determinant."""

    support = correlation

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$(\eta - 1) \log\det x - \log Z(\eta)$."""
        if self._validate_args:
            self._validate_sample(value)
        half = _log_diagonal(torch.linalg.cholesky(value))
        return 2 * (self.concentration - 1) * half - self._log_normalizer()

    def sample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """The squares of factors."""
        with torch.no_grad():
            factor = self._factor(sample_shape)
            ones = torch.eye(self.event_shape[0], dtype=factor.dtype)
            return torch.where(ones == 1, ones, factor @ factor.mT)


class LKJCholesky(_CorrelationLaw):
    """Cholesky factors of LKJ matrices."""

    support = cholesky_correlation

    def log_prob(self, value: Tensor) -> Tensor:
        r"""$\sum_{i=1}^{D} (D - i + 2 \eta - 2) \log x_{ii} - \log Z(\eta)$."""
        if self._validate_args:
            self._validate_sample(value)
        powers = 2 * self.concentration.unsqueeze(-1) - 2 + self._steps(0).flip(0)
        logs = torch.log(value.diagonal(dim1=-2, dim2=-1))
        return torch.sum(powers * logs, -1) - self._log_normalizer()

    def sample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """Draws by the onion method."""
        with torch.no_grad():
            return self._factor(sample_shape)


class _CovarianceLaw(Parametric):
    """A distribution of covariance matrices with degrees of freedom and a scale matrix."""

    ranks = {"df": 0, "scale_tril": 2}
    support = covariance
    has_rsample = True
    df: Tensor
    scale_tril: Tensor

    def __init__(
        self, df: Given, scale_tril: Tensor, *, validate_args: bool | None = None
    ) -> None:
        held = {"df": df, "scale_tril": scale_tril}
        least = scale_tril.shape[-1] - 1
        known = torch.as_tensor(df)
        if not known.requires_grad and bool((known <= least).any()):
            raise ValueError(
                f"matrices of {least + 1} rows need more than {least} degrees of freedom, and "
                f"there are {float(known.min()):g}"
            )
        self._hold(held, scale_tril.shape[-2:], validate_args=validate_args)

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:  # type: ignore[override]
        """More degrees of freedom than rows less one."""
        enough = constraints.greater_than(self.event_shape[0] - 1)
        return {"df": enough, "scale_tril": constraints.lower_cholesky}

    def _log_normalizer(self) -> Tensor:
        r"""Log of $2^{kD/2} \Gamma_D(k / 2)$, for k degrees of freedom."""
        size = self.event_shape[0]
        enough = self.df > size - 1
        half = torch.where(enough, self.df, float(size)) / 2
        step = torch.arange(size, dtype=half.dtype, device=half.device)
        gammas = torch.lgamma(half.unsqueeze(-1) - step / 2).sum(-1)
        total = half * size * math.log(2.0) + size * (size - 1) / 4 * LOG_PI + gammas
        return torch.where(enough, total, math.inf)

    def _bartlett(self, shape: torch.Size) -> Tensor:
        """The Cholesky factor of a Wishart matrix of unit scale (Bartlett, 1933)."""
        size = self.event_shape[0]
        step = torch.arange(size, dtype=self.df.dtype, device=self.df.device)
        squares = Chi2((self.df.unsqueeze(-1) - step).expand(shape[:-1])).rsample()
        below = torch.randn(shape, dtype=self.df.dtype, device=self.df.device).tril(-1)
        return below + torch.diag_embed(torch.sqrt(squares))


class Wishart(_CovarianceLaw):
    """Sums of squares and products of `df` normal vectors with this covariance."""

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density with respect to the entries on and below the diagonal."""
        if self._validate_args:
            self._validate_sample(value)
        size, factor = self.event_shape[0], torch.linalg.cholesky(value)
        power = (self.df - size - 1) * _log_diagonal(factor)
        trace = _squares(_divided(self.scale_tril, factor))
        scale = self.df * _log_diagonal(self.scale_tril)
        return power - trace / 2 - scale - self._log_normalizer()

    def rsample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """Draws by Bartlett's decomposition."""
        factor = self.scale_tril @ self._bartlett(self._extended_shape(sample_shape))
        return factor @ factor.mT


class InverseWishart(_CovarianceLaw):
    """The inverse of a Wishart matrix of the inverse scale."""

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density with respect to the entries on and below the diagonal."""
        if self._validate_args:
            self._validate_sample(value)
        size, factor = self.event_shape[0], torch.linalg.cholesky(value)
        power = (self.df + size + 1) * _log_diagonal(factor)
        trace = _squares(_divided(factor, self.scale_tril))
        scale = self.df * _log_diagonal(self.scale_tril)
        return scale - power - trace / 2 - self._log_normalizer()

    def rsample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """Draws by Bartlett's decomposition, inverted."""
        factor = self._bartlett(self._extended_shape(sample_shape))
        root = _divided(factor, self.scale_tril.mT)
        return root.mT @ root


class MatrixNormal(Parametric):
    """Normal matrices whose covariance is that of rows times that of columns (Dawid, 1981).

    Args:
        loc: the mean, (..., N, D).
        row_scale_tril: Cholesky factor of the covariance between rows, (..., N, N).
        column_scale_tril: Cholesky factor of that between columns, (..., D, D).
    """

    arg_constraints = {
        "loc": constraints.independent(constraints.real, 2),
        "row_scale_tril": constraints.lower_cholesky,
        "column_scale_tril": constraints.lower_cholesky,
    }
    ranks = dict.fromkeys(arg_constraints, 2)
    support = constraints.independent(constraints.real, 2)
    has_rsample = True
    loc: Tensor
    row_scale_tril: Tensor
    column_scale_tril: Tensor

    def __init__(
        self,
        loc: Tensor,
        row_scale_tril: Tensor,
        column_scale_tril: Tensor,
        *,
        validate_args: bool | None = None,
    ) -> None:
        held = {
            "loc": loc,
            "row_scale_tril": row_scale_tril,
            "column_scale_tril": column_scale_tril,
        }
        self._hold(held, loc.shape[-2:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.loc

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density of all entries together."""
        if self._validate_args:
            self._validate_sample(value)
        rows, columns = self.event_shape
        left = _divided(self.row_scale_tril, value - self.loc)
        white = _divided(self.column_scale_tril, left.mT)
        logs = columns * _log_diagonal(self.row_scale_tril)
        logs = logs + rows * _log_diagonal(self.column_scale_tril)
        return -_squares(white) / 2 - logs - rows * columns / 2 * math.log(2 * math.pi)

    def rsample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """Independent normal entries, mixed along rows and columns."""
        shape = self._extended_shape(sample_shape)
        white = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + self.row_scale_tril @ white @ self.column_scale_tril.mT
