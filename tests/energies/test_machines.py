"""Restricted Boltzmann machines: training, log Z and conditionals against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import gendsl
from gendsl.runtime.energies import exact as constants
from gendsl.runtime.energies import fitting
from gendsl.runtime.variational import recorded

TEXT = """model Machine
plate image  dim D = 6  dim H = 3
param W: real[D, H]
latent h[image]: binary[H]
observe v[image]: binary[D]
energy -(v @ W @ h)
"""
BIASED = """model Machine
plate image  dim D = 6  dim H = 3
param W: real[D, H]  param b: real[D]  param c: real[H]
latent h[image]: binary[H]
observe v[image]: binary[D]
energy -(v @ W @ h + v @ b + h @ c)
"""
PATTERNS = ("111000", "000111", "101010", "110011", "001100", "011001")
ROWS = np.array([[int(c) for c in p] for p in PATTERNS] * 20)
STATES = np.array(list(itertools.product((0, 1), repeat=6)))
HIDDEN = np.array(list(itertools.product((0, 1), repeat=3)))
QUICK = {"seed": 3, "progress": False}
CHAINS = {**QUICK, "infer": "contrastive_divergence"}


def divergence(fit):
    """KL from the six patterns to the machine, by enumeration."""
    w = fit.estimate["W"].to_numpy()

    def free(v):
        return np.logaddexp(0, v @ w).sum(-1)

    return float(-np.log(6) - (free(ROWS) - np.logaddexp.reduce(free(STATES))).mean())


@pytest.fixture(scope="module")
def exact():
    return gendsl.compile(TEXT).fit(
        {"v": ROWS}, infer="mle", epochs=1000, learning_rate=0.05, **QUICK
    )


@pytest.fixture(scope="module")
def biased():
    return gendsl.compile(BIASED).fit({"v": ROWS}, epochs=300, learning_rate=0.02, **QUICK)


@pytest.fixture(scope="module")
def chained():
    """By persistent chains."""
    return gendsl.compile(BIASED).fit({"v": ROWS}, **CHAINS, epochs=100)


def joint(fit):
    """Log weights of all visible by all hidden states."""
    w, b, c = (fit.estimate[n].to_numpy() for n in "Wbc")
    return STATES @ w @ HIDDEN.T + (STATES @ b)[:, None] + HIDDEN @ c


def test_the_plan_sums_over_the_smaller_side(exact):
    reason = next(c.rating.reason for c in exact.plan.candidates if c.name == "mle")
    assert "a sum over 2^3 states" in reason
    assert exact.plan.treatment["h"] == "summed out of the energy, in which no two units meet"


def test_exact_maximum_likelihood_reaches_the_known_divergence(exact):
    assert divergence(exact) < 0.9  # 0.849 by another optimiser; local optima differ a little
    expected = -np.log(6) - divergence(exact)
    assert exact.tree.attrs["log_likelihood"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
def test_divergences_of_persistent_chains_lie_between(exact):
    model = gendsl.compile(TEXT)
    long = {**CHAINS, "epochs": 5000, "schedule": "constant"}
    persistent = model.fit({"v": ROWS}, chains=500, learning_rate=0.01, **long)
    started = model.fit({"v": ROWS}, start="data", learning_rate=0.01, **long)
    assert divergence(exact) < divergence(persistent) < divergence(started)
    assert divergence(started) > 1.7  # 1.92 to 2.05 of the exact expected gradient


def test_log_weights_sum_the_units_out(biased):
    found = biased.log_weight({"v": STATES}).to_numpy()
    assert np.allclose(found, np.logaddexp.reduce(joint(biased), 1))


def test_log_z_is_exact_and_annealing_agrees_within_its_error(biased):
    expected = np.logaddexp.reduce(joint(biased), axis=None)
    found = biased.log_z()
    assert (found.kind, found.standard_error) == ("exact", None)
    assert found.value == pytest.approx(expected, abs=1e-9)
    estimate = biased.log_z("annealed", steps=200)
    assert abs(estimate.value - expected) < 5 * estimate.standard_error
    assert estimate.standard_error < 0.1
    assert np.exp(biased.log_prob({"v": STATES}).to_numpy()).sum() == pytest.approx(1.0)


def test_log_z_over_the_other_side_is_the_same(biased, monkeypatch):
    by_hidden = biased.log_z("exact").value
    sides = constants._side

    def other(task, given):
        chosen = sides(task, given)
        rest = (n for n in (*task.visible, *task.facts.units) if n not in chosen)
        return constants._bits(task, given, tuple(rest))

    monkeypatch.setattr(constants, "_side", other)
    assert biased.log_z("exact").value == pytest.approx(by_hidden, abs=1e-9)


def test_samples_have_the_law_of_the_machine(biased):
    found = biased.generate(4000, sweeps=50, seed=5)
    p = np.exp(joint(biased) - np.logaddexp.reduce(joint(biased), axis=None))
    means = {"v": p.sum(1) @ STATES, "h": p.sum(0) @ HIDDEN}
    for name, expected in means.items():
        seen = found[name].to_numpy().mean(0)
        error = np.sqrt(expected * (1 - expected) / 4000)
        assert (np.abs(seen - expected) < 6 * error).all(), name


def test_a_saved_machine_is_the_same(chained, tmp_path):
    chained.save(tmp_path / "kept")
    again = gendsl.load_fit(tmp_path / "kept")
    assert np.array_equal(again.log_weight().to_numpy(), chained.log_weight().to_numpy())
    kept, own = again.learned.state, chained.learned.state
    assert kept.keys() == own.keys() == {"chains v"}
    assert np.array_equal(kept["chains v"], own["chains v"])
    first = again.generate(10, sweeps=2, anew=False, seed=1)
    assert first.equals(chained.generate(10, sweeps=2, anew=False, seed=1))
    assert str(again.summary()) == str(chained.summary())


class Killed(BaseException):
    pass


def test_a_resumed_training_ends_with_the_same_weights_and_chains(tmp_path, monkeypatch):
    model, options = gendsl.compile(BIASED), {**CHAINS, "epochs": 6, "batch_size": 50}
    whole = model.fit({"v": ROWS}, **options)
    call = fitting._Step.__call__

    def killed(self, batch, state):
        if state.step == 11:
            raise Killed
        return call(self, batch, state)

    with monkeypatch.context() as patch:
        patch.setattr("gendsl.runtime.training.resuming.SECONDS", 0.0)
        patch.setattr(fitting._Step, "__call__", killed)
        with pytest.raises(Killed):
            model.fit({"v": ROWS}, checkpoint=tmp_path / "kept", **options)
    resumed = model.fit({"v": ROWS}, checkpoint=tmp_path / "kept", resume=True, **options)
    ours, theirs = whole.learned.arrays(), resumed.learned.arrays()
    assert any(name.startswith("state/") for name in ours)
    assert {n: a.tobytes() for n, a in ours.items()} == {n: a.tobytes() for n, a in theirs.items()}


def test_a_recorded_step_is_the_direct_one(monkeypatch):
    model, options = gendsl.compile(BIASED), {**CHAINS, "epochs": 30, "chains": 20}
    direct = model.fit({"v": ROWS}, **options)
    monkeypatch.setattr(recorded, "WORTH_RECORDING", 0)
    again = model.fit({"v": ROWS}, **options)
    ours, theirs = direct.learned.arrays(), again.learned.arrays()
    assert {n: a.tobytes() for n, a in ours.items()} == {n: a.tobytes() for n, a in theirs.items()}


def test_ratio_matching_recovers_independent_bits():
    text = """model Bits
plate row  dim D = 3
param b: real[D]
observe v[row]: binary[D]
energy -(v @ b)
"""
    rows = (np.random.default_rng(1).random((500, 3)) < [0.2, 0.5, 0.9]).astype(int)
    fit = gendsl.compile(text).fit(
        {"v": rows}, infer="ratio_matching", epochs=400, learning_rate=0.05, **QUICK
    )
    rate = rows.mean(0)
    assert np.allclose(fit.estimate["b"].to_numpy(), np.log(rate / (1 - rate)), atol=0.01)


@pytest.mark.parametrize(
    ("given", "why"),
    [({"held_out": 0.2}, "has a gradient alone"), ({"patience": 3}, "`held_out` sets aside")],
)
def test_rows_held_out_do_not_stop_what_has_no_objective(given, why):
    with pytest.raises(gendsl.DataError, match=why):
        gendsl.compile(BIASED).fit({"v": ROWS}, **{**CHAINS, "epochs": 2, **given})
