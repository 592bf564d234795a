"""Recursion along sequences: densities against the reference, draws against their own laws."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import log

import numpy as np
import pytest
import torch
from failure_budget import share
from reference import log_density, log_density_marginal, with_lets
from scipy import stats

import gendsl
from gendsl.diagnostics import CompileError
from gendsl.runtime.results import EXACT

SIZES = {"t": 4, "g": 2, "a": 2, "b": 3, "D": 2}
HEAD = "model M\nsequence t\n"

CONTINUOUS = {
    "a latent that follows itself": """
latent phi: real(-1, 1) ~ Uniform(-1, 1)
latent h[0] ~ Normal(0, 1)
latent h[t] ~ Normal(phi * h[t-1], 0.5)
observe y[t] ~ Normal(h, 1)""",
    "positive, on plates, in the order of the data": """
plate g
latent w[g] ~ HalfNormal(1)
latent s[t, g]: positive ~ LogNormal(0, w)
latent h[0, g]: positive ~ Gamma(2, 1)
latent h[t, g]: positive ~ Gamma(2, 2 / (h[t-1] + s))
observe y[g, t] ~ Normal(h, 1)""",
    "vectors, two lags": """
dim D = 2
latent A: real[D, D] ~ Normal(0, 0.3)
latent z[0]: real[D] ~ Normal(0, 1)
latent z[1]: real[D] ~ Normal(0, 2)
latent z[t]: real[D] ~ Normal(A @ z[t-1] + 0.1 * z[t-2], 0.5)
observe y[t] ~ Normal(sum(z), 1)""",
    "latents that need one another": """
latent a[0] ~ Normal(0, 1)
latent a[t] ~ Normal(0.5 * b[t-1], 1)
latent b[0] ~ Normal(a[t = 0], 1)
latent b[t] ~ Normal(a - 0.2 * a[t-1], 1)
observe y[t] ~ Normal(a * b, 1)""",
    "through a let": """
latent k: unit ~ Uniform(0, 1)
latent h[0] ~ Normal(0, 1)
latent h[t] ~ Normal(m[t-1], 1)
let m[t] = k * h
observe y[t] ~ Normal(h, 1)""",
    "a let that follows itself": """
latent a: unit ~ Uniform(0, 1)
latent b: unit ~ Uniform(0, 1)
let s[0]: positive = 0.5
let s[t]: positive = sqrt(0.1 + a * y[t-1] ** 2 + b * s[t-1] ** 2)
observe y[t] ~ Normal(0, s)""",
    "lets that need one another": """
latent mu ~ Normal(0, 1)
latent theta ~ Normal(0, 1)
let nu[0] = 1.5 * mu
let nu[t] = mu + 0.3 * y[t-1] + tanh(theta) * err[t-1]
let err[t] = y - nu
observe y[t] ~ Normal(nu, 0.7)""",
    "lets on plates, three literal steps": """
plate g
input x[g, t]: real
latent level[g] ~ Normal(0, 1)
latent w: unit ~ Uniform(0, 1)
let s[g, 0] = level
let s[g, 1] = 0
let s[g, 3] = -1
let s[g, t] = w * s[t-2] + x[t-1] + level * x + t
observe y[g, t] ~ Normal(s, 1)""",
    "a vector that follows itself": """
dim D = 2
latent A: real[D, D] ~ Normal(0, 0.3)
let z[0]: real[D] = [1, 2]
let z[t]: real[D] = tanh(A @ z[t-1])
observe y[t]: real[D] ~ Normal(z, 1)""",
    "missing values of what follows itself": """
latent phi: real(-1, 1) ~ Uniform(-1, 1)
observe y[0] ~ Normal(0, 1)
observe y[t] ~ Normal(phi * y[t-1], 1)""",
    "positive, what depends on it too": """
latent s ~ HalfNormal(1)
latent h[0]: positive ~ LogNormal(0, 1)
latent h[t]: positive ~ LogNormal(log(h[t-1]), s)
observe y[t] ~ Gamma(h, 1 / h)""",
    "a composition that drifts": """
