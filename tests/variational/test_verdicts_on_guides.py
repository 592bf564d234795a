"""What the verdict on a fit by `svi` says, and the facts that it is made of."""

from __future__ import annotations

import _thread
import threading

import numpy as np
import pytest
from scipy.stats import norm

import gendsl
from gendsl.diagnostics import GenError
from gendsl.runtime.results import build_tree
from gendsl.runtime.summary import summarise
from gendsl.runtime.variational import learning
from gendsl.runtime.variational.informing import information
from gendsl.runtime.variational.judging import judge_variational
from gendsl.runtime.variational.quality import course, effective_shares, pareto_shapes

# The trend of the bound

RNG = np.random.default_rng(8)


def test_a_bound_that_rises_is_seen_through_noise():
    bounds = np.linspace(-10, -9, 500) + 0.1 * RNG.normal(size=500)
    found = course(bounds)
    assert found["bound_trend_p"] < 1e-3
    assert found["bound_rise"] == pytest.approx(0.2, abs=0.06)
    assert found["bound_epochs"] == 100


def test_noise_alone_is_no_trend():
    """A test at 1 %: in 400 courses it is crossed by about 4; by 16 with probability 1e-6."""
    values = [course(row)["bound_trend_p"] for row in RNG.normal(size=(400, 60))]
    assert sum(p < 0.01 for p in values) < 16


def test_an_outlier_does_not_hide_a_rise():
    bounds = np.linspace(-10, -9, 100)
    bounds[-1] = -1e6
    assert course(bounds)["bound_rise"] == pytest.approx(0.19, abs=0.03)


def test_courses_that_are_short_constant_or_broken():
    assert course([1.0] * 9) == {}
    assert course([np.nan] * 50) == {}
    assert course([-3.0] * 50)["bound_trend_p"] == 1.0
    assert course([-3.0, np.nan] * 10)["bound_rise"] == 0.0


# The Pareto k of importance ratios


def student(draws, df):
    return np.abs(np.random.default_rng(1).standard_t(df, size=draws))


def test_pareto_k_of_known_tails():
    """The tail of |t| with v degrees of freedom is that of a Pareto law with k = 1 / v."""
    ratios = np.stack([student(40_000, v) for v in (1, 2, 4)], -1)
    np.testing.assert_allclose(pareto_shapes(np.log(ratios)), [1, 0.5, 0.25], atol=0.25)


def test_pareto_k_of_ratios_that_are_equal_or_not_finite():
    equal, impossible = np.full(100, -1e3), np.linspace(0, 1, 100)
    broken, mostly = impossible.copy(), impossible.copy()
    broken[3], mostly[:60] = np.nan, -np.inf
    found = pareto_shapes(np.stack([equal, broken, mostly], -1))
    np.testing.assert_array_equal(found, [0.0, np.inf, np.inf])
    shares = effective_shares(np.stack([equal, impossible, np.full(100, -np.inf)], -1))
    weights = np.exp(impossible)
    expected = weights.sum() ** 2 / (100 * (weights**2).sum())
    np.testing.assert_allclose(shares, [1.0, expected, 0.0], rtol=1e-12)


NARROW = """
model Narrow
plate n
dim D = {entries}
param t: positive = {sd}
latent mu: real[D] ~ Normal(0, 1)
guide mu ~ Normal(0, t)
observe y[n]: real[D] ~ Normal(mu, 1)
"""
STILL = {"epochs": 20, "optimiser": "sgd", "learning_rate": 1e-8, "progress": False}


