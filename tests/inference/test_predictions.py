"""Predictions: for the same rows, for new rows, for known and new members of plates."""

from __future__ import annotations

import numpy as np
import pytest
from known_answers import assert_moments, fit
from scipy.integrate import quad
from scipy.stats import norm

import gendsl

VARYING = """model Varying
plate g  plate n
input of[n]: index(g)
input x[n]: real
latent mu ~ Normal(0, 1)
latent a[g] ~ Normal(mu, 0.5)
observe y[n] ~ Normal(a[of] + x, 0.3)
"""
ROWS = {
    "of": ["red", "red", "blue", "blue", "blue"],
    "x": [0.0, 1.0, 0.0, 1.0, 2.0],
    "y": [0.9, 2.2, -0.4, 0.7, 1.5],
}


def posterior_of_a():
    """Mean and covariance of (mu, a_blue, a_red): a Gaussian."""
    precision = np.diag([1.0, 0, 0])
    for k in (1, 2):
        step = np.array([1.0, 0, 0])
        step[k] = -1
        precision += np.outer(step, step) / 0.25
    linear = np.zeros(3)
    for g, x, y in zip(ROWS["of"], ROWS["x"], ROWS["y"], strict=True):
        k = 1 if g == "blue" else 2
        precision[k, k] += 1 / 0.09
        linear[k] += (y - x) / 0.09
    covariance = np.linalg.inv(precision)
    return covariance @ linear, covariance


@pytest.fixture(scope="module")
def varying():
    return fit(VARYING, ROWS, draws=1000)


def test_the_posterior_is_labelled(varying):
    mean, covariance = posterior_of_a()
    sd = np.sqrt(np.diag(covariance))
    for k, label in enumerate(("mu", "blue", "red")):
        draws = varying.posterior["mu"] if k == 0 else varying.posterior["a"].sel(g=label)
        assert_moments(draws, mean[k], sd[k])


def test_known_members_keep_their_posterior_and_new_ones_come_from_the_prior(varying):
    mean, covariance = posterior_of_a()
    found = varying.predict({"of": ["green", "red"], "x": [1.0, 0.5]}, draws=2000)
    assert dict(found.sizes)["n"] == 2
    red = np.sqrt(covariance[2, 2] + 0.09)
    green = np.sqrt(covariance[0, 0] + 0.25 + 0.09)
    y = found["y"]
    assert_moments(y.isel(n=1), mean[2] + 0.5, red)
    assert_moments(y.isel(n=0), mean[0] + 1.0, green)


def test_new_members_share_their_draw_among_rows(varying):
    found = varying.predict({"of": ["green", "green"], "x": [0.0, 0.0]}, draws=2000)
    y = found["y"].to_numpy()[0]
    _, covariance = posterior_of_a()
    shared = covariance[0, 0] + 0.25
    expected = shared / (shared + 0.09)
    assert np.corrcoef(y.T)[0, 1] == pytest.approx(expected, abs=0.06)


def test_a_param_has_no_new_members():
    text = VARYING.replace("latent mu ~ Normal(0, 1)\n", "").replace(
        "latent a[g] ~ Normal(mu, 0.5)", "param a[g]: real"
    )
    found = gendsl.compile(text).fit(ROWS, progress=False)
    assert float(found.estimate["a"].sel(g="red")) == pytest.approx(1.05, abs=1e-6)
    known = found.predict({"of": ["red"], "x": [2.0]}, draws=4000, seed=1)
    assert_moments(known["y"].isel(n=0), 3.05, 0.3)
    with pytest.raises(gendsl.DataError, match="GD817"):
        found.predict({"of": ["green"], "x": [0.0]})


def test_replications_of_the_data(varying):
    mean, covariance = posterior_of_a()
    found = varying.posterior_predictive(draws=2000)
    for row, (g, x) in enumerate(zip(ROWS["of"], ROWS["x"], strict=True)):
        k = 1 if g == "blue" else 2
        sd = np.sqrt(covariance[k, k] + 0.09)
        assert_moments(found["y"].isel(n=row), mean[k] + x, sd)