dim D = 2
latent p[0]: simplex[D] ~ Dirichlet(1)
latent p[t]: simplex[D] ~ Dirichlet(10 * p[t-1] + 1)
observe y[t]: index(D) ~ Categorical(p)""",
    "observed and positive": """
latent a ~ HalfNormal(1)
observe y[0]: positive ~ Gamma(2, 2)
observe y[t]: positive ~ Gamma(a + y[t-1], 1 / y[t-1])""",
    "narrowed, with bounds": """
latent h[0]: positive ~ Normal(0, 1)
latent h[t]: positive ~ Normal(h[t-1], 1)
observe y[t]: real(-9, 9) ~ Normal(h, 1)""",
    "a literal step later on, without lags": """
latent m ~ Normal(0, 1)
latent h[2] ~ Normal(m, 3)
latent h[t] ~ Normal(m, 2)
observe y[1] ~ Normal(h[t = 2], 3)
observe y[t] ~ Normal(h, 1)""",
    "lets with literal steps that do not recur": """
plate g
input x[g, t]: real
latent m[g] ~ Normal(0, 1)
let s[0, g] = 1
let s[2, g] = m
let s[t, g] = m * x[t-1]
observe y[g, t] ~ Normal(s, 1)""",
    "members that differ along a sequence": """
plate a = 2
input x[t]: index(a)
latent m[a] ~ Normal(0, 1)
let k[0]: index(a) = 1
let k[t]: index(a) = x[t-1]
observe y[t] ~ Normal(m[k], 1)""",
    "a base case that is the same for all, summed one step later": """
plate g
latent b ~ Normal(0, 1)
let s[0, g] = b
let s[t, g] = 0.3 * sum(s[t-1], g) + b * s[t-1]
observe y[g, t] ~ Normal(s, 1)""",
    "several lags of a let that begins with numbers": """
dim D = 2
latent w: real[D] ~ Normal(0, 1)
let s[0] = 1
let s[1] = 2
let s[t] = lags(s, D) @ w
observe y[t] ~ Normal(s, 1)""",
    "a latent that follows itself through a let that recurs": """
latent b ~ Normal(0, 1)
let s[0] = b
let s[t] = 0.5 * s[t-1] + h[t-1]
latent h[t] ~ Normal(s, 1)
observe y[t] ~ Normal(h, 1)""",
    "the first of two sequences": """
sequence a
latent m ~ Normal(0, 1)
observe y[0, a] ~ Normal(0, 2)
observe y[t, a] ~ Normal(m, 1)""",
}

CHAINS = {
    "a hidden Markov model": """
plate a = 2
latent move[a]: simplex[a] ~ Dirichlet(1)
latent mu[a] ~ Normal(0, 1)
latent z[0]: index(a) ~ Categorical([0.3, 0.7])
latent z[t]: index(a) ~ Categorical(move[z[t-1]])
observe y[t] ~ Normal(mu[z], 1)""",
    "on a plate, with an autoregression and a switch": """
plate g  plate b = 3
latent move[b]: simplex[b] ~ Dirichlet(1)
latent mu[b] ~ Normal(0, 1)
latent phi[g]: unit ~ Uniform(0, 1)
latent z[g, 0]: index(b) ~ Categorical([0.3, 0.2, 0.5])
latent z[g, t]: index(b) ~ Categorical(move[z[t-1]])
observe y[g, 0] ~ Normal(0, 2)
observe y[g, t] ~ Normal(mu[z] + phi * y[t-1] + mu[z[t-1]], 1)""",
    "two chains that meet in what is observed": """
