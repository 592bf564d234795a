"""Log densities of vectors, matrices, series and fields, in numpy; see `reference_distributions`.

Written another way than the distributions of the runtime where there is one: inverses and
determinants instead of factors, whole covariances instead of recursions, eigenvalues instead of
spanning trees.
"""

from __future__ import annotations

import numpy as np
from scipy import special

__all__ = [
    "ar",
    "car",
    "dirichlet_multinomial",
    "icar",
    "inverse_wishart",
    "lkj",
    "lkj_cholesky",
    "matrix_normal",
    "multivariate_student_t",
    "ordered_logistic",
    "ordered_probit",
    "random_walk",
    "wishart",
]

Array = np.ndarray


def _squared(factor: Array) -> Array:
    factor = np.asarray(factor)
    return factor @ np.swapaxes(factor, -1, -2)


def _logdet(matrix: Array) -> Array:
    return np.linalg.slogdet(matrix)[1]


def _quadratic(matrix: Array, vector: Array) -> Array:
    return np.einsum("...i,...ij,...j->...", vector, matrix, vector)


def _trace(one: Array, other: Array) -> Array:
    return np.einsum("...ij,...ji->...", one, other)


def _normal(x: Array, mean: Array, precision: Array) -> Array:
    d = np.asarray(x) - mean
    size = d.shape[-1]
    return 0.5 * (_logdet(precision) - _quadratic(precision, d) - size * np.log(2 * np.pi))


def multivariate_student_t(
    x: Array, df: Array, loc: Array, scale: Array | None = None, scale_tril: Array | None = None
) -> Array:
    scale = _squared(scale_tril) if scale is None else np.asarray(scale)
    d, df = np.asarray(x) - loc, np.asarray(df)
    size = d.shape[-1]
    spread = special.gammaln((df + size) / 2) - special.gammaln(df / 2)
    logs = spread - size / 2 * np.log(np.pi * df) - _logdet(scale) / 2
    return logs - (df + size) / 2 * np.log1p(_quadratic(np.linalg.inv(scale), d) / df)


def dirichlet_multinomial(x: Array, total_count: Array, concentration: Array) -> Array:
    x, a = np.asarray(x), np.asarray(concentration)
    n = np.sum(x, -1)
    with np.errstate(all="ignore"):
        parts = np.where(x > 0, np.log(x) + special.betaln(a, x), 0.0)
        whole = np.where(n > 0, np.log(n) + special.betaln(np.sum(a, -1), n), 0.0)
    legal = np.all((x >= 0) & (x == np.round(x)), -1) & (n == total_count)
    return np.where(legal, whole - np.sum(parts, -1), -np.inf)


def _between(x: Array, predictor: Array, cutpoints: Array, log_cdf) -> Array:
    """The log probability of category x, from the tail in which it lies."""
    x, cutpoints = np.asarray(x), np.asarray(cutpoints)
    ends = np.full((*cutpoints.shape[:-1], 1), np.inf)
    edges = np.concatenate([-ends, cutpoints, ends], -1) - np.asarray(predictor)[..., None]
    shape = np.broadcast_shapes(x.shape, edges.shape[:-1])
    edges = np.broadcast_to(edges, (*shape, edges.shape[-1]))
    known = np.where(np.isnan(x), 0, x).astype(int)
    at = np.broadcast_to(known, shape)[..., None]
    inside = (at >= 0) & (at < edges.shape[-1] - 1)
    at = np.where(inside, at, 0)
    low = np.take_along_axis(edges, at, -1)[..., 0]
    high = np.take_along_axis(edges, at + 1, -1)[..., 0]
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    with np.errstate(all="ignore"):
        ratio = np.exp(log_cdf(low) - log_cdf(high))
        return np.where(inside[..., 0], log_cdf(high) + np.log1p(-ratio), -np.inf)


def ordered_logistic(x: Array, predictor: Array, cutpoints: Array) -> Array:
    return _between(x, predictor, cutpoints, special.log_expit)


def ordered_probit(x: Array, predictor: Array, cutpoints: Array) -> Array:
    return _between(x, predictor, cutpoints, special.log_ndtr)


def lkj(x: Array, concentration: Array) -> Array:
    """With the constant as in formula 16 of Lewandowski, Kurowicka and Joe (2009)."""
    eta, size = np.asarray(concentration, dtype=float), np.shape(x)[-1]
    log_z = np.zeros_like(eta)
    for k in range(1, size):
        half = eta + (size - k - 1) / 2
        log_z = log_z + (2 * (eta - 1) + size - k) * (size - k) * np.log(2)
        log_z = log_z + (size - k) * special.betaln(half, half)
    return (eta - 1) * _logdet(x) - log_z


def lkj_cholesky(x: Array, concentration: Array) -> Array:
    """The density of the matrix times the Jacobian of squaring the factor."""
    size = np.shape(x)[-1]
    diagonal = np.diagonal(x, axis1=-2, axis2=-1)
    jacobian = np.sum(np.arange(size - 1, -1, -1) * np.log(diagonal), -1)
    return lkj(_squared(x), concentration) + jacobian