def test_recovered_categories_of_a_mixture():
    """Responsibilities by quadrature over the one continuous unknown."""
    x = np.array([-2.1, 0.4, 1.8])
    found = fit(
        """model M
plate n  plate k = 2
latent m ~ Normal(0, 1)
latent z[n]: index(k) ~ Categorical([0.4, 0.6])
let at[k] = m - 2 if k == 0 else m + 2
observe x[n] ~ Normal(at[k = z], 1)
""",
        {"x": x},
        draws=1500,
    )

    def low(m):
        return 0.4 * norm.pdf(x, m - 2)

    def both(m):
        return low(m) + 0.6 * norm.pdf(x, m + 2)

    def weight(m):
        return norm.pdf(m) * both(m).prod()

    z = quad(weight, -8, 8)[0]
    for row in range(3):
        p = quad(lambda m, r=row: (1 - low(m)[r] / both(m)[r]) * weight(m), -8, 8)[0] / z
        draws = found.posterior["z"].isel(n=row)
        assert_moments(draws, p, np.sqrt(p * (1 - p)))


def test_held_out_rows_are_scored():
    y = np.array([0.3, -0.8, 1.9, 0.4])
    found = fit(
        "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)\n",
        {"y": y},
        draws=2000,
    )
    new = np.array([0.0, 2.0])
    exact = norm.logpdf(new, y.sum() / 5, np.sqrt(1 + 1 / 5))
    score = found.evaluate({"y": new})
    assert score.log_predictive_density == pytest.approx(exact.sum(), abs=0.02)
    assert score.rows == 2
    assert score.standard_error == pytest.approx(np.sqrt(2 * exact.var(ddof=1)), abs=0.02)


def test_scoring_needs_the_observed_values(varying):
    with pytest.raises(gendsl.DataError):
        varying.evaluate({"of": ["red"], "x": [0.0]})


def test_a_saved_fit_predicts_as_before(varying, tmp_path):
    varying.save(tmp_path / "run")
    again = gendsl.load_fit(tmp_path / "run")
    assert str(again.summary()) == str(varying.summary())
    new = {"of": ["green", "red"], "x": [1.0, 0.5]}
    a, b = varying.predict(new, draws=50), again.predict(new, draws=50)
    assert np.array_equal(a["y"], b["y"])


def test_predictions_count_indices_as_the_fit_did(tmp_path):
    text = """model M
    plate g  plate n
    input group[n]: index(g)
    latent a[g] ~ Normal(0, 100)
    observe y[n] ~ Normal(a[group], 1)
    """
    data = {"group": [1, 1, 2, 2, 3, 3], "y": [10.0, 10.0, 50.0, 50.0, 90.0, 90.0]}
    fit = gendsl.compile(text).fit(
        data, index_base=1, seed=1, chains=2, draws=100, warmup=200, progress=False
    )
    fit.save(tmp_path / "run")
    for known in (fit, gendsl.load_fit(tmp_path / "run")):
        found = known.predict({"group": [1, 2]})["y"].to_numpy().mean((0, 1))
        np.testing.assert_allclose(found, [10, 50], atol=1)


def test_a_discrete_latent_that_is_certain_is_no_alarm():
    text = """model M
    plate n
    latent p ~ Beta(1, 1)
    latent rate ~ Gamma(2, 1)
    latent empty[n] ~ Bernoulli(p)
    observe y[n] ~ Poisson(0.0001 if empty == 1 else rate)
    """
    data = {"y": [0, 0, 0, 0, 3, 2, 4, 1, 5, 2]}
    fit = gendsl.compile(text).fit(data, seed=1, chains=4, draws=300, warmup=300, progress=False)
    assert fit.posterior["empty"].dtype.kind == "i"
    assert fit.summary("p").verdict.exit_status == 0
    assert repr(fit).startswith("<gendsl fit of M by nuts")