plate a = 2  plate b = 3
latent ma[a]: simplex[a] ~ Dirichlet(1)
latent mb[b]: simplex[b] ~ Dirichlet(1)
latent mu[a]: real[b] ~ Normal(0, 1)
latent u[0]: index(a) ~ Categorical([0.3, 0.7])
latent u[t]: index(a) ~ Categorical(ma[u[t-1]])
latent v[0]: index(b) ~ Categorical([0.3, 0.5, 0.2])
latent v[t]: index(b) ~ Categorical(mb[v[t-1]])
observe y[t] ~ Normal(mu[u, b = v], 1)""",
    "alive or not, with several observations a step": """
plate g
latent p: unit ~ Uniform(0, 1)
latent q: unit ~ Uniform(0, 1)
latent z[0]: binary ~ Bernoulli(0.9)
latent z[t]: binary ~ Bernoulli(0.1 + 0.8 * p * z[t-1])
observe y[t, g]: binary ~ Bernoulli(0.05 + 0.9 * q * z)""",
    "a walk whose steps depend on the state": """
plate a = 2
latent move[a]: simplex[a] ~ Dirichlet(1)
latent s[a] ~ HalfNormal(1)
latent z[0]: index(a) ~ Categorical([0.5, 0.5])
latent z[t]: index(a) ~ Categorical(move[z[t-1]])
latent h[0] ~ Normal(0, 1)
latent h[t] ~ Normal(h[t-1], s[z])
latent e[t] ~ Normal(0, s[z])
observe y[t] ~ Normal(h + e, 1)""",
    "independent states, one step back": """
plate a = 2
latent mu[a] ~ Normal(0, 1)
latent z[t]: index(a) ~ Categorical([0.2, 0.8])
observe y[t] ~ Normal(mu[z] - 0.5 * mu[z[t-1]], 1)""",
    "that begins anew": """
plate a = 2
latent mu[a] ~ Normal(0, 1)
latent z[0]: index(a) ~ Categorical([0.2, 0.8])
latent z[2]: index(a) ~ Categorical([0.6, 0.4])
latent z[9]: index(a) ~ Categorical([0.5, 0.5])
latent z[t]: index(a) ~ Categorical([0.9, 0.1] if z[t-1] == 0 else [0.3, 0.7])
let m[0] = mu[a = 1]
let m[t] = mu[z] - mu[z[t-1]]
observe y[t] ~ Normal(m, 1)""",
}


def point(model: gendsl.Model, seed: int) -> tuple[dict, dict, dict]:
    """Sizes, data and values of the continuous latents, by simulation or at random."""
    rng = np.random.default_rng(seed)
    ir = model.compiled.checked.ir
    sizes = {a.name: SIZES[a.name] for a in ir.axes}
    values = {}
    for v in ir.variables:
        shape = [sizes[a] for a in v.axes] + [s.evaluate(sizes) for s in v.type.event]
        text = str(v.type.support)
        if v.role == "let" or (v.role == "latent" and text.startswith("index")):
            continue
        if text == "binary":
            values[v.name] = rng.integers(0, 2, shape)
        elif text.startswith("index"):
            values[v.name] = rng.integers(0, v.type.support.size.evaluate(sizes), shape)
        elif text.startswith("simplex"):
            values[v.name] = rng.dirichlet(np.ones(shape[-1]), shape[:-1])
        elif text in ("unit", "positive"):
            values[v.name] = rng.uniform(0.1, 0.9, shape)
        else:
            values[v.name] = rng.uniform(-0.9, 0.9, shape)
    data = {v.name: values.pop(v.name) for v in ir.of_role("input", "observed")}
    chains = {c.name for c in model.compiled.program.chains}
    return sizes, data, {n: v for n, v in values.items() if n not in chains}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_density(name):
    model = gendsl.compile(HEAD + CONTINUOUS[name])
    sizes, data, values = point(model, 1)
    wanted = log_density(model.compiled.checked.ir, sizes, {**data, **values})
    assert np.isfinite(wanted)
    assert model.log_density(values, data) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("name", CHAINS)
def test_density_summed_over_paths(name):
    model = gendsl.compile(HEAD + CHAINS[name])
    sizes, data, values = point(model, 2)
    chains = [c.name for c in model.compiled.program.chains]
    wanted = log_density_marginal(
        model.compiled.checked.ir, sizes, {**data, **values}, sum_over=chains
    )
    assert np.isfinite(wanted)
    assert model.log_density(values, data) == pytest.approx(wanted, rel=1e-10)


def test_density_of_a_given_path():
    model = gendsl.compile(HEAD + CHAINS["a hidden Markov model"])
    sizes, data, values = point(model, 3)
    values["z"] = np.array([1, 0, 0, 1])
    wanted = log_density(model.compiled.checked.ir, sizes, {**data, **values})
    assert model.log_density(values, data) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("name", [*CONTINUOUS, *CHAINS])
def test_simulates_what_it_weighs(name):
    """Lets agree with the draws, and observed values follow their laws given all else."""
    model = gendsl.compile(HEAD + (CONTINUOUS | CHAINS)[name])
    sizes, data, _ = point(model, 4)
    ir = model.compiled.checked.ir
    inputs = {v.name: data[v.name] for v in ir.of_role("input")}
    lacking = {a.name: sizes[a.name] for a in ir.axes if a.size is None and not inputs}
    if name == "independent states, one step back":
        with pytest.raises(gendsl.DataError, match=r"GD822.*step 0"):
            model.simulate(5, inputs, sizes=lacking)
        return
    tree = model.simulate(5, inputs, sizes=lacking, seed=5)
    drawn = {**tree["prior"].data_vars, **tree["prior_predictive"].data_vars}
    for draw in range(5):
        values = {n: np.asarray(a)[0, draw] for n, a in drawn.items()} | inputs
        lets = with_lets(ir, sizes, values)
        for let in ir.of_role("let"):
            np.testing.assert_allclose(values[let.name], lets[let.name], rtol=1e-10)
        assert np.isfinite(log_density(ir, sizes, values))


def test_simulated_walk_has_its_moments():
    model = gendsl.compile(
        HEAD
        + """
