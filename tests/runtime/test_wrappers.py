"""Distributions of distributions, from the text to the fit, against answers known otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from known_answers import QUICK, assert_moments, fit
from scipy import integrate, special, stats

import gendsl

LONG = {**QUICK, "draws": 1_000, "warmup": 500}

INFLATED = """
model Inflated
plate n
latent p ~ Beta(1, 1)
latent rate ~ Gamma(2, 0.5)
observe y[n] ~ ZeroInflated(p, Poisson(rate))
"""

SURVIVAL = """
model Survival
plate n
input lost[n]: binary
latent k ~ LogNormal(0, 0.5)
latent scale ~ LogNormal(1, 1)
observe time[n] ~ Censored(Weibull(scale, k), right = lost)
"""

SUMMED_OUT = """
model SummedOut
plate n
plate k = 2
latent w: simplex[k] ~ Dirichlet(2)
latent mu[k] ~ Normal(0, 5)
latent s ~ HalfNormal(2)
"""
BY_LATENT = SUMMED_OUT + "latent z[n]: index(k) ~ Categorical(w)\nobserve y[n] ~ Normal(mu[z], s)"
BY_PLATE = SUMMED_OUT + "observe y[n] ~ Mixture(w, Normal(mu, s), k)"
BY_PARTS = SUMMED_OUT + "observe y[n] ~ Mixture(w, Normal(mu[k=0], s), Normal(mu[k=1], s))"


def moments(log_density, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of two unknowns, by a grid."""
    log = log_density(first[:, None], second[None, :])
    weight = np.exp(log - log.max())
    weight *= np.gradient(first)[:, None] * np.gradient(second)[None, :]
    weight /= weight.sum()
    means, sds = [], []
    for values, axis in ((first, 1), (second, 0)):
        share = weight.sum(axis)
        mean = float(share @ values)
        means.append(mean)
        sds.append(float(np.sqrt(share @ (values - mean) ** 2)))
    return np.array(means), np.array(sds)


def test_zero_inflated_poisson():
    rng = np.random.default_rng(4)
    y = rng.poisson(2.5, 60) * (rng.random(60) > 0.35)
    zeros, positive = int((y == 0).sum()), y[y > 0]

    def log_density(p, rate):
        prior = stats.gamma(2, scale=2).logpdf(rate)
        none = zeros * np.log(p + (1 - p) * np.exp(-rate))
        rest = len(positive) * (np.log1p(-p) - rate) + positive.sum() * np.log(rate)
        return prior + none + rest

    mean, sd = moments(log_density, np.linspace(0.001, 0.9, 400), np.linspace(0.5, 6, 400))
    found = fit(INFLATED, {"y": y.astype(float)}, **LONG)
    assert_moments(found.posterior["p"], mean[0], sd[0])
    assert_moments(found.posterior["rate"], mean[1], sd[1])


def survival_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    event, end = stats.weibull_min(1.5, scale=3.0).rvs(50, random_state=rng), rng.uniform(1, 6, 50)
    return np.minimum(event, end), (event > end).astype(float)


def test_right_censored_weibull_is_the_likelihood_of_survival():
    time, lost = survival_data()
    model = gendsl.compile(SURVIVAL)
    data = {"time": time, "lost": lost}

    def likelihood(k, scale):
        hazard = np.log(k / scale) + (k - 1) * np.log(time / scale)
        return float(np.sum((1 - lost) * hazard - (time / scale) ** k))

    at = [{"k": 1.4, "scale": 2.8}, {"k": 0.7, "scale": 5.0}]
    got = [float(model.log_density(values, data)) for values in at]
    prior = [
        stats.lognorm(0.5).logpdf(v["k"]) + stats.lognorm(1, scale=np.e).logpdf(v["scale"])
        for v in at
    ]
    wanted = [likelihood(**v) + p for v, p in zip(at, prior, strict=True)]
    np.testing.assert_allclose(got, wanted, rtol=1e-10)


