"""What every function of the language computes, in numpy and scipy; independent of torch.

Elementwise functions take arrays that broadcast; those of vectors work on the last axis;
reductions take the axes as well; shaped functions take plain event arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
from scipy import special

__all__ = ["ELEMENTWISE", "REDUCTIONS", "SHAPED", "numpy_function"]

Function = Callable[..., np.ndarray]


def _folded(function: Function) -> Function:
    return lambda *args: reduce(function, args)


def _true(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype=float)


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
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "mod": np.mod,
    "maximum": _folded(np.maximum),
    "minimum": _folded(np.minimum),
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "erf": special.erf,
    "erfc": special.erfc,
    "normal_cdf": special.ndtr,
    "probit": special.ndtri,
    "lgamma": special.gammaln,
    "gamma": special.gamma,
    "digamma": special.psi,
    "lbeta": special.betaln,
    "lchoose": lambda n, k: -np.log1p(n) - special.betaln(n - k + 1, k + 1),
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
    "inverse": np.linalg.inv,
    "det": np.linalg.det,
    "logdet": lambda x: np.linalg.slogdet(x)[1],
    "zeros": lambda *sizes: np.zeros([int(s) for s in sizes]),
    "ones": lambda *sizes: np.ones([int(s) for s in sizes]),
    "full": lambda *args: np.full([int(s) for s in args[:-1]], args[-1]),
    "eye": lambda size: np.eye(int(size)),
    "concat": lambda *parts: np.concatenate(parts, 0),
    "lags": lambda y, k: y[::-1][: int(k)],
}


def numpy_function(name: str) -> Function:
    """The reference of an elementwise, vector or shaped function."""
    return ELEMENTWISE[name] if name in ELEMENTWISE else SHAPED[name]
