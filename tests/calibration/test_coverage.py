"""Coverage of the examples: intervals of headline quantities hold the truth as often as they say.

``make test-coverage`` runs it, one example for each kind of model that people bring along. Every
fit is to data drawn from the example's own prior, at the inputs on file. Replications are kept in
``build/coverage``, as those of `test_calibrated`, and an interrupted run goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from package_hash import package_hash

import gendsl

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))

import catalogue  # noqa: E402  it lies beside the examples

REPLICATIONS = 50
LEAST = 33
"""Of 50 intervals of 90 % fewer hold the truth with probability 8e-7."""

POOLED = (0.87, 0.93)

INDEPENDENT = ("lp", "log_likelihood")
"""Of exchangeable unknowns, whose labels mean nothing, these two can be ranked."""

HEADLINES: dict[str, tuple[str, ...]] = {
    "eight_schools": ("mu", "tau", "theta[A]", "theta[D]", "theta[H]"),
    "linear_regression": ("alpha", "beta[0]", "beta[1]", "beta[2]", "sigma"),
    "group_comparison": ("centre[0]", "centre[1]", "width[0]", "width[1]", "excess"),
    "logistic_interaction": ("level", "b_right", "b_rich", "b_learned", "b_both"),
    "seeds": ("intercept", "b_variety", "b_extract", "b_both", "tau"),
    "growth_curves": ("mean_height", "mean_slope", "sd_height", "sd_slope", "sigma"),
    "radon": ("level", "b_uranium", "floor_effect", "sd_level", "sigma"),
    "correlated_effects": ("centre[0]", "centre[1]", "spread[0]", "spread[1]", "sigma"),
    "item_response": ("mean_difficulty", "sd_difficulty", "difficulty[0]", "slope[0]", "slope[1]"),
    "pest_control": ("level", "b_supervisor", "b_trap", "sd_level", "concentration"),
    "partial_pooling": ("overall", "kappa", "rate[0]", "rate[5]", "rate[10]"),
    "gaussian_mixture": ("weights[0]", "mu[0]", "mu[1]", "scale[0]", "scale[1]"),
    "dirichlet_process_mixture": ("alpha", "scale", *INDEPENDENT),
    "topic_model": INDEPENDENT,
    "hidden_markov": ("move[0,0]", "move[1,1]", "rate[0]", "rate[1]", "start[0]"),
    "cormack_jolly_seber": ("survival", "recapture"),
    "capture_recapture": ("omega", "p"),
    "dawid_skene": ("prevalence[0]", "confusion[0,0,0]", "confusion[0,1,1]", "confusion[1,0,0]"),
    "stochastic_volatility": ("mu", "phi", "sigma", "shock[0]", "shock[9]"),
    "garch": ("mu", "base", "a", "b"),
    "trend_and_season": ("alpha", "beta", "sigma", "season[0]", "first_level"),
    "lotka_volterra": ("rate[0]", "rate[1]", "start[0]", "sigma[0]", "sigma[1]"),
    "sir_epidemic": ("beta", "gamma", "first", "concentration"),
    "gaussian_process": ("lengthscale", "amplitude", "sigma"),
    "spatial_counts": ("level", "b", "sigma", "rho"),
    "horseshoe": ("intercept", "sigma", "tau", "slab", "lambda[0]"),
    "ordinal_regression": ("b_age", "b_schooling", "b_income", "cut[0]", "cut[1]"),
    "missing_data": ("a", "b_solar", "b_warmth", "sigma"),
    "censored_survival": ("level", "b_treated", "b_age", "shape"),
    "zero_inflated_poisson": ("never", "never_chronic", "level", "b_poor", "b_chronic"),
}


def calibrated(name: str, replications: int) -> gendsl.Calibration:
    entry = catalogue.entries()[name]
    return gendsl.load(catalogue.FOLDER / name / "model.gen").calibrate(
        catalogue.data_of(name),
        columns=entry.get("columns"),
        quantities=HEADLINES[name],
        replications=replications,
        seed=1,
        progress=False,
        out=ROOT / "build" / "coverage" / package_hash() / name,
        resume=True,
        **entry.get("options", {}),
    )


def covered(found: gendsl.Calibration) -> np.ndarray:
    """For each quantity, how many central intervals of 90 % hold the truth."""
    ranks = found.ranks.to_numpy()
    assert found.kept == 99
    return ((ranks >= 5) & (ranks < 95)).sum(axis=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADLINES)
def test_intervals_hold_the_truth(name):
    found = calibrated(name, REPLICATIONS)
    if found.interrupted:
        raise KeyboardInterrupt
    seconds = sum(r.seconds for r in found.records)
    counts = covered(found)
    print(f"{name}: {counts.tolist()} of {len(found.ranks)}, {seconds:.0f} s of processor time")
    assert {r.state for r in found.records} == {"done"}
    assert min(counts) >= LEAST


@pytest.mark.slow
def test_intervals_of_all_models_hold_it_as_often_as_they_say():
    """By the replications that the tests above have left."""
    found = [covered(calibrated(name, REPLICATIONS)) for name in HEADLINES]
    share = np.concatenate(found).mean() / REPLICATIONS
    print(f"of all intervals, {share:.1%} hold the truth")
    assert POOLED[0] <= share <= POOLED[1]
