"""Simulation-based calibration of small models of many kinds: slow, and restartable.

``make test-calibration`` runs it. Each replication is kept in ``build/calibration`` as soon as it
is done, under a name that is the content of the package, so that an interrupted run goes on, and a
changed package begins anew. ``GENDSL_REPLICATIONS=60`` asks for fewer, ``-k mixture`` for one.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from failure_budget import share
from package_hash import package_hash

import gendsl
from gendsl.runtime.calibration.replication import Source

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REPLICATIONS = int(os.environ.get("GENDSL_REPLICATIONS", "500"))


def line(size: int, *columns: int) -> np.ndarray:
    """Inputs that look random and never change."""
    return np.random.default_rng(size).normal(size=(size, *columns)).round(3)


INPUTS: dict[str, dict[str, object]] = {
    "normal": {"row": 12},
    "eight_schools": {"sigma": [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]},
    "logistic": {"x": line(30, 2)},
    "poisson_groups": {"group_of": np.repeat(np.arange(6), 4), "x": line(24)},
    "mixture": {"row": 40},
    "hidden_markov": {"step": 30},
    "funnel": {"member": 6},
    "beta_binomial": {"trials": [5, 10, 15, 20, 25, 30]},
    "linear_regression": {"x": line(25, 3)},
    "gaussian_process": {"x": np.linspace(0, 4, 12)},
    "local_level": {"step": 20},
    "autoregression": {"step": 30},
    "mixed_coins": {"coin": 4, "toss": 5},
}
CAREFUL = {"target_accept_prob": 0.95}
OPTIONS: dict[str, dict[str, float]] = dict.fromkeys(
    ("beta_binomial", "eight_schools", "funnel", "gaussian_process", "poisson_groups"), CAREFUL
)
"""What a careful user would ask for."""

DIVERGENT = 0.01
"""At most this share of all transitions may diverge, as in the verdict on a fit."""


def test_every_model_has_inputs():
    assert {p.stem for p in (HERE / "models").glob("*.gen")} == INPUTS.keys()


@pytest.mark.parametrize("name", INPUTS)
def test_a_model_draws_and_binds(name):
    """Cheap, so that the slow tests do not fail for a silly reason."""
    model = gendsl.load(HERE / "models" / f"{name}.gen")
    assert model.warnings == ()
    sizes = {n: v for n, v in INPUTS[name].items() if isinstance(v, int)}
    data = {n: v for n, v in INPUTS[name].items() if n not in sizes}
    tree = model.simulate(1, data, sizes=sizes, seed=1)
    drawn = {n: v.to_numpy()[0, 0] for n, v in tree["prior_predictive"].items()}
    model.bind({**data, **sizes, **drawn})


@pytest.mark.slow
@pytest.mark.parametrize("name", INPUTS)
def test_posteriors_are_calibrated(name):
    model = gendsl.load(HERE / "models" / f"{name}.gen")
    sizes = {n: v for n, v in INPUTS[name].items() if isinstance(v, int)}
    data = {n: v for n, v in INPUTS[name].items() if n not in sizes}
    found = model.calibrate(
        data,
        sizes=sizes,
        replications=REPLICATIONS,
        seed=1,
        out=ROOT / "build" / "calibration" / package_hash() / name,
        resume=True,
        **OPTIONS.get(name, {}),
    )
    print(found)
    print(f"{sum(r.seconds for r in found.records):.0f} s of processor time")
    if found.interrupted:
        raise KeyboardInterrupt
    assert {r.state for r in found.records} == {"done"}
    assert found.p_value > share()
    lost = sum(r.divergences for r in found.records) / sum(r.draws for r in found.records)
    assert lost <= DIVERGENT
    assert np.mean([r.effective is None or r.effective >= 99 for r in found.records]) >= 0.95


def test_the_suite_sees_data_of_another_prior(monkeypatch):
    """The same check fails where more coins are loaded than the fit believes."""
    text = (HERE / "models" / "mixed_coins.gen").read_text(encoding="utf-8")
    model, other = gendsl.compile(text), gendsl.compile(text.replace("0.3", "0.9"))
    draw = Source.draw
    monkeypatch.setattr(
        Source, "draw", lambda self, seed: draw(Source(other.compiled, self.inputs), seed)
    )
    sizes = {"coin": 4, "toss": 2}
    found = model.calibrate(sizes=sizes, replications=100, progress=False, cores=1)
    assert found.p_value < share()