def test_right_censored_weibull_posterior():
    time, lost = survival_data()

    def log_density(k, scale):
        log = stats.lognorm(0.5).logpdf(k) + stats.lognorm(1, scale=np.e).logpdf(scale)
        for t, c in zip(time, lost, strict=True):
            hazard = np.log(k / scale) + (k - 1) * np.log(t / scale)
            log = log + (1 - c) * hazard - (t / scale) ** k
        return log

    mean, sd = moments(log_density, np.linspace(0.4, 4, 300), np.linspace(1, 9, 300))
    found = fit(SURVIVAL, {"time": time, "lost": lost}, **LONG).posterior
    assert_moments(found["k"], mean[0], sd[0])
    assert_moments(found["scale"], mean[1], sd[1])


@pytest.mark.parametrize("text", [BY_LATENT, BY_PLATE, BY_PARTS])
def test_a_mixture_is_its_component_summed_out(text):
    rng = np.random.default_rng(6)
    y = np.where(rng.random(30) < 0.4, -2, 3) + rng.normal(size=30)
    w, mu, s = np.array([0.3, 0.7]), np.array([-1.5, 2.0]), 0.8
    values = {"w": w, "mu": mu, "s": s}
    got = float(gendsl.compile(text).log_density(values, {"y": y}))
    prior = stats.dirichlet([2, 2]).logpdf(w) + stats.norm(0, 5).logpdf(mu).sum()
    prior += stats.halfnorm(scale=2).logpdf(s)
    terms = np.log(w) + stats.norm(mu, s).logpdf(y[:, None])
    assert got == pytest.approx(prior + special.logsumexp(terms, -1).sum(), abs=1e-10)


def test_a_truncated_mixture_is_divided_by_its_mass():
    text = "model T latent x: positive ~ Mixture([0.3, 0.7], Normal(-1, 1), Normal(1, 2))"
    text += " observe y ~ Normal(x, 1)"
    model = gendsl.compile(text)

    def plain(x):
        return 0.3 * stats.norm(-1, 1).pdf(x) + 0.7 * stats.norm(1, 2).pdf(x)

    mass = integrate.quad(plain, 0, np.inf)[0]
    got = float(model.log_density({"x": 0.5}, {"y": 0.2}))
    assert got == pytest.approx(np.log(plain(0.5) / mass) + stats.norm(0.5, 1).logpdf(0.2))


PREDICTED = """
model Predicted
plate n
input lost[n]: binary
latent mu ~ Normal(0, 1)
observe bounded[n] ~ Censored(Normal(mu, 1), lower = -0.5, upper = 1)
observe flagged[n] ~ Censored(Normal(mu, 1), right = lost)
observe amount[n] ~ Hurdle(0.4, LogNormal(mu, 1))
"""


def test_predictions_are_clipped_to_bounds_and_not_to_flags():
    model = gendsl.compile(PREDICTED)
    drawn = model.simulate(400, data={"lost": np.ones(3)}, seed=2)["prior_predictive"]
    bounded = drawn["bounded"].to_numpy()
    assert bounded.min() == -0.5
    assert bounded.max() == 1
    assert drawn["flagged"].to_numpy().max() > 2
    assert 0.3 < (drawn["amount"].to_numpy() == 0).mean() < 0.5


@pytest.mark.parametrize(
    ("name", "value"), [("bounded", 1.5), ("bounded", -0.6), ("amount", -0.1)]
)
def test_values_outside_are_bad_data(name, value):
    data = {"lost": np.zeros(2), "bounded": np.zeros(2), "flagged": np.zeros(2)}
    data = {**data, "amount": np.ones(2)}
    data[name] = np.array([0.5, value])
    with pytest.raises(gendsl.DataError, match=name):
        gendsl.compile(PREDICTED).fit(data, **QUICK)


def test_values_beyond_bounds_given_by_rows_are_bad_data():
    text = """
model Rows
plate n
input limit[n]: positive
latent mu ~ Normal(0, 1)
observe y[n] ~ Censored(Normal(mu, 1), upper = limit)
"""
    data = {"limit": np.array([1.0, 2.0]), "y": np.array([1.0, 2.5])}
    with pytest.raises(gendsl.DataError, match="2.5"):
        gendsl.compile(text).fit(data, **QUICK)