@pytest.mark.parametrize(
    ("sd", "entries", "allowed"),
    [
        (0.5**0.5, 10, {"good"}),
        (1.0, 1, {"good"}),
        (0.6, 1, {"good"}),
        (0.1, 1, {"caution", "do not trust"}),
        (0.1, 10, {"do not trust"}),
    ],
)
def test_guides_that_stay_too_narrow(sd, entries, allowed):
    """The posterior of one value 0 is N(0, 1/2). A narrower normal law has ratios with a tail of
    k = 1 - (its sd / that of the posterior)^2; with several entries the estimate is higher."""
    model = gendsl.compile(NARROW.format(sd=sd, entries=entries))
    fit = model.fit({"y": np.zeros((1, entries))}, **STILL)
    verdict = fit.summary().verdict
    assert verdict.status in allowed, str(verdict)
    if sd == 0.5**0.5:
        assert fit.tree.attrs["effective_share"] == pytest.approx(1.0, abs=1e-9)


def test_pareto_k_of_narrow_normal_laws():
    draws = norm.rvs(size=(20_000, 3), random_state=2) * [0.4, 0.5, 0.6]
    log_ratios = norm.logpdf(draws, 0, 0.5**0.5) - norm.logpdf(draws, 0, [0.4, 0.5, 0.6])
    expected = 1 - 2 * np.square([0.4, 0.5, 0.6])
    np.testing.assert_allclose(pareto_shapes(log_ratios), expected, atol=0.15)


# From facts to sentences

KNOWN = {
    "elbo": -3.0,
    "steps": 100,
    "bound_rise": 0.0,
    "bound_trend_p": 1.0,
    "bound_epochs": 20,
    "latents": 1,
    "pareto_k": 0.2,
    "effective_share": 0.5,
}


def judged(**facts):
    return judge_variational({n: v for n, v in (KNOWN | facts).items() if v is not None})


@pytest.mark.parametrize(
    ("facts", "status", "sentence"),
    [
        ({}, "good", "The guide is near the posterior: the Pareto k"),
        ({"effective_share": 0.99, "pareto_k": 3.0}, "good", "draws is 99 %"),
        ({"pareto_k": 0.8}, "caution", "Do not take intervals for those of the posterior"),
        ({"pareto_k": 1.2}, "do not trust", "The guide is far from the posterior"),
        ({"pareto_k": float("inf")}, "do not trust", "inf, exceeds 1"),
        ({"pareto_k": None}, "caution", "is not known: there are too many numbers"),
        ({"points": "`z`"}, "caution", "The guide of `z` is a point"),
        ({"pareto_rows": 50, "pareto_rows_high": 6}, "caution", "exceeds 0.7 for 6 of 50 rows"),
        ({"pareto_rows": 50, "pareto_rows_high": 5}, "good", "exceeds 0.7 for 5 of 50 rows"),
        ({"elbo": float("nan")}, "do not trust", "The bound at the end is not a finite number"),
        ({"elbo": float("-inf")}, "do not trust", "The bound at the end is not a finite number"),
        ({"stopped": "interrupted"}, "do not trust", "The training was interrupted"),
        ({"bound_rise": None}, "caution", "There were too few epochs to tell"),
        ({"bound_rise": 0.5, "bound_trend_p": 1e-3}, "caution", "was still rising, by 0.5 nats"),
        ({"bound_rise": -0.5, "bound_trend_p": 1e-3}, "caution", "was falling at the end, by 0.5"),
        ({"bound_rise": 0.5, "bound_trend_p": 0.02}, "good", "was no longer rising"),
        ({"bound_rise": 0.005, "bound_trend_p": 1e-9}, "good", "was no longer rising"),
        (
            {"bound_rise": 0.005, "bound_trend_p": 1e-9, "rows": 100, "rows_of": "n"},
            "caution",
            "0.005 nats a row of `n` over the last 20 epochs",
        ),
        ({"skipped_steps": 1}, "caution", "1 step was left out"),
        ({"skipped_steps": 3}, "caution", "3 steps were left out"),
        ({"latents": 0, "pareto_k": None}, "good", "The log likelihood is -3 nats"),
        (
            {"units z": 2, "active z": 0, "elbo kl.z": 0.001},
            "caution",
            "The posterior of `z` has collapsed",
        ),
        ({"units z": 2, "active z": 1}, "good", "1 of 2 units of `z` are active"),
        # a latent whose scale is small is not one that says nothing
        ({"units z": 2, "active z": 0, "elbo kl.z": 3.0}, "good", "The guide is near"),
    ],
)
def test_sentences(facts, status, sentence):
    verdict = judged(**facts)
    assert verdict.status == status
    assert sentence in str(verdict)


