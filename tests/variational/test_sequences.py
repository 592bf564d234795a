"""Models along sequences under guides: state spaces, deep Markov models, ragged sequences."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal

import gendsl
from gendsl.diagnostics import CompileError, DataError
from gendsl.library.architectures import Port
from gendsl.runtime.nets import build
from gendsl.runtime.objectives import Elbo, Iwae
from gendsl.types import REAL

QUIET = {"progress": False, "draws": 20}

# A state space: its exact posterior is normal and linear, step by step

DECAY, STEP, NOISE = 0.8, 0.6, 0.5
STATES = """
model States
plate n  sequence t
latent z[n, 0] ~ Normal(0, 1)
latent z[n, t] ~ Normal(0.8 * z[t-1], 0.6)
observe x[n, t] ~ Normal(z, 0.5)
let y[n]: real[t] = collect(x, t)
param a[t]: real = 0
param w[t]: real[t] = zeros(t)
param s[t]: positive = 0.5
guide z[n, 0] ~ Normal(w[t=0] @ y, s[t=0])
guide z[n, t] ~ Normal(a * z[t-1] + w @ y, s)
infer svi
"""


@cache
def series(count=12, length=4):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(count, length))
    for t in range(1, length):
        z[:, t] = DECAY * z[:, t - 1] + STEP * z[:, t]
    return z + NOISE * rng.normal(size=z.shape)


def kalman(x):
    """The exact log likelihood of each row, by the predictions of its steps."""
    total, mean, variance = np.zeros(len(x)), np.zeros(len(x)), 1.0
    for t in range(x.shape[1]):
        if t:
            mean, variance = DECAY * mean, DECAY**2 * variance + STEP**2
        seen = variance + NOISE**2
        total += -0.5 * np.log(2 * np.pi * seen) - 0.5 * (x[:, t] - mean) ** 2 / seen
        gain = variance / seen
        mean, variance = mean + gain * (x[:, t] - mean), (1 - gain) * variance
    return total


@cache
def fitted(epochs=400):
    model = gendsl.compile(STATES)
    return model.fit(
        {"x": series()},
        epochs=epochs,
        learning_rate=0.1,
        schedule="cosine",
        gradient="path",
        seed=1,
        dtype="float64",
        **QUIET,
    )


def test_the_filter_is_the_likelihood_of_a_normal_law():
    lags = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    loadings = np.tril(DECAY ** np.tril(lags).astype(float))
    shocks = np.diag([1.0, *[STEP**2] * 3])
    covariance = loadings @ shocks @ loadings.T + NOISE**2 * np.eye(4)
    law = multivariate_normal(np.zeros(4), covariance)
    assert_allclose(kalman(series()), law.logpdf(series()))


def sites_of(fit, data, particles=1, seed=0):
    bound = fit.data if data is None else fit._bound(data, None, None, frozenset({"x"}))
    with fit._ready(bound, seed) as inference:
        rows = inference.rows.total
        return inference, inference.light.sites(inference.everything(), particles, rows, rows)


def log_weights(fit, particles, seed=0):
    """log p(x, z) - log q(z) at draws of the guide, (particles, rows)."""
    _, sites = sites_of(fit, None, particles, seed)
    return sum(site.log_p for site in sites) - sites["z"].log_q


def test_the_optimum_is_the_likelihood_of_the_kalman_filter():
    """The family holds the posterior, so at the optimum every draw has the weight p(x)."""
    exact = kalman(series())
    assert_allclose(log_weights(fitted(), 10), np.broadcast_to(exact, (10, 12)), atol=2e-3)
    found = fitted().score(particles=20)
    assert found.log_likelihood.mean == pytest.approx(exact.mean(), abs=1e-3)
    assert found.steps == 48
    assert found.elbo_per_step == pytest.approx(found.elbo.mean / 4)


def test_many_particles_approach_it_from_below():
    """A guide that has barely been trained: the gap closes with the number of particles."""
    log_w, exact = log_weights(fitted(20), 4000), float(kalman(series()).mean())
    bounds = [
        float((log_w.reshape(-1, k, 12).logsumexp(1) - np.log(k)).mean()) for k in (1, 10, 4000)
    ]
    assert bounds[0] < bounds[1] < bounds[2] < exact + 0.05
    assert bounds[0] < exact - 0.3
    assert bounds[2] == pytest.approx(exact, abs=0.1)


def test_encoded_states_are_those_of_the_smoother():
    """Given all data of a row: the mean of the exact posterior at each step."""
    lags = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    loadings = np.tril(DECAY ** np.tril(lags).astype(float))
    prior = loadings @ np.diag([1.0, *[STEP**2] * 3]) @ loadings.T
    gain = prior @ np.linalg.inv(prior + NOISE**2 * np.eye(4))
    codes = fitted().encode()
    sds = np.sqrt(np.diag(prior - gain @ prior))
    # means of a step are averages over 100 draws of the step before
    assert_allclose(codes.z, series() @ gain.T, atol=6 * sds.max() / 10)
    assert_allclose(codes.z_sd, np.broadcast_to(sds, (12, 4)), rtol=0.25)


def test_the_divergence_by_formula_has_the_mean_of_the_sampled_one():
    fit = fitted(20)
    _, sites = sites_of(fit, None, particles=4000)
    by_formula = Elbo(4000, kl="analytic")(sites)
    sampled = Elbo(4000, kl="sampled")(sites)
    assert by_formula.analytic == {"z"}
    log_q, log_p = sites["z"].log_q, sites["z"].log_p
    error = float((log_q - log_p).mean(1).std() / 4000**0.5)
    difference = float(by_formula.terms["kl.z"] - sampled.terms["kl.z"])
    assert abs(difference) < 7 * error


# Ragged sequences

RAGGED = """
model DeepMarkov
plate song  sequence t[song]  dim L = 2  dim H = 3  dim D
net step: real[L] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
net emit: real[L] -> real[D] = mlp(hidden=[4])
latent z[song, 0]: real[L] ~ Normal(0, 1)
latent z[song, t]: real[L] ~ Normal(step(z[t-1]))
observe x[song, t]: binary[D] ~ Bernoulli(logits=emit(z))
"""
WRITTEN = """
net future: real[t, D] -> real[t, H] = rnn(hidden=3, direction=backward)
net combine: (real[L], real[H]) -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
let h[song]: real[t, H] = future(collect(x, t))
guide z[song, 0] ~ Normal(combine(zeros(L), h[t=0]))
guide z[song, t] ~ Normal(combine(z[t-1], h[t]))
"""


@cache
def songs():
    rng = np.random.default_rng(3)
    return tuple(rng.integers(0, 2, (n, 3)) for n in (4, 1, 6, 2, 6, 3))


@cache
def trained(text=RAGGED):
    model = gendsl.compile(text)
    return model.fit(
        {"x": list(songs())}, epochs=3, batch_size=4, seed=1, dtype="float64", **QUIET
    )


@pytest.mark.parametrize("kl", ["auto", "sampled"])
@pytest.mark.parametrize("text", [RAGGED, RAGGED + WRITTEN], ids=["automatic", "written"])
def test_a_ragged_batch_is_the_sum_of_its_trimmed_sequences(text, kl):
    """At the same draws: what stands after the ends has no part in any density."""
    fit = trained(text)
    _, whole = sites_of(fit, {"x": list(songs())}, particles=3)
    value = whole["z"].value
    total = 0.0
    for row, song in enumerate(songs()):
        bound = fit._bound({"x": song[None]}, None, None, frozenset({"x"}))
        with fit._ready(bound, 0) as inference:
            light = inference.light
            light._fixed = {"z": value[:, row : row + 1, : len(song)]}
            one = light.sites(inference.everything(), 3, 1, 1)
        total += float(Elbo(3, kl=kl)(one).loss)
    assert float(Elbo(3, kl=kl)(whole).loss) * len(songs()) == pytest.approx(total, rel=1e-9)


def test_what_stands_after_the_ends_does_not_matter():
    """Neither for the loss nor for its gradient."""
    fit = trained(RAGGED + WRITTEN)
    lengths = [len(s) for s in songs()]
    found = []
    for filler in (0, 1):
        x = np.full((6, 6, 3), filler)
        for row, song in zip(x, songs(), strict=True):
            row[: len(song)] = song
        bound = fit._bound({"x": x, "t_lengths": lengths}, None, None, frozenset({"x"}))
        with fit._ready(bound, 1) as inference, torch.enable_grad():
            sites = inference.light.sites(inference.everything(), 5, 6, 6)
            loss = Iwae(5)(sites).loss
            nets = [p for n in inference.learned.nets.values() for p in n.parameters()]
            found.append((loss.detach(), *torch.autograd.grad(loss, nets)))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_ragged_data_come_as_lists_with_gaps_or_with_lengths():
    model = gendsl.compile(RAGGED)
    lengths = [len(s) for s in songs()]
    padded = np.full((6, 8, 3), np.nan)
    for row, song in zip(padded, songs(), strict=True):
        row[: len(song)] = song
    given = (
        {"x": list(songs())},
        {"x": [s.tolist() for s in songs()]},
        {"x": padded},
        {"x": np.nan_to_num(padded, nan=1), "t_lengths": lengths},
    )
    for data in given:
        bound = model.bind(data)
        assert bound.sizes["t"] == 6
        assert bound.values["t_lengths"].tolist() == lengths
        assert bound.values["x"].shape == (6, 6, 3)
        assert not bound.missing


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"x": list(songs()), "t_lengths": [4, 1, 6, 2, 5, 3]},
            "`x` (key 'x') has 6 steps for [4], where `t_lengths` is 5",
        ),
        (
            {"x": list(songs())[:4], "t_lengths": [4, 1, 6, 2, 5, 3]},
            "`x` (key 'x') is for 4 members of `song`, where `t_lengths` has 6",
        ),
        (
            {"x": np.zeros((2, 5, 3)), "t_lengths": [5, 7]},
            "`x` (key 'x') has 5 steps, where `t_lengths` goes up to 7",
        ),
        ({"x": np.zeros((2, 5, 3)), "t_lengths": [5, 0]}, "t_lengths[1] is 0"),
        ({"x": [np.zeros((2, 3)), np.zeros((4, 2))]}, "differ"),
    ],
)
def test_lengths_that_do_not_agree_are_told(data, message):
    with pytest.raises(DataError, match="GD7") as caught:
        gendsl.compile(RAGGED).bind(data)
    assert message in str(caught.value)


def test_results_end_where_their_sequences_end():
    fit = trained()
    lengths = np.array([len(s) for s in songs()])
    there = np.arange(6) < lengths[:, None]
    for found in (fit.encode(), fit.reconstruct(), fit.posterior_predictive(draws=3)):
        for name, array in found.data_vars.items():
            moved = array.transpose("song", "t", ...).to_numpy()
            known = ~np.isnan(moved).reshape(6, 6, -1).any(-1)
            assert (known == there).all(), name
    again = fit.decode(fit.encode())
    assert_allclose(again.x, fit.reconstruct().x)
    assert fit.score(particles=2).steps == lengths.sum()
    assert fit.score(particles=2).dimensions == pytest.approx(lengths.mean() * 3)


def test_new_sequences_have_the_length_that_is_asked_for():
    fit = trained()
    assert fit.generate(2, seed=1).sizes["t"] == 6
    even = fit.generate(2, length=9, seed=1)
    assert not np.isnan(even.x).any()
    assert even.sizes == {"song": 2, "t": 9, "L": 2, "D": 3}
    ragged = fit.generate(3, {"t_lengths": [1, 4, 7]}, seed=1)
    assert (~np.isnan(ragged.z[:, :, 0])).sum("t").values.tolist() == [1, 4, 7]


def test_other_methods_refuse_ragged_sequences():
    text = """
    model Walk
    plate n  sequence t[n]
    latent z[n, 0] ~ Normal(0, 1)
    latent z[n, t] ~ Normal(z[t-1], 1)
    observe x[n, t] ~ Normal(z, 1)
    infer nuts
    """
    with pytest.raises(CompileError, match="`t` is ragged, which takes learning by steps"):
        gendsl.compile(text)


def test_a_ragged_walk_without_networks():
    """Parameters of its own for each step; the bound is below the exact evidence."""
    text = """
    model Walk
    plate n  sequence t[n]
    latent z[n, 0] ~ Normal(0, 1)
    latent z[n, t] ~ Normal(0.8 * z[t-1], 0.6)
    observe x[n, t] ~ Normal(z, 0.5)
    infer svi
    """
    x = [row[:n] for row, n in zip(series(), (1, 2, 3, 4) * 3, strict=True)]
    fit = gendsl.compile(text).fit(
        {"x": x}, epochs=800, schedule="cosine", learning_rate=0.05, seed=1, **QUIET
    )
    exact = sum(kalman(row[None]).sum() for row in x)
    found = fit.score(particles=200).log_likelihood.total
    assert exact - 3 < found < exact + 0.5


# Networks up to lengths of their own


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("pool", ["none", "last", "mean"])
def test_networks_read_up_to_the_ends(cell, direction, pool):
    steps = 5
    out = (steps, 2) if pool == "none" else (2,)
    options = {"hidden": 3, "direction": direction, "pool": pool, "layers": 2}
    net = build(cell, options, [Port((steps, 4), REAL)], {"": Port(out, REAL)})
    x = torch.randn(3, 2, steps, 4)
    lengths = torch.tensor([[1.0, 5.0], [3.0, 2.0], [4.0, 4.0]])
    found = net(x, lengths=lengths)
    for i in range(3):
        for j in range(2):
            n = int(lengths[i, j])
            alone = net(x[i, j, :n])
            whole = found[i, j, :n] if pool == "none" else found[i, j]
            torch.testing.assert_close(whole, alone)


# Recurrence through a let

VRNN = """
model Recurrent
plate n  sequence t  dim L = 2  dim H = 3  dim D
net prior: real[H] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
net emit: (real[L], real[H]) -> real[D] = mlp(hidden=[4])
net next: (real[H], real[D], real[L]) -> real[H] = mlp(hidden=[4], output=tanh)
net encode: (real[D], real[H]) -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
latent z[n, 0]: real[L] ~ Normal(0, 1)
latent z[n, t]: real[L] ~ Normal(prior(h[t-1]))
let h[n, 0]: real[H] = next(zeros(H), x[t=0], z[t=0])
let h[n, t]: real[H] = next(h[t-1], x, z)
observe x[n, 0]: binary[D] ~ Bernoulli(logits=emit(z[t=0], zeros(H)))
observe x[n, t]: binary[D] ~ Bernoulli(logits=emit(z, h[t-1]))
guide z[n, 0] ~ Normal(encode(x[t=0], zeros(H)))
guide z[n, t] ~ Normal(encode(x, h[t-1]))
"""


def test_a_variational_recurrent_network(tmp_path):
    """Copies of the value before: what recurs remembers it."""
    rng = np.random.default_rng(1)
    x = np.repeat(rng.integers(0, 2, (60, 1, 2)), 5, 1)
    fit = gendsl.compile(VRNN).fit(
        {"x": x}, epochs=60, batch_size=20, learning_rate=0.02, seed=1, **QUIET
    )
    found = fit.score(particles=20)
    assert found.log_likelihood.mean > -0.6 * 10 * np.log(2)  # the first step, and little more
    means = fit.reconstruct().x
    assert means.shape == x.shape
    assert float(np.abs(means - x).sel(t=slice(2, None)).mean()) < 0.2
    new = fit.generate(50, length=7, seed=1).x
    assert float((new.diff("t") == 0).sel(t=slice(2, None)).mean()) > 0.8
    with pytest.raises(DataError, match="depends on its values at earlier ones"):
        fit.decode({"z": np.zeros((2, 5, 2))})
    fit.save(tmp_path / "run")
    again = gendsl.load_fit(tmp_path / "run")
    assert_allclose(again.encode().z, fit.encode().z)


CHORALES = """
model Chorales
plate song  sequence t[song]  dim L = 32  dim D
net step: real[L] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[100])
net emit: real[L] -> real[D] = mlp(hidden=[100, 100])
latent z[song, 0]: real[L] ~ Normal(0, 1)
latent z[song, t]: real[L] ~ Normal(step(z[t-1]))
observe x[song, t]: binary[D] ~ Bernoulli(logits=emit(z))
infer svi(epochs=150, batch_size=20, learning_rate=0.004, schedule=cosine, kl_warmup=25,
          clip_norm=10)
"""


@pytest.mark.slow
def test_chorales_of_bach(shared_data):
    """In nats a step, after 1800 steps, 233 s of one core: -7.85 measured on test songs.

    Keys that are independent of one another and of time have -11.06. Published for far longer
    trainings of deep Markov models: about -6.4 to -7.0.
    """
    with np.load(shared_data / "jsb_chorales.npz") as found:
        parts = {
            name: np.split(found[name], np.cumsum(found[f"{name}_lengths"])[:-1])
            for name in ("train", "test")
        }
    fit = gendsl.compile(CHORALES).fit({"x": parts["train"]}, seed=1, progress=False)
    score = fit.score({"x": parts["test"]}, particles=10)
    print(score)
    assert score.steps == sum(map(len, parts["test"]))
    assert score.elbo_per_step > -8.1
    assert score.log_likelihood_per_step > score.elbo_per_step
