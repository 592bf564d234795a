"""Lets of inputs alone: constants of the data, kept for prediction where they reduce a plate."""

import numpy as np
import pytest

import gendsl

STANDARDISED = """model M
plate n
input x[n]: real
let z[n] = (x - mean(x, n)) / sd(x, n)
latent a ~ Normal(0, 10)
latent b ~ Normal(0, 10)
observe y[n] ~ Normal(a + b * z, 1)
"""


@pytest.fixture(scope="module")
def fit():
    x = np.arange(5.0)
    data = {"x": x, "y": 2 * x}
    model = gendsl.compile(STANDARDISED)
    return model.fit(data, seed=1, chains=2, draws=200, warmup=200, progress=False)


def test_predictions_take_the_mean_and_sd_of_the_fit(fit):
    new = np.array([10.0, 11.0])
    found = fit.predict({"x": new})["z"].to_numpy()[0, 0]
    np.testing.assert_allclose(found, (new - 2) / np.arange(5.0).std(ddof=1))


def test_a_single_new_row_is_no_nan(fit):
    assert np.isfinite(fit.predict({"x": [3.0]})["y"].to_numpy()).all()


def test_they_are_kept_in_a_saved_fit(fit, tmp_path):
    fit.save(tmp_path / "run")
    again = gendsl.load_fit(tmp_path / "run").predict({"x": [10.0]})["z"].to_numpy()[0, 0]
    np.testing.assert_allclose(again, (10 - 2) / np.arange(5.0).std(ddof=1))


def test_they_are_data_and_not_part_of_the_posterior(fit):
    assert "z" not in fit.posterior
    np.testing.assert_allclose(
        fit.tree["constant_data"]["z"], (np.arange(5.0) - 2) / np.arange(5.0).std(ddof=1)
    )


def test_an_entry_of_a_let_that_never_varies_is_no_alarm():
    text = """model M
    plate n
    input group[n]: binary
    latent b ~ Normal(0, 1)
    let effect[n] = b * group
    observe y[n] ~ Normal(effect, 1)
    """
    data = {"group": [0, 0, 1, 1], "y": [0.1, -0.2, 0.8, 1.1]}
    fit = gendsl.compile(text).fit(data, seed=2, chains=4, draws=400, warmup=300, progress=False)
    assert fit.summary().verdict.exit_status == 0


def test_a_constant_that_varies_over_another_plate_is_refused_in_predictions():
    text = """model M
    plate g  plate n
    input x[g, n]: real
    latent b ~ Normal(0, 1)
    let centre[g] = mean(x, n)
    observe y[g] ~ Normal(b * centre, 1)
    """
    data = {"x": [[1.0, 2.0], [3.0, 5.0]], "y": [1.0, 2.0]}
    fit = gendsl.compile(text).fit(data, chains=1, draws=20, warmup=20, progress=False)
    with pytest.raises(gendsl.DataError, match="GD916"):
        fit.predict({"x": [[1.0, 2.0]]})
