"""Models with differential equations: fitted, simulated, predicted, saved, refused in words."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from scipy import linalg, stats
from scipy.optimize import approx_fprime

import gendsl
from gendsl.runtime.backend import tensors
from gendsl.runtime.density import Density
from gendsl.runtime.native import NotNative
from gendsl.runtime.native.build import _compiler
from gendsl.runtime.potential import potential_of
from gendsl.runtime.program import executable

FLOAT64, CPU = torch.float64, torch.device("cpu")
DECAY = """
model Decay
plate n
plate group
input ts[n]: positive
latent k[group] ~ LogNormal(0, 0.5)
latent a ~ LogNormal(0, 1)
fn rate(t: real, x: real, k: positive): real = -k * x
let x[group, n] = odeint(rate, a, {start}, collect(ts, n), k)[n]
observe y[group, n] ~ Normal(x, 0.1)
"""
TIMES = np.array([2.0, 0.5, 1.0])
RATES = np.array([0.5, 1.5])
SIR = """
model SIR
plate day
input t[day]: positive
input population: positive
latent beta ~ LogNormal(0.5, 0.5)
latent gamma ~ LogNormal(-0.5, 0.5)
latent phi ~ LogNormal(2, 0.5)
fn sir(t: real, y: real[3], beta: positive, gamma: positive, n: positive): real[3] =
  [-beta * y[0] * y[1] / n, beta * y[0] * y[1] / n - gamma * y[1], gamma * y[1]]
let y[day]: real[3] = odeint(sir, [population - 1, 1, 0], 0, collect(t, day),
  beta, gamma, population)[day]
