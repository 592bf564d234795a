"""Lets for the results alone may combine members of latents that are summed out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

import gendsl

CAPTURES = """model M
plate animal  dim T
latent omega ~ Uniform(0, 1)  latent p ~ Uniform(0, 1)
latent exists[animal] ~ Bernoulli(omega)
let population = sum(exists, animal)
let unseen = population - 2
observe seen[animal]: binary[T] ~ Bernoulli(p * exists)
"""
DATA = {"seen": [[1, 0], [1, 1], [0, 0], [0, 0]]}


@pytest.mark.parametrize("method", ["nuts", "map"])
def test_they_are_computed_after_the_recovery(method):
    model = gendsl.compile(CAPTURES)
    if method == "map":
        fit = model.fit(DATA, infer="map", seed=1, progress=False)
        found = fit.predict({}, draws=50)["population"]
        assert set(np.unique(found)) <= {2, 3, 4}
        return
    fit = model.fit(DATA, seed=1, chains=2, warmup=200, draws=200, progress=False)
    total = fit.posterior["exists"].sum("animal")
    np.testing.assert_array_equal(fit.posterior["population"], total)
    np.testing.assert_array_equal(fit.posterior["unseen"], total - 2)
    assert (fit.posterior_predictive(draws=5)["population"] >= 2).all()


def test_they_are_computed_when_all_is_enumerated():
    text = """model M
plate n
latent z[n] ~ Bernoulli(0.5)
let total = sum(z, n)
observe y[n] ~ Normal(3 * z, 1)
"""
    fit = gendsl.compile(text).fit({"y": [3.0, 0.0]}, seed=1, progress=False)
    np.testing.assert_array_equal(fit.posterior["total"], fit.posterior["z"].sum("n"))


def test_they_are_simulated():
    tree = gendsl.compile(CAPTURES).simulate(3, sizes={"animal": 5, "T": 2}, seed=1)
    np.testing.assert_array_equal(
        tree["prior"]["population"], tree["prior"]["exists"].sum("animal")
    )


def test_what_others_depend_on_ties_all_members():
    model = gendsl.compile(CAPTURES + "observe count ~ Poisson(0.1 + population)\n")
    assert "members of animal are tied" in str(model.plan)
    data = {"seen": [[1, 0], [1, 1], [0, 0]], "count": 2}
    point = {"omega": 0.3, "p": 0.6}
    total = 0.0
    for last in (0, 1):
        prior = 0.3**2 * (0.3 if last else 0.7)
        seen = 0.6**3 * 0.4 * ((1 - 0.6) ** 2 if last else 1.0)
        total += prior * seen * poisson.pmf(2, 2.1 + last)
    assert model.log_density(point, data) == pytest.approx(np.log(total), rel=1e-10)


def test_a_sum_of_too_many_is_refused_with_the_size():
    model = gendsl.compile(CAPTURES + "observe count ~ Poisson(0.1 + population)\n")
    data = {"seen": [[1, 0]] * 30, "count": 2}
    with pytest.raises(gendsl.DataError) as caught:
        model.log_density({"omega": 0.3, "p": 0.6}, data)
    assert str(caught.value) == (
        "error[GD834]: `exists` cannot be summed out: its members are tied, and their table has "
        "32,212,254,720 entries\n"
        "help: at most 16,777,216 are summed over: give it fewer values or fewer members"
    )
