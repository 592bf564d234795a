"""What a fit found, run again: imputed values, given values, discrete latents, constants."""

from __future__ import annotations

import numpy as np
import pytest
from known_answers import fit

import gendsl

QUICK = {"draws": 100, "warmup": 100, "chains": 1}
SLOWER = {"draws": 200, "warmup": 400, "chains": 1}
NAN = float("nan")

LAGGED = """model Lagged
sequence t
latent a ~ Normal(1, 0.001)
observe y[t]: real? ~ Normal(a * y[t-1], 1)
"""
COVARIATE = """model Covariate
plate n
latent b ~ Normal(2, 0.001)
observe x[n]: real? ~ Normal(0, 1)
observe y[n] ~ Normal(b * x, 0.1)
"""
MIXTURE = """model Mixture
plate n
param mu = 0
latent k ~ Bernoulli(0.5)
observe y[n] ~ Normal(mu + 20 * k, 1)
"""


@pytest.fixture(scope="module")
def lagged():
    return fit(LAGGED, {"y": [30, NAN, 30, 30]}, **SLOWER)


@pytest.fixture(scope="module")
def covariate():
    return fit(COVARIATE, {"x": [1.0, NAN, -1.0], "y": [2.0, 4.0, -2.0]}, **QUICK)


def test_imputed_values_reach_what_depends_on_them(lagged):
    found = lagged.posterior_predictive()["y"].mean(("chain", "draw")).to_numpy()
    assert np.isnan(found[0])
    assert np.abs(found[1:] - 30).max() < 2


def test_imputed_values_keep_their_places_over_two_plates():
    text = (
        "model Two\nsequence t\nplate g\nlatent a ~ Normal(1, 0.001)\n"
        "observe y[t, g]: real? ~ Normal(a * y[t-1], 1)"
    )
    given = np.array([[10.0, 40.0, 25.0]] * 4)
    given[1, 0] = given[2, 1] = given[1, 2] = NAN
    for order in ("t, g", "g, t"):
        values = given if order == "t, g" else given.T
        found = fit(text.replace("t, g", order), {"y": values}, **SLOWER).posterior_predictive()
        mean = found["y"].mean(("chain", "draw")).transpose("t", "g").to_numpy()
        assert np.abs(mean[1:] - [10.0, 40.0, 25.0]).max() < 3


@pytest.mark.parametrize("method", ["predict", "evaluate"])
def test_new_data_that_lack_parents_are_refused(lagged, covariate, method):
    with pytest.raises(gendsl.DataError) as caught:
        getattr(covariate, method)({"x": [5.0, NAN], "y": [10.0, 1.0]})
    assert str(caught.value) == (
        "<text>:4:9: error[GD917]: other values depend on `x`, of which some are missing in the "
        "new data; this version cannot draw only those yet\n"
        "  4 | observe x[n]: real? ~ Normal(0, 1)\n"
        "    |         ^\n"
        "help: leave those rows out or fill the values in"
    )
    with pytest.raises(gendsl.DataError, match="GD914" if method == "predict" else "GD917"):
        getattr(lagged, method)({"y": [30, NAN, 30]})


def test_values_that_are_given_are_kept(covariate):
    found = covariate.predict({"x": [5.0, -5.0]})["y"].mean(("chain", "draw"))
    assert np.abs(found.to_numpy() - [10.0, -10.0]).max() < 0.2
    drawn = covariate.predict({"y": [0.0, 0.0, 0.0]})["x"].to_numpy()
    assert drawn.std() > 0.5


def test_a_series_must_be_given(lagged):
    with pytest.raises(gendsl.DataError, match="GD710.*`y`, which depends on its own past"):
        lagged.predict({})


def test_discrete_latents_of_a_point_fit_come_from_their_posterior():
    found = gendsl.compile(MIXTURE).fit({"y": [20.1, 19.9, 20.0]}, progress=False)
    assert found.kind == "point"
    for tree in (found.posterior_predictive(), found.predict({"y": [20.0, 20.0]})):
        assert abs(float(tree["y"].mean()) - 20) < 0.5
    with pytest.raises(gendsl.DataError, match="GD829"):
        found.evaluate({"y": [20.0]})


def test_no_draws_are_refused_not_replaced(covariate):
    with pytest.raises(gendsl.DataError):
        covariate.predict({"x": [1.0]}, draws=0)


def test_imputed_values_are_unknowns_of_the_log_density():
    model = gendsl.compile(COVARIATE)
    data = {"x": [1.0, NAN, -1.0], "y": [2.0, 4.0, -2.0]}
    with pytest.raises(gendsl.DataError, match="GD820.*`x_missing`"):
        model.log_density({"b": 2.0}, data)
    with pytest.raises(gendsl.DataError, match="GD819.*`x_missing`"):
        model.log_density({"b": 2.0, "x_missing": [1.0, 2.0]}, data)
    whole = model.log_density({"b": 2.0}, {**data, "x": [1.0, 1.7, -1.0]})
    assert model.log_density({"b": 2.0, "x_missing": [1.7]}, data) == pytest.approx(whole)


def test_missing_rows_are_not_scored():
    text = "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)"
    found = fit(text, {"y": [0.1, 0.2]}, **QUICK)
    whole = found.evaluate({"y": [0.5, 1.0]})
    part = found.evaluate({"y": [0.5, NAN, 1.0]})
    assert part.rows == 2
    assert part.log_predictive_density == pytest.approx(whole.log_predictive_density)


def test_a_constant_that_lacks_is_told_and_not_scored():
    text = (
        "model M\nplate n\nlatent k ~ Bernoulli(0.5)\n"
        "observe y[n]: ordered[2] ~ Normal([0, 1], 1)\nobserve z[n] ~ Normal(k, 1)"
    )
    data = {"y": [[0.1, 0.5], [-1.0, 2.0]], "z": [0.1, 0.9]}
    found = gendsl.compile(text).fit(data, progress=False)
    assert found.kind == "exact"
    assert "log_evidence" not in found.tree.attrs
    assert "the density of `y` is known up to a constant" in found.tree.attrs["note"]
    with pytest.raises(gendsl.DataError, match="GD829.*`y` is known up to a constant"):
        found.evaluate(data)