latent h[0] ~ Normal(3, 2)
latent h[t] ~ Normal(0.5 * h[t-1], 1)
observe y[t] ~ Normal(h, 1)"""
    )
    tree = model.simulate(4000, sizes={"t": 3}, seed=6)
    y = tree["prior_predictive"]["y"].to_numpy()[0]
    mean = np.array([3, 1.5, 0.75])
    variance = np.array([4, 2, 1.5]) + 1
    z = stats.norm.isf(share(6) / 2)
    error = np.abs(y.mean(0) - mean) / np.sqrt(variance / 4000)
    assert (error < z).all()
    spread = np.abs(y.var(0, ddof=1) / variance - 1) / np.sqrt(2 / 4000)
    assert (spread < z).all()


def test_simulated_chain_moves_as_it_should():
    model = gendsl.compile(
        HEAD
        + """
plate a = 2
latent z[0]: index(a) ~ Categorical([0.2, 0.8])
latent z[t]: index(a) ~ Categorical([0.9, 0.1] if z[t-1] == 0 else [0.3, 0.7])
observe y[t] ~ Normal(z == 1, 0.1)"""
    )
    z = model.simulate(4000, sizes={"t": 2}, seed=7)["prior"]["z"].to_numpy()[0]
    cells = np.bincount(2 * z[:, 0] + z[:, 1], minlength=4)
    wanted = 4000 * np.array([0.18, 0.02, 0.24, 0.56])
    statistic = ((cells - wanted) ** 2 / wanted).sum()
    assert stats.chi2.sf(statistic, 3) > share(1)


def test_a_known_chain_is_inferred_exactly():
    """Evidence and marginals against enumeration of all paths."""
    model = gendsl.compile(
        HEAD
        + """
