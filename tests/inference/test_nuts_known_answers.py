"""NUTS against posteriors that are known in closed form."""

from __future__ import annotations

import json

import numpy as np
import pytest
from known_answers import assert_moments, fit
from scipy.integrate import quad

import gendsl

rng = np.random.default_rng(20)


def test_normal_normal():
    y = rng.normal(1.5, 2, 12)
    found = fit(
        """model M
plate n
latent mu ~ Normal(0, 3)
observe y[n] ~ Normal(mu, 2)
""",
        {"y": y},
    )
    precision = 1 / 9 + 12 / 4
    assert_moments(found.posterior["mu"], y.sum() / 4 / precision, precision**-0.5)


def test_beta_binomial():
    y = np.array([3, 5, 2, 8])
    found = fit(
        """model M
plate n
latent p ~ Beta(2, 3)
observe y[n] ~ Binomial(10, p)
""",
        {"y": y},
    )
    a, b = 2 + y.sum(), 3 + 40 - y.sum()
    sd = np.sqrt(a * b / (a + b) ** 2 / (a + b + 1))
    assert_moments(found.posterior["p"], a / (a + b), sd)


def test_gamma_poisson_by_member_of_a_plate():
    y = np.array([[1, 0, 2, 4], [7, 9, 5, 3]])
    found = fit(
        """model M
plate g  plate n
latent rate[g] ~ Gamma(2, 0.5)
observe y[g, n] ~ Poisson(rate)
""",
        {"y": y},
    )
    shape, rate = 2 + y.sum(1), 0.5 + 4
    assert_moments(found.posterior["rate"], shape / rate, np.sqrt(shape) / rate)


def test_hierarchy_with_an_unknown_scale():
    """The marginal of tau by quadrature; theta follows from it."""
    y = np.array([2.8, -0.8, 0.3, 1.9, -1.4, 0.6])
    found = fit(
        """model M
plate g
latent tau ~ HalfNormal(1)
latent theta[g] ~ Normal(0, tau)
observe y[g] ~ Normal(theta, 0.5)
""",
        {"y": y},
        draws=1500,
    )

    def weight(t):
        v = t**2 + 0.25
        return np.exp(-(t**2) / 2 - (y**2).sum() / 2 / v) * v ** (-len(y) / 2)

    z = quad(weight, 0, 12)[0]
    mean = quad(lambda t: t * weight(t), 0, 12)[0] / z
    second = quad(lambda t: t**2 * weight(t), 0, 12)[0] / z
    assert_moments(found.posterior["tau"], mean, np.sqrt(second - mean**2))
    shrink = quad(lambda t: t**2 / (t**2 + 0.25) * weight(t), 0, 12)[0] / z
    shrink2 = quad(lambda t: (t**2 / (t**2 + 0.25)) ** 2 * weight(t), 0, 12)[0] / z
    variance = shrink * 0.25 + y**2 * (shrink2 - shrink**2)
    assert_moments(found.posterior["theta"], shrink * y, np.sqrt(variance))


def test_simplex_ordered_and_bounded_types():
    counts = np.array([5, 2, 9])
    found = fit(
        """model M
plate k = 3  plate n
latent w: simplex[k] ~ Dirichlet(1)
latent u: real(0, 2) ~ Uniform(0, 2)
latent o: ordered[k] ~ Normal(0, 1)
observe y[n]: index(k) ~ Categorical(w)
""",
        {"y": np.repeat([0, 1, 2], counts)},
        draws=1000,
    )
    a = counts + 1.0
    mean = a / a.sum()
    assert_moments(found.posterior["w"], mean, np.sqrt(mean * (1 - mean) / (a.sum() + 1)))
    assert_moments(found.posterior["u"], 1, 1 / np.sqrt(3))
    least = 3 / (2 * np.sqrt(np.pi))
    tails = np.sqrt(1 + np.sqrt(3) / (2 * np.pi) - least**2)
    middle = np.sqrt(1 - np.sqrt(3) / np.pi)
    assert_moments(found.posterior["o"], [-least, 0, least], [tails, middle, tails])


def test_a_flat_latent_with_an_energy_without_params():
    """A proper Gaussian by its energy alone: precision matrix [[2, -1], [-1, 2]]."""
    found = fit(
        """model M
latent a: real ~ Flat()
latent b: real ~ Flat()
energy a ** 2 + b ** 2 - a * b
observe y ~ Normal(a, 1)
""",
        {"y": 1.2},
        draws=1000,
    )
    precision = np.array([[3.0, -1], [-1, 2]])
    covariance = np.linalg.inv(precision)
    mean = covariance @ [1.2, 0]
    sd = np.sqrt(np.diag(covariance))
    assert_moments(found.posterior["a"], mean[0], sd[0])
    assert_moments(found.posterior["b"], mean[1], sd[1])