# Whole fits

VAE = """
model VAE
plate n
net decode: real -> real[3] = mlp(hidden=[4])
latent z[n] ~ Normal(0, 1)
observe x[n]: real[3] ~ Normal({mean}, 1)
"""
X = np.random.default_rng(0).normal(size=(60, 3)) * [0.05, 0.05, 0.05]


def test_a_latent_that_is_not_needed_collapses():
    model = gendsl.compile(VAE.format(mean="decode(z)"))
    fit = model.fit({"x": X}, epochs=300, learning_rate=0.02, progress=False)
    assert "The posterior of `z` has collapsed" in str(fit.summary().verdict)
    assert fit.summary().verdict.status == "caution"


def test_training_that_had_only_begun_is_still_rising():
    model = gendsl.compile(VAE.format(mean="decode(z)"))
    fit = model.fit({"x": X + 5.0}, epochs=40, progress=False)
    assert "The bound was still rising" in str(fit.summary().verdict)


def test_an_interrupted_training(monkeypatch):
    """What was learned before is kept, and is not to be trusted."""
    train, timers = learning.train, []

    def interrupted(*args, **options):
        timers.append(threading.Timer(0.5, _thread.interrupt_main))
        timers[0].start()
        return train(*args, **options)

    monkeypatch.setattr(learning, "train", interrupted)
    model = gendsl.compile(VAE.format(mean="decode(z)"))
    fit = model.fit({"x": X}, epochs=1_000_000, progress=False)
    assert len(timers) == 1
    assert fit.tree.attrs["stopped"] == "interrupted"
    assert fit.summary().verdict.status == "do not trust"
    assert "The training was interrupted before its end." in str(fit.summary().verdict)
    assert fit.encode().z.shape == (60,)


def test_a_loss_that_is_not_finite_is_located():
    text = "model M\nplate n\nparam a = 1e200\nobserve y[n] ~ Normal(a * a * a, 1)"
    with pytest.raises(GenError) as caught:
        gendsl.compile(text).fit({"y": [1.0]}, infer="svi", epochs=50, progress=False)
    assert caught.value.diagnostics[0].code == "GD850"
    assert "log_likelihood.y" in str(caught.value)


def test_the_information_of_a_discrete_latent():
    """Mutual information of a value with its row: log K of certain ones, 0 of equal laws."""
    certain, equal = np.eye(4), np.full((4, 4), [0.1, 0.2, 0.3, 0.4])
    assert information(certain, 0, listed=True) == pytest.approx(np.log(4))
    assert information(equal, 0, listed=True) == pytest.approx(0, abs=1e-12)
    bits = np.array([[0.0, 0.5], [1.0, 0.5]])  # rows first: one bit certain, one the same
    assert information(bits, 0, listed=False) == pytest.approx(np.log(2))
    assert information(bits.T, 1, listed=False) == pytest.approx(np.log(2))


@pytest.mark.parametrize(("amount", "named"), [(0.01, True), (0.6, False)])
def test_a_collapsed_discrete_latent_is_named(amount, named):
    facts = {"elbo": -1.0, "rows": 100, "rows_of": "n", "information k": amount}
    assert ("The posterior of `k` has collapsed" in str(judge_variational(facts))) == named


def test_many_missing_values_are_a_sentence_and_not_rows():
    posterior = {"a": RNG.normal(size=(1, 10)), "y_missing": RNG.normal(size=(1, 10, 25))}
    attrs = {"elbo": -1.0, "rows": 100, "rows_of": "n"}
    shown = summarise(build_tree({"posterior": posterior}, {}, {}, attrs), kind="variational")
    assert list(shown.table.index) == ["a"]
    assert "`y` is missing 25 times, and has a law each time" in shown.caption