plate a = 3
input move[a]: simplex[a]
input mu[a]: real
latent z[0]: index(a) ~ Categorical([0.5, 0.25, 0.25])
latent z[t]: index(a) ~ Categorical(move[z[t-1]])
observe y[t] ~ Normal(mu[z], 1)"""
    )
    rng = np.random.default_rng(8)
    data = {"move": rng.dirichlet(np.ones(3), 3), "mu": np.arange(3.0), "y": rng.normal(1, 1, 4)}
    paths = np.array(list(np.ndindex(3, 3, 3, 3)))
    logs = np.log([0.5, 0.25, 0.25])[paths[:, 0]]
    logs = logs + np.log(data["move"])[paths[:, :-1], paths[:, 1:]].sum(1)
    logs = logs + stats.norm.logpdf(data["y"], data["mu"][paths], 1).sum(1)
    evidence = np.logaddexp.reduce(logs)
    weight = np.exp(logs - evidence)
    wanted = np.stack([(weight[:, None] * (paths == k)).sum(0) for k in range(3)], -1)
    fit = model.fit(data, seed=1, progress=False)
    assert fit.kind == "exact"
    assert fit.tree.attrs["log_evidence"] == pytest.approx(evidence, rel=1e-12)
    np.testing.assert_allclose(fit.tree[EXACT]["z"].to_numpy(), wanted, atol=1e-12)
    drawn = fit.posterior["z"].to_numpy().reshape(-1, 4)
    counts = np.bincount(drawn @ [27, 9, 3, 1], minlength=81)
    likely = weight > 5 / len(drawn)
    table = np.append(counts[likely], counts[~likely].sum())
    chances = np.append(weight[likely], weight[~likely].sum()) * len(drawn)
    p = stats.chi2.sf(((table - chances) ** 2 / chances).sum(), len(table) - 1)
    assert p > share(1)


def test_forecast_of_a_walk():
    model = gendsl.compile(
        HEAD
        + """
latent h[0] ~ Normal(0, 1)
latent h[t] ~ Normal(h[t-1], 0.5)
observe y[t] ~ Normal(h, 0.3)"""
    )
    y = np.array([0.3, 0.1, -0.2, 0.5])
    fit = model.fit({"y": y}, seed=1, chains=2, warmup=300, draws=500, progress=False)
    found = fit.predict({"y": [*y, np.nan, np.nan, np.nan]}, draws=1000, seed=2)
    h = found["h"].to_numpy()[0]
    last = fit.posterior["h"].to_numpy().reshape(-1, 4)
    np.testing.assert_array_equal(h[:, :4], last)
    steps = np.diff(h[:, 3:], axis=1) / 0.5
    z = stats.norm.isf(share(4) / 2)
    assert abs(steps.mean()) < z / np.sqrt(steps.size)
    assert abs(steps.var() - 1) < z * np.sqrt(2 / steps.size)
    with pytest.raises(gendsl.DataError, match="GD829"):
        fit.evaluate({"y": [*y, 0.1]})
    noise = (found["y"].to_numpy()[0] - h) / 0.3
    assert abs(noise.mean()) < z / np.sqrt(noise.size)
    assert abs(noise.var() - 1) < z * np.sqrt(2 / noise.size)


def test_forecast_of_what_recurs_in_the_data():
    model = gendsl.compile(
        HEAD
        + """
