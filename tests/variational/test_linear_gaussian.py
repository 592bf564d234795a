"""Linear-Gaussian variational autoencoders against their exact likelihoods.

With a linear decoder and a linear encoder the optimum of the bound is that of probabilistic
principal component analysis, and the bound is tight there (Lucas, Tucker, Grosse, Norouzi,
"Don't blame the ELBO!", NeurIPS 2019; Tipping and Bishop 1999).
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import gendsl

QUIET = {"progress": False, "dtype": "float64", "schedule": "cosine", "draws": 50}

PPCA = """
model PPCA
plate n
dim L = 3
dim D = 5
net decode: real[L] -> real[D] = linear()
net encode: real[D] -> real[L] = linear()
param t: positive[L] = 0.5
latent z[n]: real[L] ~ Normal(0, 1)
guide z ~ Normal(encode(x), t)
observe x[n]: real[D] ~ Normal(decode(z), 1)
"""
EIGENVALUES = np.array([6.0, 3.0, 0.6, 0.4, 0.2])
MEAN = np.array([1.0, -2.0, 0.0, 3.0, 0.5])


@cache
def rows(count=150):
    """Data whose covariance has exactly these eigenvalues, in a random frame."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 5))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / count)).T
    frame = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    return MEAN + (x * np.sqrt(EIGENVALUES)) @ frame.T


@cache
def fitted(epochs=1000):
    model = gendsl.compile(PPCA)
    return model.fit({"x": rows()}, seed=2, epochs=epochs, learning_rate=0.03, **QUIET)


def weights(fit, net):
    found = {n.rpartition("/")[2].rpartition(".")[2]: a for n, a in arrays(fit, net).items()}
    return found["weight"], found["bias"]


def arrays(fit, net):
    return {n: a for n, a in fit.learned.arrays().items() if n.startswith(f"net/{net}/")}


def exact(fit, x):
    """The exact log likelihood of each row at what was learned."""
    w, b = weights(fit, "decode")
    return multivariate_normal.logpdf(x, b, w @ w.T + np.eye(5))


def test_optimum_is_that_of_probabilistic_pca():
    """The noise is 1, so eigenvalues above 1 are fitted, and the others are taken to be 1."""
    modelled = np.where(EIGENVALUES > 1, EIGENVALUES, 1.0)
    best = -0.5 * (np.log(2 * np.pi * modelled) + EIGENVALUES / modelled).sum()
    fit = fitted()

    assert exact(fit, rows()).mean() == pytest.approx(best, abs=1e-3)
    assert fit.score(particles=500, seed=3).elbo.mean == pytest.approx(best, abs=0.02)
    w, b = weights(fit, "decode")
    squares = np.sort(np.linalg.eigvalsh(w @ w.T))[::-1]
    np.testing.assert_allclose(squares, [5.0, 2.0, 0, 0, 0], atol=0.05)
    np.testing.assert_allclose(b, MEAN, atol=0.02)


def test_collapse_is_as_predicted_by_eigenvalues():
    """A unit carries an eigenvalue e above 1, its mean with variance 1 - 1 / e, or collapses."""
    fit = fitted()
    code = fit.encode()
    variances = np.sort(code.z.var("n", ddof=0).to_numpy())[::-1]
    np.testing.assert_allclose(variances, [1 - 1 / 6, 1 - 1 / 3, 0], atol=0.02)
    by_variance = np.argsort(-code.z.var("n").to_numpy())
    sds = code.z_sd.to_numpy()[0][by_variance]
    np.testing.assert_allclose(sds**2, [1 / 6, 1 / 3, 1], atol=0.02)
    assert fit.score(particles=2).active == {"z": (2, 3)}
    assert "2 of 3 units of `z` are active." in str(fit.summary().verdict)


