"""What every function of the language computes, in numpy and scipy; independent of torch.

Elementwise functions take arrays that broadcast; those of vectors work on the last axis;
reductions take the axes as well; shaped functions take plain event arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
from scipy import interpolate, linalg, special, stats
from scipy.spatial import distance

__all__ = ["ELEMENTWISE", "REDUCTIONS", "SHAPED", "numpy_function"]

Function = Callable[..., np.ndarray]


def _folded(function: Function) -> Function:
    return lambda *args: reduce(function, args)


def _true(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype=float)


def _log1mexp(x: np.ndarray) -> np.ndarray:
    return np.where(x > -0.5, np.log(-np.expm1(x)), np.log1p(-np.exp(x)))


def _signed(vectors: np.ndarray) -> np.ndarray:
    return vectors * np.where(vectors[:1] < 0, -1.0, 1.0)


def _stick_breaking(x: np.ndarray) -> np.ndarray:
    left, weights = 1.0, []
    for fraction in x:
        weights.append(left * fraction)
        left -= left * fraction
    return np.array([*weights, left])


def _bspline(x: np.ndarray, knots: np.ndarray, degree: int) -> np.ndarray:
    full = np.r_[[knots[0]] * degree, knots, [knots[-1]] * degree]
    inside = np.clip(np.atleast_1d(x), knots[0], knots[-1])
    basis = interpolate.BSpline.design_matrix(inside, full, degree).toarray()
    return basis.reshape((*np.shape(x), -1))


def _natural_spline(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    values = np.eye(len(knots))
    if len(knots) == 2:
        curve = interpolate.BSpline(knots[[0, 0, 1, 1]], values, 1)
    else:
        curve = interpolate.CubicSpline(knots, values, bc_type="natural")
    inside = np.clip(x, knots[0], knots[-1])
    return curve(inside) + np.multiply.outer(x - inside, [1.0] * len(knots)) * curve(inside, 1)


def _waves(angle: np.ndarray, waves: int) -> np.ndarray:
    turns = np.multiply.outer(angle, np.arange(1, waves + 1))
    return np.concatenate([np.cos(turns), np.sin(turns)], -1)


def _frequencies(boundary: np.ndarray, count: float) -> np.ndarray:
    return np.arange(1, int(count) + 1) * np.pi / (2 * boundary)


def _rows(x: np.ndarray) -> np.ndarray:
    return x[:, None] if x.ndim == 1 else x


_STATIONARY: Mapping[str, Function] = {
    "squared_exponential": lambda r: np.exp(-(r**2) / 2),
    "matern12": lambda r: np.exp(-r),
    "matern32": lambda r: (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r),
    "matern52": lambda r: (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r),
    "rational_quadratic": lambda r, mixture: (1 + r**2 / (2 * mixture)) ** -mixture,
}


def _kernel(formula: Function) -> Function:
    """A kernel of the distance in lengthscales; `to` comes last, where there is one."""
    own = formula.__code__.co_argcount - 1

    def kernel(x: np.ndarray, scale: float, lengthscale: np.ndarray, *rest: np.ndarray):
        to = rest[own] if len(rest) > own else x
        r = distance.cdist(_rows(x) / lengthscale, _rows(to) / lengthscale)
        return scale**2 * formula(r, *rest[:own])

    return kernel


ELEMENTWISE: Mapping[str, Function] = {
    "add": _folded(np.add),
    "neg": np.negative,
    "mul": _folded(np.multiply),
    "reciprocal": lambda x: 1.0 / x,
    "pow": lambda x, y: np.power(np.asarray(x, dtype=float), y),
    "eq": lambda x, y: _true(x == y),
    "ne": lambda x, y: _true(x != y),
    "lt": lambda x, y: _true(x < y),
    "le": lambda x, y: _true(x <= y),
    "gt": lambda x, y: _true(x > y),
    "ge": lambda x, y: _true(x >= y),
    "and": _folded(lambda x, y: _true(np.logical_and(x, y))),
    "or": _folded(lambda x, y: _true(np.logical_or(x, y))),
    "not": lambda x: _true(np.logical_not(x)),
    "where": lambda c, a, b: np.where(c != 0, a, b),
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "square": lambda x: x * x,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "mod": np.mod,
    "maximum": _folded(np.maximum),
    "minimum": _folded(np.minimum),
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "erf": special.erf,
    "erfc": special.erfc,
    "normal_cdf": special.ndtr,
    "log_normal_cdf": special.log_ndtr,
    "erfinv": special.erfinv,
    "probit": special.ndtri,
    "lgamma": special.gammaln,
    "gamma": special.gamma,
    "digamma": special.psi,
    "trigamma": lambda x: special.polygamma(1, x),
    "beta": special.beta,
    "lbeta": special.betaln,
    "lchoose": lambda n, k: -np.log1p(n) - special.betaln(n - k + 1, k + 1),
    "choose": special.binom,
    "gammainc": special.gammainc,
    "gammaincc": special.gammaincc,
    "betainc": special.betainc,
    "cloglog": lambda x: np.log(-np.log1p(-x)),
    "inv_cloglog": lambda x: -np.expm1(-np.exp(x)),
    "logaddexp": np.logaddexp,
    "log_diff_exp": lambda x, y: x + _log1mexp(y - x),
    "log1mexp": lambda x: _log1mexp(x),
    "sigmoid": special.expit,
    "inv_logit": special.expit,
    "logit": special.logit,
    "log_sigmoid": special.log_expit,
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "relu": lambda x: np.maximum(x, 0.0),
    "softmax": lambda x: special.softmax(x, axis=-1),
    "log_softmax": lambda x: special.log_softmax(x, axis=-1),
    "normalize": lambda x: x / x.sum(-1, keepdims=True),
    "cumsum": lambda x: np.cumsum(x, -1),
    "cumprod": lambda x: np.cumprod(x, -1),
    "logcumsumexp": lambda x: np.logaddexp.accumulate(x, -1),
    "cummax": lambda x: np.maximum.accumulate(x, -1),
    "cummin": lambda x: np.minimum.accumulate(x, -1),
    "rank": lambda x: stats.rankdata(x, "min", axis=-1) - 1.0,
    "sort": lambda x: np.sort(x, -1),
    "reverse": lambda x: x[..., ::-1],
}

REDUCTIONS: Mapping[str, Function] = {
    "sum": lambda x, axis: np.sum(x, axis),
    "mean": lambda x, axis: np.mean(x, axis),
    "sd": lambda x, axis: np.std(x, axis, ddof=1),
    "var": lambda x, axis: np.var(x, axis, ddof=1),
    "prod": lambda x, axis: np.prod(x, axis),
    "min": lambda x, axis: np.min(x, axis),
    "max": lambda x, axis: np.max(x, axis),
    "median": lambda x, axis: np.median(x, axis),
    "logsumexp": lambda x, axis: special.logsumexp(x, axis),
    "any": lambda x, axis: _true(np.any(x != 0, axis)),
    "all": lambda x, axis: _true(np.all(x != 0, axis)),
}

SHAPED: Mapping[str, Function] = {
    "matmul": lambda x, y: x @ y,
    "dot": np.dot,
    "outer": np.outer,
    "transpose": np.transpose,
    "diag": np.diag,
    "trace": np.trace,
    "cholesky": np.linalg.cholesky,
    "solve": np.linalg.solve,
    "solve_triangular": lambda x, y: linalg.solve_triangular(x, y, lower=True),
    "quad_form": lambda x, y: y.T @ x @ y,
    "eigenvalues_sym": np.linalg.eigvalsh,
    "eigenvectors_sym": lambda x: _signed(np.linalg.eigh(x)[1]),
    "kron": np.kron,
    "diagonal": np.diagonal,
    "norm": np.linalg.norm,
    "stick_breaking": lambda x: _stick_breaking(x),
    "argsort": lambda x: np.argsort(x, kind="stable"),
    "nearest": lambda x, table: np.argmin(((x[..., None, :] - table) ** 2).sum(-1), -1),
    "inverse": np.linalg.inv,
    "det": np.linalg.det,
    "logdet": lambda x: np.linalg.slogdet(x)[1],
    "zeros": lambda *sizes: np.zeros([int(s) for s in sizes]),
    "ones": lambda *sizes: np.ones([int(s) for s in sizes]),
    "full": lambda *args: np.full([int(s) for s in args[:-1]], args[-1]),
    "eye": lambda size: np.eye(int(size)),
    "concat": lambda *parts: np.concatenate(parts, 0),
    "lags": lambda y, k: y[::-1][: int(k)],
    "interpolate": np.interp,
    "bspline": lambda x, knots, degree: _bspline(x, knots, int(degree)),
    "natural_spline": lambda x, knots: _natural_spline(x, knots),
    "fourier": lambda x, period, waves: _waves(2 * np.pi * x / period, int(waves)),
    "hilbert_basis": lambda x, boundary, count: (
        np.sin(np.multiply.outer(x + boundary, _frequencies(boundary, count))) / np.sqrt(boundary)
    ),
    "hilbert_frequencies": lambda boundary, count: _frequencies(boundary, count),
    **{name: _kernel(formula) for name, formula in _STATIONARY.items()},
    "periodic": lambda x, scale, lengthscale, period, to=None: (
        scale**2
        * np.exp(
            -2
            * np.sin(np.pi * np.subtract.outer(x, x if to is None else to) / period) ** 2
            / lengthscale**2
        )
    ),
    "linear_kernel": lambda x, scale, to=None: (
        scale**2 * (_rows(x) @ _rows(x if to is None else to).T)
    ),
    "constant_kernel": lambda x, scale, to=None: np.full(
        (len(x), len(x if to is None else to)), scale**2
    ),
    "white": lambda x, scale: scale**2 * np.eye(len(x)),
}


def numpy_function(name: str) -> Function:
    """The reference of an elementwise, vector or shaped function."""
    return ELEMENTWISE[name] if name in ELEMENTWISE else SHAPED[name]
