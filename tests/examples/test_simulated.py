"""Examples without a known answer: a fit to data drawn from the model itself finds the truth."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from failure_budget import share

import gendsl

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

import catalogue  # noqa: E402  it lies beside the examples
import simulation  # noqa: E402
import write_data  # noqa: E402

NAMES = catalogue.simulated()
STATUS = ("good", "caution", "do not trust")
R_HAT_OF_THE_HEADLINE = 1.5
"""What an excepted fit must still reach for the quantities that it is asked for."""

every_example = pytest.mark.parametrize("name", NAMES)


@cache
def load(name: str) -> gendsl.Model:
    return gendsl.load(EXAMPLES / name / "model.gen")


@every_example
def test_prior_draws_are_finite_and_within_their_supports(name):
    """Drawn values pass every check of data: they are bound like data."""
    data, truth = simulation.simulate(load(name), name)
    assert all(np.isfinite(value).all() for value in truth.values())
    load(name).bind(data)


@every_example
def test_the_headline_is_random(name):
    variables = {v.name: v for v in load(name).compiled.checked.ir.of_role("latent", "let")}
    assert set(catalogue.entries()[name]["headline"]) <= set(variables)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(write_data.SIMULATED))
def test_the_data_on_file_are_what_is_drawn(name):
    data, truth = simulation.simulate(load(name), name)
    filed = json.loads((EXAMPLES / name / "truth.json").read_text(encoding="utf-8"))
    assert list(filed) == catalogue.entries()[name]["headline"]
    for quantity, value in filed.items():
        assert value == pytest.approx(np.asarray(truth[quantity]), rel=1e-4, abs=1e-6)
    known = catalogue.bound(load(name), name)
    for variable in load(name).compiled.checked.ir.of_role("observed"):
        assert known.values[variable.name][~gaps(known, variable.name)] == pytest.approx(
            np.asarray(data[variable.name])[~gaps(known, variable.name)], rel=1e-4
        )


def gaps(known, variable: str) -> np.ndarray:
    return known.missing.get(variable, np.zeros(known.values[variable].shape, bool))


@pytest.mark.slow
@every_example
def test_a_fit_to_simulated_data_finds_the_truth(name):
    entry = catalogue.entries()[name]
    data, truth = simulation.simulate(load(name), name)
    fit = load(name).fit(data, seed=entry["seed"], progress=False, cores=1)
    summary = fit.summary()
    expected = entry.get("exception", {"verdict": "good"})["verdict"]
    assert STATUS.index(summary.verdict.status) <= STATUS.index(expected), summary.verdict
    if expected != "good":
        headline = fit.summary(entry["headline"]).table
        assert headline.r_hat.max() < R_HAT_OF_THE_HEADLINE
    found = simulation.deviations(fit, truth, entry["headline"])
    widest = simulation.widest(share(len(found)))
    assert not {k: d for k, d in found.items() if not abs(d) <= widest}


def test_deviations_see_a_wrong_truth():
    model = gendsl.compile(
        "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)"
    )
    fit = model.fit({"y": np.zeros(20)}, progress=False, chains=2, draws=200, warmup=200, cores=1)
    right = simulation.deviations(fit, {"m": 0.1}, ["m"])["m"]
    assert abs(right) < simulation.widest(share())
    wrong = simulation.deviations(fit, {"m": 3.0}, ["m"])["m"]
    assert wrong == pytest.approx(3 * 21**0.5, rel=0.2)
    assert wrong > simulation.widest(share())
