"""Collapse and its remedies; rates and distortions against closed forms."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import gendsl

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import collapse  # noqa: E402  it lies among the benchmarks

OF_ALL = [n for n in collapse.REMEDIES if n != "none"]


@pytest.mark.slow
def test_plain_training_collapses_where_a_warm_up_does_not():
    """Six units are worth having: the noise that was learned says which are used."""
    active, bound, _ = collapse.trained()
    assert active <= 4
    restored, better, _ = collapse.trained(**collapse.REMEDIES["kl_warmup = 30"])
    assert restored == 6
    assert bound + 0.5 < better < collapse.BEST


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", OF_ALL)
def test_remedies(name, seed):
    """All bring the units back; a smaller weight of the KL at the price of the bound itself."""
    active, bound, _ = collapse.trained(seed, **collapse.REMEDIES[name])
    plain, lower, _ = collapse.trained(seed)
    assert plain <= 4
    assert active == 6
    assert (bound > lower + 0.3) is (name != "beta = 0.3")


LINEAR = """
model Rates
plate n
param m: real = 0
param v: positive = 1
latent z[n] ~ Normal(0, 1)
guide z ~ Normal(m * x, v)
observe x[n] ~ Normal(z, 1)
"""


def rate_and_distortion(beta):
    """Of x ~ N(0, 2), z ~ N(0, 1), x given z ~ N(z, 1): minimise D + beta R over normal guides."""
    mean, variance = 1 / (1 + beta), beta / (1 + beta)
    rate = 0.5 * (variance + 2 * mean**2 - 1 - np.log(variance))
    distortion = 0.5 * (np.log(2 * np.pi) + 2 * (1 - mean) ** 2 + variance)
    return rate, distortion


@pytest.mark.parametrize("beta", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_rates_and_distortions(beta):
    """The points of `../shared/design/inventory` among them; their sum is least at beta = 1."""
    x = np.linspace(-1, 1, 51)
    x *= np.sqrt(2 / (x**2).mean())
    options = {"epochs": 250, "learning_rate": 0.03, "particles": 4, "schedule": "cosine"}
    found = gendsl.compile(LINEAR).fit(
        {"x": x}, beta=beta, seed=1, progress=False, draws=2, dtype="float64", **options
    )
    terms = found.score(particles=1000, seed=2).terms
    rate, distortion = rate_and_distortion(beta)
    assert terms["kl.z"].mean == pytest.approx(rate, abs=0.01)
    assert -terms["log_likelihood.x"].mean == pytest.approx(distortion, abs=0.01)
    known = {0.5: (0.66042, 1.19672), 1.0: (0.34657, 1.41894), 2.0: (0.14718, 1.69672)}
    if beta in known:
        assert (rate, distortion) == pytest.approx(known[beta], abs=1e-5)
    assert rate + distortion >= 0.5 * np.log(4 * np.pi * np.e) - 1e-9