def test_score_is_the_exact_log_likelihood_long_before_the_optimum():
    fit = fitted(epochs=25)
    held_out = rows(151)[:100]
    known = exact(fit, held_out)
    found = fit.score({"x": held_out}, particles=4000, seed=1)

    assert found.elbo.mean < known.mean() - 0.1
    assert found.log_likelihood.mean == pytest.approx(known.mean(), abs=0.02)
    error = known.std(ddof=1) / np.sqrt(len(known))
    assert found.log_likelihood.standard_error == pytest.approx(error, rel=0.05)
    per_dimension = -known.mean() / (5 * np.log(2))
    assert found.bits_per_dim == pytest.approx(per_dimension, abs=0.01)


def test_reconstructions_and_means_are_the_closed_forms():
    fit = fitted()
    (w, b), (v, c) = weights(fit, "decode"), weights(fit, "encode")
    x = rows()[:4]
    z = x @ v.T + c
    np.testing.assert_allclose(fit.encode({"x": x}).z, z, atol=1e-9)
    np.testing.assert_allclose(fit.reconstruct({"x": x}).x, z @ w.T + b, atol=1e-9)
    np.testing.assert_allclose(fit.decode({"z": z}).x, z @ w.T + b, atol=1e-9)


def test_generated_rows_have_the_covariance_of_the_model():
    fit = fitted()
    w, b = weights(fit, "decode")
    x = fit.generate(20_000, seed=5).x.to_numpy()
    covariance = w @ w.T + np.eye(5)
    error = np.sqrt((covariance**2 + np.outer(np.diag(covariance), np.diag(covariance))) / 20_000)
    assert (np.abs(np.cov(x.T) - covariance) < 6 * error).all()
    assert (np.abs(x.mean(0) - b) < 6 * np.sqrt(np.diag(covariance) / 20_000)).all()


THREE_LEVELS = """
model Levels
plate n
dim D = 3
net w1: real -> real[D] = linear()
net e1: real[D] -> real = linear()
net e2: real -> real = linear()
net e3: real -> real = linear()
param a: real = 0.5
param t1: positive = 0.5
param t2: positive = 0.5
param t3: positive = 0.5
latent z3[n] ~ Normal(0, 1)
latent z2[n] ~ Normal(a * z3, 1)
latent z1[n] ~ Normal(0.7 * z2, 0.5)
guide z1 ~ Normal(e1(x), t1)
guide z2 ~ Normal(e2(z1), t2)
guide z3 ~ Normal(e3(z2), t3)
observe x[n]: real[D] ~ Normal(w1(z1), 0.8)
"""


def test_three_levels():
    """The posterior factorises as the guide does, so the bound is tight at its optimum."""
    rng = np.random.default_rng(1)
    z1 = 1.2 * rng.normal(size=(200, 1))
    x = z1 @ np.array([[1.0, -2.0, 0.5]]) + 0.8 * rng.normal(size=(200, 3)) + 1.0
    fit = gendsl.compile(THREE_LEVELS).fit(
        {"x": x}, seed=1, epochs=1000, learning_rate=0.03, **QUIET
    )
    w, b = weights(fit, "w1")
    a = float(fit.estimate.a)
    variance = 0.49 * (a**2 + 1) + 0.25
    covariance = variance * (w @ w.T) + 0.64 * np.eye(3)
    known = multivariate_normal.logpdf(x, b, covariance).mean()
    sample = np.cov(x.T, ddof=0)
    factor = best_factor(sample, 0.64)
    best = multivariate_normal.logpdf(x, x.mean(0), factor).mean()

    assert known == pytest.approx(best, abs=2e-3)
    found = fit.score(particles=500, seed=2)
    assert found.elbo.mean == pytest.approx(known, abs=0.02)
    assert found.log_likelihood.mean == pytest.approx(known, abs=5e-3)
    assert float(fit.estimate.t3) == pytest.approx((1 + a**2) ** -0.5, abs=0.03)


def best_factor(sample, noise):
    """The covariance of one factor of largest likelihood, the noise known."""
    values, vectors = np.linalg.eigh(sample)
    first = vectors[:, -1:]
    return noise * np.eye(len(sample)) + (values[-1] - noise) * (first @ first.T)


