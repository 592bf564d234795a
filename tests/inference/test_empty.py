"""Plates without members: they are legal, and what stands in them contributes exactly 0."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import gendsl

QUICK = {"chains": 2, "draws": 15, "warmup": 15}

CASES = {
    "continuous": ("latent z[n] ~ Normal(0, 1)\nobserve y[n] ~ Normal(z, 1)", QUICK),
    "hierarchy": (
        "latent m ~ Normal(0, 1)\nlatent z[n] ~ Normal(m, 1)\nobserve y[n] ~ Normal(z, 1)",
        QUICK,
    ),
    "discrete": ("latent z[n] ~ Bernoulli(0.5)\nobserve y[n] ~ Normal(z, 1)", {}),
    "mixed": (
        "latent m ~ Normal(0, 1)\nlatent z[n] ~ Bernoulli(0.5)\nobserve y[n] ~ Normal(m + z, 1)",
        QUICK,
    ),
}


def model(text):
    return gendsl.compile(f"model M\nplate n\nplate g\n{text}\n")


@pytest.mark.parametrize("name", CASES)
def test_fit_of_an_empty_plate(name):
    text, options = CASES[name]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="infer_discrete")
        fit = model(f"{text}\nobserve x[g] ~ Normal(0, 1)").fit(
            {"y": [], "x": [1.0]}, progress=False, **options
        )
    assert fit.posterior["z"].shape[2:] == (0,)
    if name == "discrete":
        assert fit.tree.attrs["log_evidence"] == pytest.approx(-0.5 - 0.5 * math.log(2 * math.pi))
    fit.summary()


def test_empty_plate_changes_nothing_beside_it():
    beside = "latent w[g] ~ Bernoulli(0.3)\nobserve x[g] ~ Normal(w, 1)"
    empty = "latent z[n] ~ Bernoulli(0.5)\nobserve y[n] ~ Normal(z, 1)"
    alone = model(beside).fit({"x": [1.0, 2.0], "n": 3}, progress=False)
    both = model(f"{beside}\n{empty}").fit({"x": [1.0, 2.0], "y": []}, progress=False)

    assert both.tree.attrs["log_evidence"] == pytest.approx(alone.tree.attrs["log_evidence"])
    found, expected = (f.tree["exact_probabilities/w"].values for f in (both, alone))
    np.testing.assert_allclose(found, expected)
    assert both.posterior["z"].shape == (1, 1000, 0)


def test_log_density_without_members():
    text, _ = CASES["mixed"]
    found = model(text).log_density({"m": 1.0}, {"y": [], "g": 1})
    assert found == pytest.approx(-0.5 - 0.5 * math.log(2 * math.pi))