latent c ~ Normal(0, 1)
observe y[0] ~ Normal(0, 1)
observe y[t] ~ Normal(c + y[t-1], 0.001)"""
    )
    fit = model.fit(
        {"y": [0.0, 1.0, 2.0, 3.0]}, seed=1, chains=2, warmup=300, draws=300, progress=False
    )
    found = fit.predict({"y": [0.0, 1.0, 2.0, 3.0, np.nan, np.nan]}, seed=2)["y"].to_numpy()[0]
    assert found[:, 4].mean() == pytest.approx(4, abs=0.01)
    assert found[:, 5].mean() == pytest.approx(5, abs=0.02)
    ahead = fit.predict({"y": [0.0, 5.0, 2.0, 3.0]}, seed=2)["y"].to_numpy()[0]
    assert ahead[:, 2].mean() == pytest.approx(6, abs=0.01)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "plate a = 2  plate s\nlatent z[s, 0]: index(a) ~ Categorical([0.5, 0.5])\n"
            "latent z[s, t]: index(a) ~ "
            "Categorical([0.2, 0.8] if z[s, t-1] == 0 else [0.5, 0.5])\n"
            "latent c[t]: index(a) ~ Categorical([0.3, 0.7])\n"
            "observe y[s, t] ~ Normal((z == 1) + (c == 1), 1)",
            "tied to `c`, which stands along it but not in all its plates",
        ),
        (
            "observe c[2]: binary? ~ Bernoulli(0.2)\nobserve c[t]: binary? ~ Bernoulli(0.6)\n"
            "observe y[t] ~ Normal(m * c, 1)",
            "its law differs along a sequence",
        ),
        (
            "sequence s\nobserve y[t, s] ~ Normal(m * y[t-1] + y[s-1], 1)",
            "GD919.*along `t` and along `s`",
        ),
    ],
)
def test_refusals(text, reason):
    with pytest.raises(CompileError, match=reason):
        gendsl.compile(HEAD + "latent m ~ Normal(0, 1)\nobserve x ~ Normal(m, 1)\n" + text)


def test_a_long_chain_does_not_underflow():
    """Two states that emit alike: the evidence is that of independent draws."""
    model = gendsl.compile(
        HEAD
        + """
plate a = 2
latent z[0]: index(a) ~ Categorical([0.5, 0.5])
latent z[t]: index(a) ~ Categorical([0.9, 0.1] if z[t-1] == 0 else [0.1, 0.9])
observe y[t]: binary ~ Bernoulli(0.25)
observe w[t] ~ Normal(3 * (z == 1), 1)"""
    )
    count = 3001
    data = {"y": np.zeros(count), "w": np.full(count, 1.5)}
    found = model.log_density({}, data)
    assert found == pytest.approx(count * (log(0.75) + stats.norm.logpdf(1.5)), rel=1e-10)


def test_a_walk_that_looks_at_the_whole_of_another_series():
    model = gendsl.compile(
        HEAD
        + """
latent m[t] ~ Normal(t, 0.001)
latent h[0] ~ Normal(mean(m, t), 0.001)
latent h[t] ~ Normal(h[t-1] + mean(m, t), 0.001)
observe y[t] ~ Normal(h, 1)"""
    )
    h = model.simulate(20, sizes={"t": 4}, seed=1)["prior"]["h"].to_numpy()[0]
    np.testing.assert_allclose(h.mean(0), [1.5, 3, 4.5, 6], atol=0.01)


def test_a_walk_of_vectors_is_simulated():
    model = gendsl.compile(
        HEAD
        + """
dim D = 3
latent p[0]: simplex[D] ~ Dirichlet([1, 2, 7])
latent p[t]: simplex[D] ~ Dirichlet(1000 * p[t-1] + 0.01)
observe y[t] ~ Normal(p[2], 0.1)"""
    )
    p = model.simulate(20, sizes={"t": 3}, seed=1)["prior"]["p"].to_numpy()[0]
    np.testing.assert_allclose(p[:, 1:], p[:, :-1], atol=0.1)


def test_predictions_where_steps_differ():
    """Literal steps are scored and drawn; what cannot be drawn from is refused."""
    model = gendsl.compile(
        HEAD
        + """