# Case D02: z ~ N(0, 1), x given z ~ N(z, 1), x = 2, guide N(0.5, 0.8^2)

ONE_POINT = """
model OnePoint
plate n
param m = 0.5
param s: positive = 0.8
latent z[n] ~ Normal(0, 1)
guide z ~ Normal(m, s)
observe x[n] ~ Normal(z, 1)
"""


@pytest.fixture(scope="module")
def expected(shared_data):
    path = shared_data / "cases" / "expected.json"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return json.loads(path.read_text(encoding="utf-8"))["D02"]


def test_params_of_a_guide_are_not_said_to_be_useless():
    assert gendsl.compile(ONE_POINT).warnings == ()
    unused = gendsl.compile(ONE_POINT.replace("Normal(m, s)", "Normal(0, s)")).warnings
    assert [w.code for w in unused] == ["GD509"]


def untrained(count=10):
    """The guide as it begins, but for a step that is too small to matter."""
    return gendsl.compile(ONE_POINT).fit(
        {"x": np.full(count, 2.0)},
        epochs=1,
        optimiser="sgd",
        learning_rate=1e-8,
        progress=False,
        dtype="float64",
    )


def test_bounds_of_one_point(expected):
    """Averages over rows that are all the same: a million draws for each bound."""
    fit = untrained()
    for particles, name in ((2, "iwae2"), (5, "iwae5"), (50, "iwae50")):
        x = np.full(1_000_000 // particles, 2.0)
        found = fit.score({"x": x}, particles=particles, seed=1)
        error = found.log_likelihood.standard_error
        reach = 4 * np.hypot(error, expected.get(f"{name}_mcse", 0.0))
        assert error < 0.002
        assert abs(found.log_likelihood.mean - expected[name]) < reach
        if particles == 5:
            assert abs(found.elbo.mean - expected["elbo"]) < 4 * found.elbo.standard_error
            assert found.terms["kl.z"].mean == pytest.approx(expected["kl_q_prior"], abs=1e-6)


def test_gradients_of_one_point(expected):
    """A step of gradient descent divided by the learning rate."""
    count, rate = 400_000, 1e-4
    fit = gendsl.compile(ONE_POINT).fit(
        {"x": np.full(count, expected["x"])},
        seed=3,
        epochs=1,
        optimiser="sgd",
        learning_rate=rate,
        progress=False,
        dtype="float64",
    )
    of_m = (float(fit.estimate.m) - expected["q_mean"]) / rate
    of_log_s = (np.log(float(fit.estimate.s)) - np.log(expected["q_sd"])) / rate
    # With z = m + s e and the divergence by formula they are 2 - z - m and s (e (2 - z) - s) + 1:
    # their standard deviations over draws are 0.8 and about 1.5.
    assert abs(of_m - expected["grad_elbo_q_mean"]) < 4 * 0.8 / np.sqrt(count)
    assert abs(of_log_s - expected["grad_elbo_log_q_sd"]) < 4 * 1.5 / np.sqrt(count) + rate


def test_optimum_of_one_point(expected):
    fit = gendsl.compile(ONE_POINT).fit(
        {"x": np.full(20, expected["x"])}, seed=1, epochs=400, learning_rate=0.05, **QUIET
    )
    assert float(fit.estimate.m) == pytest.approx(expected["optimum"]["q_mean"], abs=0.02)
    assert float(fit.estimate.s) == pytest.approx(expected["optimum"]["q_sd"], abs=0.02)
    x = {"x": np.full(400_000, expected["x"])}
    assert fit.score(x, particles=1).elbo.mean == pytest.approx(
        expected["log_px"], abs=0.002 + 1e-3
    )
    assert fit.score(x, particles=1).log_likelihood.mean == pytest.approx(
        expected["log_px"], abs=0.002
    )
