"""Normal guides with parameters of their own against exact posteriors, quadrature and `mle`."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import beta, dirichlet, gamma, norm, poisson

import gendsl

QUIET = {"progress": False, "schedule": "cosine", "seed": 1, "draws": 200}


def fit(text, data, **options):
    return gendsl.compile(f"model M\n{text}\n").fit(data, **{**QUIET, **options})


def law(found, name):
    """The mean and sd of a latent under its guide."""
    code = found.encode()
    return code[name].to_numpy(), code[f"{name}_sd"].to_numpy()


# Conjugate normal models: the guide is exact at the optimum

MEAN = """
plate n
latent mu ~ Normal(1, 2)
observe y[n] ~ Normal(mu, 0.5)
infer svi(epochs=800, learning_rate=0.05, particles=8)
"""


def test_mean_of_a_normal_law():
    y = np.array([0.3, 1.2, -0.5, 0.9])
    precision = 1 / 4 + 4 / 0.25
    found = fit(MEAN, {"y": y})
    mean, sd = law(found, "mu")
    assert sd == pytest.approx(precision**-0.5, rel=0.03)
    assert mean == pytest.approx((1 / 4 + y.sum() / 0.25) / precision, abs=0.05 * sd)
    covariance = 0.25 * np.eye(4) + 4
    evidence = -0.5 * (
        np.linalg.slogdet(2 * np.pi * covariance)[1] + (y - 1) @ np.linalg.solve(covariance, y - 1)
    )
    scored = found.score(particles=2000)
    assert scored.elbo.total == pytest.approx(evidence, abs=0.05)
    assert scored.log_likelihood.total == pytest.approx(evidence, abs=0.01)
    assert found.summary().verdict.status == "good"
    assert found.tree.attrs["effective_share"] > 0.99


REGRESSION = """
plate n
dim K = 3
input x[n]: real[K]
latent w: real[K] ~ Normal(0, 1)
observe y[n] ~ Normal(x @ w, 2)
"""


@cache
def orthogonal(count=300):
    """Columns at right angles, so that the exact posterior has no correlations."""
    rng = np.random.default_rng(4)
    x = np.linalg.qr(rng.normal(size=(count, 3)))[0] * np.sqrt(count) * [1.0, 0.5, 0.2]
    return x, x @ [1.0, -1.0, 2.0] + 2 * rng.normal(size=count)


def exact_weights():
    x, y = orthogonal()
    precision = np.diag(x.T @ x) / 4 + 1
    return (x.T @ y / 4) / precision, precision**-0.5


@pytest.mark.parametrize("batch_size", [None, 50])
def test_regression_by_batches_and_by_all_rows(batch_size):
    x, y = orthogonal()
    epochs = 1000 if batch_size is None else 250
    found = fit(
        REGRESSION,
        {"x": x, "y": y},
        infer="svi",
        epochs=epochs,
        learning_rate=0.02,
        batch_size=batch_size,
        particles=2 if batch_size else 4,
    )
    mean, sd = law(found, "w")
    known, known_sd = exact_weights()
    assert (np.abs(mean - known) < 0.15 * known_sd).all()
    np.testing.assert_allclose(sd, known_sd, rtol=0.1)
    assert found.tree.attrs.get("batch_size") == batch_size


# Bounded latents: the best normal law on the scale without bounds, found by quadrature

NODES, MASSES = hermegauss(60)
MASSES = MASSES / MASSES.sum()


def best_normal(density, entries):
    """The means and sds that maximise E_q[density(u)] plus the entropy of q, and the maximum."""
    grid = np.stack(np.meshgrid(*[NODES] * entries, indexing="ij"), -1).reshape(-1, entries)
    mass = np.prod(np.meshgrid(*[MASSES] * entries, indexing="ij"), axis=0).ravel()

    def negative(free):
        loc, log_scale = free[:entries], free[entries:]
        inside = mass @ density(loc + np.exp(log_scale) * grid)
        entropy = (log_scale + 0.5 * np.log(2 * np.pi * np.e)).sum()
        return -(inside + entropy)

    start = np.concatenate([np.zeros(entries), -np.ones(entries)])
    found = minimize(negative, start, method="BFGS", options={"gtol": 1e-7})
    free, best = found.x, -found.fun
    points = free[:entries] + np.exp(free[entries:]) * grid
    return free[:entries], np.exp(free[entries:]), best, points, mass


def positive(u):
    rate = np.exp(u[:, 0])
    return gamma.logpdf(rate, 3) + u[:, 0] + 40 * np.log(rate) - 12 * rate


def unit(u):
    p = expit(u[:, 0])
    return beta.logpdf(p, 2, 2) + np.log(p * (1 - p)) + 3 * np.log(p) + 9 * np.log(1 - p)


def ordered(u):
    a, b = u[:, 0], u[:, 0] + np.exp(u[:, 1])
    prior = norm.logpdf(a, 0, 2) + norm.logpdf(b, 0, 2) + np.log(2) + u[:, 1]
    return prior + norm.logpdf(-1.0, a, 0.5) + norm.logpdf(2.0, b, 0.5)


def broken_stick(u):
    first = expit(u[:, 0] - np.log(2))
    second = (1 - first) * expit(u[:, 1])
    return np.stack([first, second, 1 - first - second], -1)


def simplex(u):
    p = broken_stick(u)
    jacobian = np.log(p[:, 0]) + np.log(1 - p[:, 0]) + np.log(p[:, 1] * p[:, 2] / (1 - p[:, 0]))
    prior = dirichlet.logpdf(p.T, [1.0, 2.0, 3.0])
    return prior + jacobian + np.log(p) @ [4, 2, 5]


BOUNDED = {
    "positive": (
        "latent v: positive ~ Gamma(3, 1)\nobserve y[n]: count ~ Poisson(v)",
        {"y": [4] * 8 + [2] * 4},
        positive,
        lambda u: np.exp(u),
        # Poisson counts have a constant beside the density above
        -8 * np.log(24) - 4 * np.log(2),
        gamma(43, scale=1 / 13).mean(),
    ),
    "unit": (
        "latent v: unit ~ Beta(2, 2)\nobserve y[n]: binary ~ Bernoulli(v)",
        {"y": [1] * 3 + [0] * 9},
        unit,
        expit,
        0.0,
        beta(5, 11).mean(),
    ),
    "ordered": (
        "latent v: ordered[2] ~ Normal(0, 2)\nobserve y[n]: real[2] ~ Normal(v, 0.5)",
        {"y": [[-1.0, 2.0]]},
        ordered,
        lambda u: np.stack([u[:, 0], u[:, 0] + np.exp(u[:, 1])], -1),
        0.0,
        None,
    ),
    "simplex": (
        "latent v: simplex[3] ~ Dirichlet([1, 2, 3])\nobserve y[n]: index(3) ~ Categorical(v)",
        {"y": [0] * 4 + [1] * 2 + [2] * 5},
        simplex,
        broken_stick,
        0.0,
        dirichlet([5, 4, 8]).mean(),
    ),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_bounded_latents(name):
    text, data, density, onto, constant, posterior_mean = BOUNDED[name]
    entries = 1 if name in ("positive", "unit") else 2
    loc, scale, best, points, mass = best_normal(density, entries)
    options = {"epochs": 800, "learning_rate": 0.04, "particles": 8}
    found = fit(f"plate n\n{text}", data, infer="svi", **options)
    learned = {n.partition("/")[2]: v for n, v in found.learned.arrays().items()}

    np.testing.assert_allclose(learned["v_loc"].ravel(), loc, atol=0.05 * scale.min())
    np.testing.assert_allclose(np.exp(learned["v_scale"]).ravel(), scale, rtol=0.05)
    scored = found.score(particles=4000, seed=2)
    assert scored.elbo.total == pytest.approx(best + constant, abs=0.05)
    mean = mass @ onto(points)
    draws = found.posterior["v"].to_numpy()[0]
    error = draws.std(0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(0) - mean) < 5 * error).all()
    if posterior_mean is not None:  # the guide is near, not exact
        np.testing.assert_allclose(np.ravel(mean), posterior_mean, rtol=0.05)
    verdict = found.summary().verdict
    if name == "ordered":  # the entries depend on each other, in the posterior
        assert verdict.status == "caution"
        assert "Do not take intervals for those of the posterior" in str(verdict)
    else:
        assert found.tree.attrs["effective_share"] > 0.95
        assert "The guide is near the posterior" in str(verdict)


# Params without latents: the bound is the likelihood

POISSON = """
plate n
input x[n]: real
param a = 0
param b = 0
observe y[n]: count ~ Poisson(exp(a + b * x))
"""
SCALES = """
plate n  plate k
param m[k] = 0
param s[k]: positive = 1
observe y[n, k] ~ Normal(m, s)
"""


CENTRED = """
plate n
input x[n]: real
param a = 0
param b = 0
param s: positive = 1
observe y[n] ~ Normal(a + b * (x - mean(x, n)), s)
"""


def test_constants_of_the_data_are_those_of_all_rows():
    """The mean of an input, in batches and for new rows, is that of the data of the fit."""
    rng = np.random.default_rng(9)
    x = np.sort(rng.normal(5, 1, 100))
    data = {"x": x, "y": 1 + 2 * (x - x.mean()) + rng.normal(size=100)}
    known = mle(CENTRED, data).estimate
    options = {"epochs": 200, "learning_rate": 0.05, "batch_size": 20}
    found = fit(CENTRED, data, infer="svi", **options)
    for name in known:
        np.testing.assert_allclose(found.estimate[name], known[name], atol=2e-3)
    new = found.predict({"x": x[:2]}, draws=4000, seed=1).y.mean(("chain", "draw"))
    expected = found.estimate.a.item() + found.estimate.b.item() * (x[:2] - x.mean())
    np.testing.assert_allclose(new, expected, atol=0.1)  # 6 standard errors; else 4.6 off


def counts():
    rng = np.random.default_rng(2)
    x = rng.normal(size=200)
    return {"x": x, "y": rng.poisson(np.exp(0.5 + 0.3 * x))}


def measured():
    return {"y": np.random.default_rng(3).normal([1.0, -2.0, 0.5], [0.5, 1.0, 2.0], (100, 3))}


@pytest.mark.parametrize(
    ("text", "data"), [(POISSON, counts()), (SCALES, measured())], ids=["poisson", "normal"]
)
def test_params_are_those_of_maximum_likelihood(text, data):
    known = mle(text, data)
    found = fit(text, data, infer="svi", epochs=800, learning_rate=0.05, draws=1)
    for name in known.estimate:
        np.testing.assert_allclose(found.estimate[name], known.estimate[name], atol=1e-4)
    rows = len(data["y"])
    assert found.tree.attrs["elbo"] * rows == pytest.approx(likelihood(data, known), rel=1e-5)
    assert "log likelihood" in str(found.summary().verdict)


def likelihood(data, known):
    """The log likelihood at estimates."""
    if "x" in data:
        rate = np.exp(float(known.estimate.a) + float(known.estimate.b) * data["x"])
        return poisson.logpmf(data["y"], rate).sum()
    return norm.logpdf(data["y"], known.estimate.m, known.estimate.s).sum()


def mle(text, data):
    return gendsl.compile(f"model M\n{text}\n").fit(data, infer="mle", progress=False)