def test_an_undirected_block_over_edges():
    """Intrinsic smoothing on a chain of 4 areas, pinned by a term on its mean."""
    source, target = np.array([0, 1, 2]), np.array([1, 2, 3])
    y = np.array([1.0, 0.4, -0.2, -1.5])
    found = fit(
        """model M
plate area  plate edge
input from_[edge]: index(area)  input to[edge]: index(area)
latent phi[area]: real
energy 0.5 * sum((phi[from_] - phi[to]) ** 2, edge) + 0.5 * (2 * mean(phi, area)) ** 2
observe y[area] ~ Normal(phi, 1)
""",
        {"from_": source, "to": target, "y": y},
        draws=1000,
    )
    precision = np.eye(4) + np.full((4, 4), 4 / 16)
    for a, b in zip(source, target, strict=True):
        step = np.eye(4)[a] - np.eye(4)[b]
        precision += np.outer(step, step)
    covariance = np.linalg.inv(precision)
    assert_moments(found.posterior["phi"], covariance @ y, np.sqrt(np.diag(covariance)))


def test_missing_outcomes_are_left_out():
    y = np.array([1.0, np.nan, 2.0, np.nan, 0.5])
    found = fit(
        """model M
plate n
latent mu ~ Normal(0, 1)
observe y[n]: real? ~ Normal(mu, 1)
""",
        {"y": y},
    )
    assert_moments(found.posterior["mu"], 3.5 / 4, 0.5)


def test_missing_continuous_covariates_are_inferred():
    x, y = np.array([0.5, np.nan, -1.0]), np.array([1.1, 2.0, -0.4])
    found = fit(
        """model M
plate n
observe x[n]: real? ~ Normal(0, 1)
observe y[n] ~ Normal(2 * x, 0.5)
""",
        {"x": x, "y": y},
        draws=1000,
    )
    precision = 1 + 4 / 0.25
    assert_moments(found.posterior["x_missing"], [2 * 2.0 / 0.25 / precision], precision**-0.5)


def test_missing_discrete_covariates_are_summed_out():
    g, y = np.array([0, 1, np.nan]), np.array([0.1, 1.9, 1.4])
    found = fit(
        """model M
plate n  plate k = 2
latent a ~ Normal(0, 1)
observe g[n]: binary? ~ Bernoulli(0.3)
observe y[n] ~ Normal(a + 2 * g, 1)
""",
        {"g": g, "y": y},
        draws=1500,
    )

    def weight(a):
        known = np.exp(-((0.1 - a) ** 2) / 2 - (1.9 - a - 2) ** 2 / 2 - a**2 / 2)
        return known * (
            0.7 * np.exp(-((1.4 - a) ** 2) / 2) + 0.3 * np.exp(-((1.4 - a - 2) ** 2) / 2)
        )

    z = quad(weight, -9, 9)[0]
    mean = quad(lambda a: a * weight(a), -9, 9)[0] / z
    second = quad(lambda a: a**2 * weight(a), -9, 9)[0] / z
    assert_moments(found.posterior["a"], mean, np.sqrt(second - mean**2))

    def one(a):
        low, high = 0.7 * np.exp(-((1.4 - a) ** 2) / 2), 0.3 * np.exp(-((1.4 - a - 2) ** 2) / 2)
        return high / (low + high)

    p = quad(lambda a: one(a) * weight(a), -9, 9)[0] / z
    assert_moments(found.posterior["g_missing"], [p], np.sqrt(p * (1 - p)))


def test_autoregression_on_observed_lags():
    y = np.array([0.3, 0.5, 0.1, -0.4, -0.1, 0.6, 0.9])
    found = fit(
        """model M
sequence t
latent b ~ Normal(0, 1)
observe y[t] ~ Normal(b * y[t-1], 0.5)
""",
        {"y": y},
    )
    before, after = y[:-1], y[1:]
    precision = 1 + (before**2).sum() / 0.25
    assert_moments(found.posterior["b"], before @ after / 0.25 / precision, precision**-0.5)


MIXTURE = """model Weights
plate n  plate k = 3
latent w: simplex[k] ~ Dirichlet(1)
latent z[n]: index(k) ~ Categorical(w)
let mu[k] = -3 if k == 0 else 0 if k == 1 else 2.5
let sd[k]: positive = 0.7 if k == 0 else 1.0 if k == 1 else 0.5
observe x[n] ~ Normal(mu[k = z], sd[k = z])
"""


@pytest.fixture(scope="module")
def d03(shared_data):
    folder = shared_data / "cases"
    if not (folder / "d03.csv").is_file():
        pytest.skip("no D03")
    x = np.loadtxt(folder / "d03.csv", delimiter=",", skiprows=1, ndmin=2)[:, -1]
    return x, json.loads((folder / "expected.json").read_text())["D03"]


def test_mixture_weights_and_recovered_members(d03):
    x, expected = d03
    found = fit(MIXTURE, {"x": x}, draws=1000)
    w = found.posterior["w"]
    sd = np.array(expected["pi_posterior_sd_dirichlet1"])
    assert_moments(w, expected["pi_posterior_mean_dirichlet1"], sd, sd_tolerance=0.1)
    z = found.posterior["z"].to_numpy().reshape(-1, len(x))
    for row, known in zip(z.T[:5], expected["resp_first5_at_truth"], strict=True):
        share = np.bincount(row.astype(int), minlength=3) / len(row)
        assert np.abs(share - known).max() < 0.05


def test_mixture_log_density_at_the_truth(d03):
    x, expected = d03
    model = gendsl.compile(MIXTURE)
    # Dirichlet(1, 1, 1) has density 2
    found = model.log_density({"w": expected["pi0"]}, {"x": x}) - np.log(2)
    assert found == pytest.approx(expected["loglik_at_truth"], abs=1e-5)
