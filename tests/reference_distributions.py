"""The log density of every distribution of the table, in numpy and scipy.

Independent of torch: written from the textbook definitions of the language reference, by way
of `scipy.stats` where scipy has the distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import reference_joint as joint
from scipy import special, stats

__all__ = ["REFERENCES", "Reference", "log_probability"]

Array = np.ndarray


@dataclass(frozen=True)
class Reference:
    """Log density of a value given parameters by name, and the frozen scipy distribution."""

    log_density: Callable[..., Array]
    frozen: Callable[..., stats.rv_continuous] | None = None


def _continuous(frozen: Callable[..., stats.rv_continuous]) -> Reference:
    return Reference(lambda x, **params: frozen(**params).logpdf(x), frozen)


def _discrete(frozen: Callable[..., stats.rv_discrete]) -> Reference:
    return Reference(lambda x, **params: frozen(**params).logpmf(x), frozen)


def _discretized_logistic(x: Array, loc: Array, scale: Array, low: Array, high: Array) -> Array:
    """Differences of the distribution function, in whichever tail they are accurate."""
    x, loc, scale, low, high = np.broadcast_arrays(x, loc, scale, low, high)
    below = np.where(x <= low, -np.inf, (x - 0.5 - loc) / scale)
    above = np.where(x >= high, np.inf, (x + 0.5 - loc) / scale)
    flipped = below > 0
    one, two = np.where(flipped, -above, below), np.where(flipped, -below, above)
    with np.errstate(divide="ignore"):
        mass = np.log(stats.logistic.cdf(two) - stats.logistic.cdf(one))
    return np.where((x < low) | (x > high), -np.inf, mass)


def _rounded(loc: Array, scale: Array, low: Array, high: Array) -> SimpleNamespace:
    """The distribution function and that of its complement, by summing."""
    values = np.arange(low, high + 1)
    masses = np.exp(_discretized_logistic(values, loc, scale, low, high))
    below, above = np.cumsum(masses), np.append(np.cumsum(masses[:0:-1])[::-1], 0.0)

    def at(x: Array) -> Array:
        return (np.asarray(x) - low).astype(int)

    def log(masses: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(masses)

    return SimpleNamespace(
        cdf=lambda x: below[at(x)],
        logcdf=lambda x: log(below[at(x)]),
        logsf=lambda x: log(above[at(x)]),
    )


def _gamma(concentration: Array, rate: Array | None = None, scale: Array | None = None):
    return stats.gamma(concentration, scale=1 / rate if scale is None else scale)


def _beta(
    concentration1: Array | None = None,
    concentration0: Array | None = None,
    mean: Array | None = None,
    concentration: Array | None = None,
):
    if mean is None:
        return stats.beta(concentration1, concentration0)
    return stats.beta(mean * concentration, (1 - mean) * concentration)


def _success(probs: Array | None, logits: Array | None) -> Array:
    return special.expit(logits) if probs is None else probs


def _log_odds(probs: Array | None, logits: Array | None) -> tuple[Array, Array]:
    """The logarithms of the probability of success and of failure, accurate for large odds."""
    if probs is None:
        return special.log_expit(logits), special.log_expit(-np.asarray(logits))
    with np.errstate(divide="ignore"):
        return np.log(probs), np.log1p(-np.asarray(probs))


def _bernoulli(x: Array, probs: Array | None = None, logits: Array | None = None) -> Array:
    success, failure = _log_odds(probs, logits)
    return np.where((x == 0) | (x == 1), np.where(x == 1, success, failure), -np.inf)


def _binomial(
    x: Array, total_count: Array, probs: Array | None = None, logits: Array | None = None
) -> Array:
    if logits is None:
        return stats.binom(total_count, probs).logpmf(x)
    success, failure = _log_odds(probs, logits)
    rest = total_count - x
    ways = -np.log1p(total_count) - special.betaln(rest + 1, x + 1)
    inside = (x >= 0) & (rest >= 0) & (x == np.round(x))
    return np.where(inside, ways + x * success + rest * failure, -np.inf)


def _geometric(x: Array, probs: Array | None = None, logits: Array | None = None) -> Array:
    success, failure = _log_odds(probs, logits)
    inside = (x >= 0) & (x == np.round(x))
    return np.where(inside, success + np.where(x > 0, x * failure, 0), -np.inf)


def _negative_binomial(
    total_count: Array | None = None,
    probs: Array | None = None,
    logits: Array | None = None,
    mean: Array | None = None,
    concentration: Array | None = None,
):
    # scipy counts failures before the n-th success, so its p is one minus ours.
    if mean is not None:
        return stats.nbinom(concentration, concentration / (mean + concentration))
    return stats.nbinom(total_count, 1 - _success(probs, logits))


def _kumaraswamy(x: Array, concentration1: Array, concentration0: Array) -> Array:
    a, b = concentration1, concentration0
    with np.errstate(all="ignore"):
        inside = np.log(a * b) + special.xlogy(a - 1, x) + special.xlog1py(b - 1, -(x**a))
    return np.where((x >= 0) & (x <= 1), inside, -np.inf)


class _Kumaraswamy(stats.rv_continuous):
    def _pdf(self, x, a, b):
        return np.exp(_kumaraswamy(x, a, b))

    def _cdf(self, x, a, b):
        return -np.expm1(b * np.log1p(-(x**a)))

    def _sf(self, x, a, b):
        return (1 - x**a) ** b


_KUMARASWAMY = _Kumaraswamy(a=0.0, b=1.0, name="kumaraswamy")


class _HalfStudentT(stats.rv_continuous):
    def _logpdf(self, x, df):
        return np.log(2) + stats.t(df).logpdf(x)

    def _cdf(self, x, df):
        return 1 - 2 * stats.t(df).sf(x)

    def _sf(self, x, df):
        return 2 * stats.t(df).sf(x)


_HALF_STUDENT_T = _HalfStudentT(a=0.0, name="half_student_t")


def _von_mises(x: Array, loc: Array, concentration: Array) -> Array:
    k = concentration
    return k * (np.cos(x - loc) - 1) - np.log(2 * np.pi * special.ive(0, k))


def _log_weights(probs: Array | None, logits: Array | None) -> Array:
    if probs is None:
        return special.log_softmax(logits, axis=-1)
    with np.errstate(divide="ignore"):
        return np.log(probs / np.sum(probs, -1, keepdims=True))


def _categorical(x: Array, probs: Array | None = None, logits: Array | None = None) -> Array:
    weights = _log_weights(probs, logits)
    x = np.asarray(x)
    shape = np.broadcast_shapes(x.shape, weights.shape[:-1])
    weights = np.broadcast_to(weights, (*shape, weights.shape[-1]))
    known = np.where(np.isnan(x), 0, x).astype(int)
    at = np.broadcast_to(known, shape)[..., None]
    inside = (at >= 0) & (at < weights.shape[-1])
    taken = np.take_along_axis(weights, np.where(inside, at, 0), -1)
    return np.where(inside, taken, -np.inf)[..., 0]


def _multinomial(
    x: Array, total_count: Array, probs: Array | None = None, logits: Array | None = None
) -> Array:
    weights = np.exp(_log_weights(probs, logits))
    terms = special.xlogy(x, weights) - special.gammaln(x + 1)
    mass = special.gammaln(np.asarray(total_count) + 1.0) + np.sum(terms, -1)
    legal = np.all((x >= 0) & (x == np.round(x)), -1) & (np.sum(x, -1) == total_count)
    return np.where(legal, mass, -np.inf)


def _dirichlet(x: Array, concentration: Array) -> Array:
    a = np.asarray(concentration)
    normalizer = np.sum(special.gammaln(a), -1) - special.gammaln(np.sum(a, -1))
    return np.sum(special.xlogy(a - 1, x), -1) - normalizer


def _multivariate_normal(
    x: Array,
    loc: Array,
    covariance_matrix: Array | None = None,
    precision_matrix: Array | None = None,
    scale_tril: Array | None = None,
) -> Array:
    if precision_matrix is not None:
        precision = np.asarray(precision_matrix)
    elif scale_tril is not None:
        factor = np.asarray(scale_tril)
        precision = np.linalg.inv(factor @ np.swapaxes(factor, -1, -2))
    else:
        precision = np.linalg.inv(covariance_matrix)
    d = np.asarray(x) - loc
    quadratic = np.einsum("...i,...ij,...j->...", d, precision, d)
    logdet = np.linalg.slogdet(precision)[1]
    return 0.5 * (logdet - quadratic - d.shape[-1] * np.log(2 * np.pi))


def _gaussian_process(x: Array, kernel: Array, loc: Array = 0.0, noise: Array = 0.0) -> Array:
    kernel = np.asarray(kernel)
    variances = np.diagonal(kernel, axis1=-2, axis2=-1)
    added = 2.0**-26 * variances.mean(-1, keepdims=True) + np.asarray(noise) ** 2
    covariance = kernel + added[..., None] * np.eye(kernel.shape[-1])
    return _multivariate_normal(x, loc, covariance_matrix=covariance)


REFERENCES: Mapping[str, Reference] = {
    "Normal": _continuous(lambda loc, scale: stats.norm(loc, scale)),
    "StudentT": _continuous(lambda df, loc=0.0, scale=1.0: stats.t(df, loc, scale)),
    "Cauchy": _continuous(lambda loc, scale: stats.cauchy(loc, scale)),
    "Laplace": _continuous(lambda loc, scale: stats.laplace(loc, scale)),
    "Logistic": _continuous(lambda loc, scale: stats.logistic(loc, scale)),
    "Gumbel": _continuous(lambda loc, scale: stats.gumbel_r(loc, scale)),
    "AsymmetricLaplace": _continuous(
        lambda loc, scale, asymmetry: stats.laplace_asymmetric(asymmetry, loc, scale)
    ),
    "SkewNormal": _continuous(lambda loc, scale, skewness: stats.skewnorm(skewness, loc, scale)),
    "ExGaussian": _continuous(
        lambda loc, scale, rate: stats.exponnorm(1 / (scale * rate), loc, scale)
    ),
    "Flat": Reference(lambda x: np.zeros(np.shape(x))),
    "LogNormal": _continuous(lambda loc, scale: stats.lognorm(scale, scale=np.exp(loc))),
    "Gamma": _continuous(_gamma),
    "InverseGamma": _continuous(
        lambda concentration, rate: stats.invgamma(concentration, scale=rate)
    ),
    "ChiSquared": _continuous(lambda df: stats.chi2(df)),
    "Exponential": _continuous(lambda rate: stats.expon(scale=1 / rate)),
    "Weibull": _continuous(
        lambda scale, concentration: stats.weibull_min(concentration, scale=scale)
    ),
    "HalfNormal": _continuous(lambda scale: stats.halfnorm(scale=scale)),
    "HalfCauchy": _continuous(lambda scale: stats.halfcauchy(scale=scale)),
    "HalfStudentT": _continuous(lambda df, scale: _HALF_STUDENT_T(df, scale=scale)),
    "Rayleigh": _continuous(lambda scale: stats.rayleigh(scale=scale)),
    "Wald": _continuous(
        lambda mean, concentration: stats.invgauss(mean / concentration, scale=concentration)
    ),
    "Pareto": _continuous(lambda scale, alpha: stats.pareto(alpha, scale=scale)),
    "Beta": _continuous(_beta),
    "Uniform": _continuous(lambda low, high: stats.uniform(low, high - low)),
    "Kumaraswamy": Reference(
        _kumaraswamy,
        lambda concentration1, concentration0: _KUMARASWAMY(concentration1, concentration0),
    ),
    "VonMises": Reference(_von_mises),
    "Bernoulli": Reference(
        _bernoulli, lambda probs=None, logits=None: stats.bernoulli(_success(probs, logits))
    ),
    "Binomial": Reference(
        _binomial,
        lambda total_count, probs=None, logits=None: stats.binom(
            total_count, _success(probs, logits)
        ),
    ),
    "BetaBinomial": _discrete(
        lambda total_count, concentration1, concentration0: stats.betabinom(
            total_count, concentration1, concentration0
        )
    ),
    "Categorical": Reference(_categorical),
    "Poisson": _discrete(lambda rate: stats.poisson(rate)),
    "NegativeBinomial": _discrete(_negative_binomial),
    "Geometric": Reference(
        _geometric,
        lambda probs=None, logits=None: stats.geom(_success(probs, logits), loc=-1),
    ),
    "Multinomial": Reference(_multinomial),
    "DirichletMultinomial": Reference(joint.dirichlet_multinomial),
    "DiscreteUniform": _discrete(lambda low, high: stats.randint(low, high + 1)),
    "DiscretizedLogistic": Reference(_discretized_logistic, _rounded),
    "OrderedLogistic": Reference(joint.ordered_logistic),
    "OrderedProbit": Reference(joint.ordered_probit),
    "Dirichlet": Reference(_dirichlet),
    "GaussianProcess": Reference(_gaussian_process),
    "MultivariateNormal": Reference(_multivariate_normal),
    "MultivariateStudentT": Reference(joint.multivariate_student_t),
    "LKJ": Reference(joint.lkj),
    "LKJCholesky": Reference(joint.lkj_cholesky),
    "Wishart": Reference(joint.wishart),
    "InverseWishart": Reference(joint.inverse_wishart),
    "MatrixNormal": Reference(joint.matrix_normal),
    "GaussianRandomWalk": Reference(joint.random_walk),
    "AR": Reference(joint.ar),
    "ICAR": Reference(joint.icar),
    "CAR": Reference(joint.car),
}


def log_probability(name: str, lower: Array, upper: Array, params: Mapping[str, Array]) -> Array:
    """The log of the probability that lower <= X <= upper; of (lower, upper] if discrete."""
    frozen = REFERENCES[name].frozen
    if frozen is None:
        raise NotImplementedError(f"the reference knows no distribution function of {name}")
    law = frozen(**params)
    lower, upper = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    with np.errstate(all="ignore"):
        high = law.sf(lower) < 0.5
        between = np.where(high, law.sf(lower) - law.sf(upper), law.cdf(upper) - law.cdf(lower))
        one_sided = np.where(np.isinf(upper), law.logsf(lower), law.logcdf(upper))
        infinite = np.isneginf(lower) | np.isposinf(upper)
        return np.where(infinite, one_sided, np.log(between))
