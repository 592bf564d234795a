"""Energies that are normal laws: every method has a closed form to be compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import gendsl

CASES = Path(__file__).parents[3] / "shared" / "data" / "cases"

CENTRED = """model Gaussian
plate point
param A: covariance[3]
param b: real[3]
observe x[point]: real[3]
energy 0.5 * (x - b) @ A @ (x - b)
"""
NATURAL = """model Gaussian
plate point
param A: covariance[2]
param h: real[2]
observe x[point]: real[2]
energy 0.5 * x @ A @ x - h @ x
"""
S = np.array([[1.0, 0.4], [0.4, 0.8]])
QUICK = {"seed": 1, "progress": False}


def drawn():
    """Rows whose mean and covariance are exactly these."""
    z = np.random.default_rng(3).normal(size=(1000, 2))
    z = (z - z.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T, bias=True))).T
    return np.array([0.5, -0.3]) + z @ np.linalg.cholesky(S).T


X = drawn()
PRECISION = np.linalg.inv(S)
LOG_Z_AT_MEAN = np.log(2 * np.pi) + 0.5 * np.log(np.linalg.det(S))


def apart(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def precision(fit):
    return fit.estimate["A"].to_numpy().squeeze()


@pytest.fixture(scope="module")
def case():
    if not CASES.is_dir():
        pytest.skip("the cases are not here")
    return np.loadtxt(CASES / "d04.csv", delimiter=",", skiprows=1)


@pytest.mark.parametrize("method", ["mle", "score_matching"])
def test_the_case_d04_has_its_closed_form(method, case):
    fit = gendsl.compile(CENTRED).fit(
        {"x": case}, infer=method, epochs=700, learning_rate=0.05, schedule="linear", **QUICK
    )
    assert apart(precision(fit), np.linalg.inv(np.cov(case.T, bias=True))) < 1e-5
    assert np.allclose(fit.estimate["b"].to_numpy(), case.mean(0), atol=1e-4)
    if method == "score_matching":
        assert float(fit.history["loss"][-1]) == pytest.approx(-4.639631, abs=2e-5)
    else:
        law = multivariate_normal(case.mean(0), np.cov(case.T, bias=True))
        assert fit.tree.attrs["log_likelihood"] == pytest.approx(law.logpdf(case).mean(), abs=1e-6)
        assert np.allclose(fit.log_prob().to_numpy(), law.logpdf(case), atol=1e-3)
    assert str(fit.summary().verdict.status) == "good"


def test_denoising_of_the_case_d04_learns_the_noised_law_and_says_so(case):
    fit = gendsl.compile(CENTRED).fit(
        {"x": case},
        infer="score_matching",
        kind="denoising",
        sigma=0.5,
        epochs=700,
        learning_rate=0.03,
        **QUICK,
    )
    noised = np.linalg.inv(np.cov(case.T, bias=True) + 0.25 * np.eye(3))
    assert apart(precision(fit), noised) < 0.03
    assert np.allclose(fit.estimate["b"].to_numpy(), case.mean(0), atol=0.02)
    last = np.asarray(fit.history["loss"])[-200:]
    assert last.mean() == pytest.approx(3.928329, abs=0.02)
    assert "the law of the data plus noise of sd 0.5" in fit.summary().caption
    assert any("data plus noise of sd 0.5" in note for note in fit.plan.notes)


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("exact", 1e-5), ("sliced", 0.02), ("finite_difference", 0.05)]
)
def test_score_matching_is_maximum_likelihood_of_a_normal_law(kind, tolerance):
    fit = gendsl.compile(NATURAL).fit(
        {"x": X}, infer="score_matching", kind=kind, epochs=600, learning_rate=0.03, **QUICK
    )
    assert apart(precision(fit), PRECISION) < tolerance


def test_noise_contrastive_estimation_learns_log_z():
    fit = gendsl.compile(NATURAL).fit(
        {"x": X}, infer="noise_contrastive", epochs=600, learning_rate=0.05, **QUICK
    )
    mean = X.mean(0)
    log_z = LOG_Z_AT_MEAN + 0.5 * mean @ PRECISION @ mean
    assert apart(precision(fit), PRECISION) < 0.1
    learned = fit.log_z("learned")
    assert learned.value == pytest.approx(log_z, abs=0.1)
    assert learned.kind == "learned"
    assert learned.value == pytest.approx(fit.log_z("exact").value, abs=0.1)
    assert "log Z is a learned param" in fit.summary().caption


@pytest.mark.parametrize(("sampler", "step"), [("hmc", 0.3), ("langevin", 0.05)])
def test_contrastive_divergence_recovers_a_normal_law(sampler, step):
    fit = gendsl.compile(NATURAL).fit(
        {"x": X},
        infer="contrastive_divergence",
        sampler=sampler,
        step=step,
        sweeps=1 if sampler == "hmc" else 5,
        chains=500,
        epochs=250,
        learning_rate=0.05,
        **QUICK,
    )
    assert apart(precision(fit), PRECISION) < 0.15
    attrs = fit.tree.attrs
    assert attrs["moments_apart"] < 0.2
    assert "standard errors" in str(fit.summary().verdict)


def test_a_conditional_energy_is_logistic_regression():
    rng = np.random.default_rng(2)
    z = rng.normal(size=400)
    y = (rng.random(400) < 1 / (1 + np.exp(-(0.5 - 1.2 * z)))).astype(int)
    text = """model Conditional
plate row
param a: real
param b: real
input z[row]: real
observe y[row]: binary
energy -y * (a + b * z)
"""
    fit = gendsl.compile(text).fit(
        {"z": z, "y": y}, infer="mle", epochs=500, learning_rate=0.05, **QUICK
    )
    design, beta = np.stack([np.ones(400), z], 1), np.zeros(2)
    for _ in range(20):
        p = 1 / (1 + np.exp(-design @ beta))
        beta += np.linalg.solve((design.T * (p * (1 - p))) @ design, design.T @ (y - p))
    odds = design @ beta
    assert float(fit.estimate["a"]) == pytest.approx(beta[0], abs=1e-4)
    assert float(fit.estimate["b"]) == pytest.approx(beta[1], abs=1e-4)
    expected = y * odds - np.logaddexp(0, odds)
    assert np.allclose(fit.log_prob().to_numpy(), expected, atol=1e-3)
    with pytest.raises(gendsl.DataError, match="GD886"):
        fit.log_z()


def test_a_training_that_stopped_far_from_the_optimum_is_told():
    """Noise contrast has a plateau where params begin far from the data."""
    fit = gendsl.compile(NATURAL).fit(
        {"x": X}, infer="noise_contrastive", epochs=3, learning_rate=0.2, **QUICK
    )
    assert abs(fit.tree.attrs["log_z"] - fit.tree.attrs["log_z_exact"]) > 0.25
    assert fit.summary().verdict.status == "do not trust"
    assert "the learned energy" in str(fit.summary().verdict)