def wishart(
    x: Array, df: Array, scale: Array | None = None, scale_tril: Array | None = None
) -> Array:
    scale = _squared(scale_tril) if scale is None else np.asarray(scale)
    df, size = np.asarray(df), np.shape(x)[-1]
    constant = df * size / 2 * np.log(2) + df / 2 * _logdet(scale) + _multigammaln(df / 2, size)
    trace = _trace(np.linalg.inv(scale), x)
    return (df - size - 1) / 2 * _logdet(x) - trace / 2 - constant


def inverse_wishart(
    x: Array, df: Array, scale: Array | None = None, scale_tril: Array | None = None
) -> Array:
    """The Wishart density of the inverse, times the Jacobian of inverting."""
    scale = _squared(scale_tril) if scale is None else np.asarray(scale)
    jacobian = -(np.shape(x)[-1] + 1) * _logdet(x)
    return wishart(np.linalg.inv(x), df, np.linalg.inv(scale)) + jacobian


def _multigammaln(a: Array, size: int) -> Array:
    parts = [special.gammaln(a - j / 2) for j in range(size)]
    return size * (size - 1) / 4 * np.log(np.pi) + np.sum(parts, 0)


def matrix_normal(
    x: Array,
    loc: Array,
    row_covariance: Array | None = None,
    column_covariance: Array | None = None,
    row_scale_tril: Array | None = None,
    column_scale_tril: Array | None = None,
) -> Array:
    """The normal density of the rows laid end to end."""
    rows = _squared(row_scale_tril) if row_covariance is None else np.asarray(row_covariance)
    columns = (
        _squared(column_scale_tril) if column_covariance is None else np.asarray(column_covariance)
    )
    whole = np.einsum("...ij,...kl->...ikjl", rows, columns)
    size = rows.shape[-1] * columns.shape[-1]
    precision = np.linalg.inv(whole.reshape((*whole.shape[:-4], size, size)))
    d = np.asarray(x) - loc
    return _normal(d.reshape((*d.shape[:-2], size)), 0.0, precision)


def random_walk(
    x: Array, scale: Array, initial_scale: Array, initial_loc: Array = 0.0, drift: Array = 0.0
) -> Array:
    """The normal density with the covariance of the sums."""
    s, s0, m0, d = (np.asarray(p)[..., None] for p in (scale, initial_scale, initial_loc, drift))
    steps = np.arange(np.shape(x)[-1])
    covariance = s0[..., None] ** 2 + s[..., None] ** 2 * np.minimum(steps, steps[:, None])
    return _normal(x, m0 + d * steps, np.linalg.inv(covariance))


def ar(
    x: Array,
    coefficients: Array,
    scale: Array,
    initial_scale: Array | None = None,
    initial_loc: Array = 0.0,
    initial: Array | None = None,
    intercept: Array = 0.0,
) -> Array:
    """The normal density of the system of equations that the series solves."""
    phi = np.asarray(coefficients)
    parts = [scale, initial_scale if initial is None else 1.0, initial_loc, intercept]
    s, s0, m0, c = (np.asarray(p, dtype=float) for p in parts)
    order, length = phi.shape[-1], np.shape(x)[-1]
    before = np.zeros(order) if initial is None else np.asarray(initial)
    batch = np.broadcast_shapes(
        phi.shape[:-1], before.shape[:-1], s.shape, s0.shape, m0.shape, c.shape
    )
    system = np.zeros((*batch, length, length))
    mean, spread = np.zeros((*batch, length)), np.zeros((*batch, length))
    for t in range(length):
        system[..., t, t] = 1.0
        if initial is None and t < order:
            mean[..., t], spread[..., t] = m0, s0
            continue
        mean[..., t], spread[..., t] = c, s
        for k in range(order):
            if t - k - 1 >= 0:
                system[..., t, t - k - 1] = -phi[..., k]
            else:
                mean[..., t] += phi[..., k] * before[..., t - k - 1]
    root = system / spread[..., None]
    mean = np.linalg.solve(system, mean[..., None])[..., 0]
    return _normal(x, mean, np.swapaxes(root, -1, -2) @ root)


def _graph(size: int, node1: Array, node2: Array) -> Array:
    ends = [np.eye(size)[np.asarray(n).astype(int)] for n in (node1, node2)]
    weights = np.swapaxes(ends[0], -1, -2) @ ends[1]
    return weights + np.swapaxes(weights, -1, -2)


def icar(
    x: Array,
    node1: Array | None = None,
    node2: Array | None = None,
    adjacency: Array | None = None,
    scale: Array = 1.0,
) -> Array:
    """A singular normal density, from the eigenvalues that are not zero."""
    size = np.shape(x)[-1]
    weights = np.asarray(_graph(size, node1, node2) if adjacency is None else adjacency)
    laplacian = np.eye(size) * weights.sum(-1)[..., None] - weights
    values = np.linalg.eigvalsh(laplacian)[..., 1:] / (
        2 * np.pi * np.asarray(scale)[..., None] ** 2
    )
    energy = _quadratic(laplacian, np.asarray(x)) / np.asarray(scale) ** 2
    return np.sum(np.log(values), -1) / 2 - energy / 2


def car(x: Array, loc: Array, adjacency: Array, alpha: Array, scale: Array) -> Array:
    weights = np.asarray(adjacency)
    diagonal = np.eye(weights.shape[-1]) * weights.sum(-1)[..., None]
    precision = diagonal - np.asarray(alpha)[..., None, None] * weights
    return _normal(x, loc, precision / np.asarray(scale)[..., None, None] ** 2)