let infected[day]: positive = y[1]
observe cases[day] ~ NegativeBinomial(mean = infected, concentration = phi)
"""


def decayed(k, a, times=TIMES):
    return a * np.exp(-np.outer(np.atleast_1d(k), times))


def given():
    noise = 0.05 * np.array([[1, -1, 0.5], [-0.3, 0.8, -1]])
    return {"ts": TIMES, "y": decayed(RATES, 2.0) + noise}


def has_compiler():
    try:
        return bool(_compiler()) and os.environ.get("GENDSL_NATIVE") != "0"
    except NotNative:
        return False


def test_a_group_has_a_solution_of_its_own():
    model, data = gendsl.compile(DECAY.format(start=0)), given()
    k, a = np.array([0.4, 2.0]), 1.7
    wanted = stats.norm.logpdf(data["y"], decayed(k, a), 0.1).sum()
    wanted += stats.lognorm.logpdf(k, 0.5).sum() + stats.lognorm.logpdf(a, 1)
    assert model.log_density({"k": k, "a": a}, data) == pytest.approx(wanted, rel=1e-8)


def test_the_potential_is_recorded_and_compiled():
    model = gendsl.compile(DECAY.format(start=0))
    compiled, bound = model.compiled, model.bind(given())
    with tensors(FLOAT64, CPU, 0):
        ready = executable(compiled.program, compiled.checked.ir, bound, FLOAT64, CPU)
        potential = potential_of(Density(ready))
        assert potential.note is None
        assert potential.way == ("machine code" if has_compiler() else "recorded operations")
        point = np.array([0.1, 0.3, 0.5])
        value, gradient = potential(point)
        k, a = np.exp(point[:2]), np.exp(point[2])
        wanted = stats.norm.logpdf(given()["y"], decayed(k, a), 0.1).sum()
        wanted += stats.norm.logpdf(point, 0, [0.5, 0.5, 1]).sum()
        assert value == pytest.approx(-wanted, rel=1e-8)
        slope = approx_fprime(point, lambda p: potential(p)[0], 1e-7)
        np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-4)
        with torch.no_grad():
            again, steep = potential.function(torch.as_tensor(point))
        assert value == pytest.approx(float(again), rel=1e-11)
        np.testing.assert_allclose(gradient, steep.numpy(), rtol=1e-9, atol=1e-9)


def test_a_fit_is_saved_and_predicts(tmp_path):
    """Chains run in other processes, and the saved run is read as if in another one."""
    model = gendsl.compile(DECAY.format(start=0))
    fit = model.fit(given(), draws=150, warmup=200, chains=2, cores=2, progress=False)
    mean = fit.posterior["k"].values.mean((0, 1))
    np.testing.assert_allclose(mean, RATES, atol=0.35)
    fit.save(tmp_path / "run")
    again = gendsl.load_fit(tmp_path / "run")
    later = np.array([0.25, 3.0])
    found = again.predict({"ts": later}, seed=1)
    draws = [found[n].values.reshape(-1, *found[n].shape[2:]) for n in ("k", "a", "x")]
    for k, a, x in zip(*(d[:5] for d in draws), strict=True):
        np.testing.assert_allclose(x, decayed(k, a, later), rtol=1e-7)


def test_standard_errors_are_those_of_the_closed_form():
    text = DECAY.format(start=0).replace(
        "latent k[group] ~ LogNormal(0, 0.5)", "param k: positive"
    )
    text = text.replace("latent a ~ LogNormal(0, 1)", "param a: positive").replace("group, ", "")
    model = gendsl.compile(text.replace("plate group\n", ""))
    y = given()["y"][0]
    fit = model.fit({"ts": TIMES, "y": y}, progress=False)
    k, a = (float(fit.estimate[n]) for n in ("k", "a"))

    def slope(p):  # of minus the log density, in (k, a)
        e = np.exp(-p[0] * TIMES)
        gap = (p[1] * e - y) / 0.01
        return np.array([(gap * -TIMES * p[1] * e).sum(), (gap * e).sum()])

    at = np.array([k, a])
    np.testing.assert_allclose(slope(at) * at, 0, atol=1e-3)
    steps = 1e-5 * np.eye(2)
    hessian = np.array([(slope(at + s) - slope(at - s)) / 2e-5 for s in steps])
    errors = np.sqrt(np.diag(np.linalg.inv(hessian)))
    summary = fit.summary()
    found = [float(fit.tree["standard_error"][n]) for n in ("k", "a")]
    np.testing.assert_allclose(found, errors, rtol=1e-3)
    assert summary is not None


def test_an_epidemic_is_simulated_and_fitted():
    model = gendsl.compile(SIR)
    data = {"t": np.arange(1.0, 11.0), "population": 500.0}
    prior = model.simulate(4, data, seed=1)
    assert np.isfinite(prior["prior"]["y"].values).all()
    assert prior["prior"]["y"].values.sum(-1) == pytest.approx(500.0, rel=1e-7)
    data["cases"] = np.array([2, 8, 18, 52, 100, 140, 135, 115, 66, 50])
    fit = model.fit(data, draws=100, warmup=150, chains=1, progress=False, seed=2)
    assert fit.tree.attrs.get("note") is None
    beta = float(fit.posterior["beta"].mean())
    assert 1.0 < beta < 2.5


BLOW_UP = """
model BlowUp
plate n
input ts[n]: positive
latent a: positive ~ HalfNormal(1)
fn rate(t: real, x: real): real = x ** 2
let x[n] = odeint(rate, a, {start}, collect(ts, n))[n]
observe y[n] ~ Normal(x, 0.1)
"""


def message(call):
    with pytest.raises(gendsl.DataError) as found:
        call()
    return str(found.value)


def test_draws_without_a_solution_are_rejected_and_told():
    """x = a / (1 - a t) ends at t = 1 / a: the sampler stays below, a prediction beyond fails."""
    model, ts = gendsl.compile(BLOW_UP.format(start=0)), np.array([0.5, 1.0])
    data = {"ts": ts, "y": 0.5 / (1 - 0.5 * ts)}
    fit = model.fit(data, draws=100, warmup=150, chains=1, progress=False)
    draws = fit.posterior["a"].values.ravel()
    assert (draws < 1).all()
    x = fit.posterior["x"].values.reshape(-1, 2)
    np.testing.assert_allclose(x, draws[:, None] / (1 - draws[:, None] * ts), rtol=1e-6)
    for call in (
        lambda: fit.predict({"ts": np.array([0.5, 50.0])}),
        lambda: model.log_density({"a": 1.5}, data),
        lambda: model.simulate(20, {"ts": np.array([50.0])}),
    ):
        told = message(call)
        assert "GD828" in told
        assert "no solution of the differential equation" in told
        assert "odeint(rate, a, 0, collect(ts, n))" in told


def test_times_before_the_start_are_told():
    model = gendsl.compile(BLOW_UP.format(start=0.7))
    data = {"ts": np.array([0.9, 0.5, 1.0]), "y": np.zeros(3)}
    for call in (
        lambda: model.fit(data, progress=False),
        lambda: model.simulate(2, {"ts": data["ts"]}),
        lambda: model.log_density({"a": 0.1}, data),
    ):
        told = message(call)
        assert "the time 0.5 lies before the start of the solution, 0.7 (entry 1 of" in told


def test_a_function_is_defined_once():
    """Its parameters are named apart from the variables, and options stand in the call."""
    text = (
        DECAY.format(start=0) + "let w = odeint(rate, 1, 0, [1], a, atol = 1e-6, max_steps = 50)\n"
    )
    source = gendsl.compile(text).pyro_source
    assert source.count("def rate(") == 1
    assert "    def rate(t, x_, k_):\n        return -k_ * x_\n" in source
    assert "runtime.odeint(rate, a, 0.0, collect(ts, 1, 0), (k,), ranks=(0, 0))" in source
    assert "max_steps=50" in source


MATRIX = """
model Matrix
plate n
input ts[n]: positive
input s: covariance[2]
fn slope(t: real, z: real[2], s: covariance[2]): real[2] = -(cholesky(s) @ z)
let z[n]: real[2] = odeint(slope, [1, 1], 0, collect(ts, n), s)[n]
observe y[n]: real[2] ~ Normal(z, 1)
"""


def test_an_argument_may_be_a_matrix():
    model = gendsl.compile(MATRIX)
    ts, s = np.array([0.5, 1.5]), np.array([[1.0, 0.3], [0.3, 0.5]])
    z = np.array([linalg.expm(-np.linalg.cholesky(s) * t) @ np.ones(2) for t in ts])
    y = np.zeros((2, 2))
    wanted = stats.norm.logpdf(y, z).sum()
    assert model.log_density({}, {"ts": ts, "s": s, "y": y}) == pytest.approx(wanted, rel=1e-8)
