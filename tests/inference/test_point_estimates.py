"""Maximum likelihood and posterior modes against closed forms."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gendsl

rng = np.random.default_rng(5)
N = 60
X = rng.normal(size=(N, 2))
Y = 0.5 + X @ [1.5, -0.7] + 0.4 * rng.normal(size=N)

REGRESSION = """model Regression
plate n  dim D = 2
input x[n]: real[D]
param a: real
param b: real[D]
param s: positive
observe y[n] ~ Normal(a + x @ b, s)
"""


@pytest.fixture(scope="module")
def regression():
    return gendsl.compile(REGRESSION).fit({"x": X, "y": Y}, progress=False)


def test_least_squares_and_its_standard_errors(regression):
    design = np.column_stack([np.ones(N), X])
    beta, *_ = np.linalg.lstsq(design, Y, rcond=None)
    sigma = np.sqrt(((Y - design @ beta) ** 2).mean())
    estimate, error = regression.estimate, regression.tree["standard_error"]
    assert float(estimate["a"]) == pytest.approx(beta[0], abs=1e-6)
    assert estimate["b"].to_numpy() == pytest.approx(beta[1:], abs=1e-6)
    assert float(estimate["s"]) == pytest.approx(sigma, abs=1e-6)
    errors = sigma * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    assert float(error["a"]) == pytest.approx(errors[0], rel=1e-5)
    assert error["b"].to_numpy() == pytest.approx(errors[1:], rel=1e-5)
    assert float(error["s"]) == pytest.approx(sigma / np.sqrt(2 * N), rel=1e-5)
    assert regression.summary().verdict.status == "good"


def test_a_point_estimate_has_no_posterior(regression):
    with pytest.raises(gendsl.DataError, match="GD814"):
        _ = regression.posterior


def test_mixture_weights(shared_data):
    folder = shared_data / "cases"
    x = np.loadtxt(folder / "d03.csv", delimiter=",", skiprows=1, ndmin=2)[:, -1]
    expected = json.loads((folder / "expected.json").read_text())["D03"]
    found = gendsl.compile("""model Weights
plate n  plate k = 3
param w: simplex[k]
latent z[n]: index(k) ~ Categorical(w)
let mu[k] = -3 if k == 0 else 0 if k == 1 else 2.5
let sd[k]: positive = 0.7 if k == 0 else 1.0 if k == 1 else 0.5
observe x[n] ~ Normal(mu[k = z], sd[k = z])
""").fit({"x": x}, progress=False)
    assert found.compiled.plan.method == "mle"
    assert found.estimate["w"].to_numpy() == pytest.approx(expected["pi_mle"], abs=1e-5)
    assert found.tree.attrs["log_prob"] == pytest.approx(expected["loglik_max"], abs=1e-5)


def test_the_mode_is_of_the_density_on_the_constrained_scale():
    """Gamma(3, 2) has its mode at 1; with a Jacobian it would be at 1.5."""
    found = gendsl.compile("""model M
plate n
latent rate ~ Gamma(3, 2)
observe y[n] ~ Poisson(rate)
""").fit({"y": [2, 4, 3]}, infer="map", progress=False)
    assert float(found.estimate["rate"]) == pytest.approx((3 + 9 - 1) / (2 + 3), abs=1e-6)
    # curvature at the mode: (a - 1) / mode^2
    error = float(found.tree["standard_error"]["rate"])
    assert error == pytest.approx(np.sqrt(11) / 5, rel=1e-4)


def test_an_unbounded_mode_is_not_to_be_trusted():
    """A hierarchy's density grows without limit as its scale vanishes."""
    found = gendsl.load("tests/golden/valid/eight_schools.gen").fit(
        {"y": [28, 8, -3, 7, -1, 1, 18, 12], "sigma": [15, 10, 16, 11, 9, 11, 10, 18]},
        infer="map",
        progress=False,
    )
    assert found.summary().verdict.status == "do not trust"


def test_the_file_may_ask_for_a_method_and_the_call_may_override_it():
    text = "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)\ninfer map\n"
    model = gendsl.compile(text)
    assert model.plan.method == "map"
    assert model.plan.requested
    data = {"y": [1.0, 2.0, 3.0]}
    found = model.fit(data, progress=False)
    assert found.kind == "point"
    assert float(found.estimate["m"]) == pytest.approx(1.5, abs=1e-7)
    drawn = model.fit(data, infer="nuts", draws=20, warmup=20, chains=1, progress=False)
    assert drawn.kind == "mcmc"
    assert drawn.posterior.sizes["draw"] == 20