latent b: real(0.999, 1.001) ~ Uniform(0.999, 1.001)
observe y[2] ~ Normal(5, 0.1)
observe y[t] ~ Normal(b, 0.1)
observe w[t] ~ Normal(b + w[t-2], 0.1)"""
    )
    data = {"y": [1.0, 1, 5, 1], "w": [0.0, 1, 1, 2]}
    fit = model.fit(data, seed=1, chains=2, warmup=100, draws=100, progress=False)
    score = fit.evaluate(data)
    assert score.rows == 6
    assert score.log_predictive_density == pytest.approx(
        6 * stats.norm.logpdf(0, 0, 0.1), abs=0.02
    )
    found = fit.predict({"w": data["w"]}, seed=1)["y"].to_numpy()[0]
    np.testing.assert_allclose(found.mean(0), [1, 1, 5, 1], atol=0.1)
    found = fit.predict({**data, "w": [0.0, 1, np.nan, np.nan]}, seed=1)["w"].to_numpy()[0]
    np.testing.assert_allclose(found[:, 2:].mean(0), [1, 2], atol=0.1)
    with pytest.raises(gendsl.DataError, match=r"GD914.*no distribution at step 1"):
        fit.predict({**data, "w": [0.0, np.nan, np.nan, np.nan]})


def test_given_values_beyond_a_latent_series_are_refused():
    model = gendsl.compile(
        HEAD
        + """
latent h[0] ~ Normal(0, 1)
latent h[t] ~ Normal(h[t-1] + 1, 0.1)
observe y[0] ~ Normal(0, 0.1)
observe y[t] ~ Normal(h + y[t-1], 0.1)"""
    )
    y = [0.0, 1, 3, 6]
    fit = model.fit({"y": y}, seed=1, chains=2, warmup=100, draws=100, progress=False)
    with pytest.raises(gendsl.DataError, match="GD914"):
        fit.predict({"y": [*y, 10, 15]})


@contextmanager
def default_dtype() -> Iterator[None]:
    """A program that runs by itself sets torch's default type."""
    before = torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_default_dtype(before)


BESIDE = """
latent z[0]: binary ~ Bernoulli(0.7)
latent z[t]: binary ~ Bernoulli(0.8 if z[t-1] == 1 else 0.1)
observe y[t] ~ Normal(z, 1)
latent k: integer(0, 1) ~ Poisson(0.5)
observe w ~ Normal(k, 1)"""


def test_a_chain_beside_another_discrete_latent():
    """Marginals by Bayes' rule; the program run by itself agrees."""
    model = gendsl.compile(HEAD + BESIDE)
    fit = model.fit({"y": [0.5, 2.0], "w": 1.0}, seed=1, progress=False)
    k = np.array([1, 0.5]) / 1.5 * stats.norm.pdf(1, [0, 1])
    z = np.array([[0.3 * 0.9, 0.3 * 0.1], [0.7 * 0.2, 0.7 * 0.8]])
    z = z * stats.norm.pdf(0.5, [[0], [1]]) * stats.norm.pdf(2, [[0, 1]])
    found = fit.tree[EXACT]
    np.testing.assert_allclose(found["k"], k / k.sum(), atol=1e-12)
    np.testing.assert_allclose(found["z"], np.stack([z.sum(1), z.sum(0)]) / z.sum(), atol=1e-12)
    assert fit.tree.attrs["log_evidence"] == pytest.approx(log(k.sum() * z.sum()), rel=1e-12)


def test_programs_with_chains_run_by_themselves(tmp_path, monkeypatch, capsys):
    model = gendsl.compile(HEAD + BESIDE)
    np.savez(tmp_path / "data.npz", n_t=2, y=np.array([0.5, 2.0]), w=np.array(1.0))
    (tmp_path / "program.py").write_text(model.compiled.program.source, "utf-8")
    monkeypatch.setattr(sys, "argv", ["program.py", str(tmp_path / "data.npz")])
    with default_dtype():
        runpy.run_path(str(tmp_path / "program.py"), run_name="__main__")
    printed = capsys.readouterr().out
    evidence = float(printed.split("log evidence:")[1].split()[0])
    assert evidence == pytest.approx(model.log_density({}, {"y": [0.5, 2.0], "w": 1.0}))
    assert "k [0.0, 1.0]" in printed
    assert "z [0.0, 1.0] [[" in printed
