"""Discrete latents of every shape: sums against brute force, draws against the joint."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from failure_budget import share
from reference import log_density, log_density_marginal
from scipy.special import logsumexp
from scipy.stats import binom, norm

import gendsl
from gendsl.runtime.backend import tensors
from gendsl.runtime.density import Density
from gendsl.runtime.potential import potential_of
from gendsl.runtime.program import executable

Y = np.array([0.4, 1.3, -0.2, 2.1])
MU = {"mu": np.array([-0.4, 1.1])}

CASES = {
    "a hidden Markov model": (
        """sequence t  plate k = 2
        latent mu[k] ~ Normal(0, 2)
        latent z[0]: index(k) ~ Categorical([0.3, 0.7])
        latent z[t]: index(k) ~ Categorical([0.9, 0.1] if z[t-1] == 0 else [0.2, 0.8])
        observe y[t] ~ Normal(mu[z], 0.7)""",
        {"y": Y},
        MU,
    ),
    "two chains with a third that hangs on one": (
        """sequence t
        latent a[0] ~ Bernoulli(0.5)
        latent a[t] ~ Bernoulli(0.2 + 0.5 * a[t-1])
        latent b[0] ~ Bernoulli(0.3)
        latent b[t] ~ Bernoulli(0.6 - 0.4 * b[t-1])
        latent c[t] ~ Bernoulli(0.2 + 0.3 * a)
        observe y[t] ~ Normal(a + 2 * b + 0.5 * c, 1)""",
        {"y": Y},
        {},
    ),
    "a kind for each series": (
        """sequence t  plate s  plate k = 2
        latent mu[k] ~ Normal(0, 2)
        latent g[s]: index(k) ~ Categorical([0.3, 0.7])
        latent z[s, 0] ~ Bernoulli(0.4)
        latent z[s, t] ~ Bernoulli((0.2 if g == 0 else 0.6) + 0.3 * z[s, t-1])
        observe y[s, t] ~ Normal(mu[g] + 2 * z, 0.7)""",
        {"y": np.stack([Y[:3], -Y[1:]])},
        MU,
    ),
    "one switch for all series": (
        """sequence t  plate s
        latent g ~ Bernoulli(0.6)
        latent z[s, 0] ~ Bernoulli(0.4)
        latent z[s, t] ~ Bernoulli(0.2 + 0.4 * g + 0.3 * z[s, t-1])
        observe y[s, t] ~ Normal(z - g, 0.7)""",
        {"y": np.stack([Y[:3], -Y[1:]])},
        {},
    ),
    "a mixture": (
        """plate n  plate k = 2
        latent mu[k] ~ Normal(0, 2)
        latent z[n]: index(k) ~ Categorical([0.3, 0.7])
        observe y[n] ~ Normal(mu[z], 0.7)""",
        {"y": Y},
        MU,
    ),
    "latent classes": (
        """plate person  plate item  plate k = 2
        latent p[k, item]: unit ~ Beta(1, 1)
        latent z[person]: index(k) ~ Categorical([0.3, 0.7])
        observe y[person, item]: binary ~ Bernoulli(p[k = z])""",
        {"y": np.array([[1.0, 0, 1], [0, 0, 1], [1, 1, 1]])},
        {"p": np.array([[0.2, 0.4, 0.7], [0.9, 0.5, 0.6]])},
    ),
    "a change point": (
        """sequence t
        latent tau ~ Binomial(4, 0.4)
        observe y[t] ~ Normal(0 if t < tau else 1.5, 1)""",
        {"y": Y},
        {},
    ),
    "pairs of a graph": (
        """plate n  plate e
        input a[e]: index(n)
        input b[e]: index(n)
        latent z[n] ~ Bernoulli(0.3)
        observe w[e]: binary ~ Bernoulli(0.9 if z[n = a] == z[n = b] else 0.2)
        observe y[n] ~ Normal(z, 1)""",
        {
            "a": np.array([0, 0, 1, 1, 2, 0]),
            "b": np.array([1, 2, 3, 4, 5, 5]),
            "w": np.array([1.0, 0, 1, 1, 0, 1]),
            "y": np.array([0.5, -0.3, 1.2, 0.8, -1.0, 0.1]),
        },
        {},
    ),
    "a tree of hidden states": (
        """plate n  plate k = 3
        input parent[n]: index(n)
        latent hidden[n]: index(k) ~ Categorical([0.2, 0.3, 0.5])
        let above[n] = hidden[n = parent]
        observe same[n]: binary ~ Bernoulli(0.8 if hidden == above else 0.3)
        observe y[n] ~ Normal(hidden == 1, 1)""",
        {
            "parent": np.array([0, 0, 1, 1, 2]),
            "same": np.array([1.0, 0, 1, 1, 0]),
            "y": np.array([0.5, -0.3, 1.2, 0.8, -1.0]),
        },
        {},
    ),
    "members in another plate": (
        """plate n  plate s
        input left[n]: index(n)
        latent z[s, n] ~ Bernoulli(0.3)
        observe w[s, n]: binary ~ Bernoulli(0.2 + 0.3 * z + 0.4 * z[n = left])""",
        {"left": np.array([1, 2, 0]), "w": np.array([[1.0, 0, 1], [0, 0, 1]])},
        {},
    ),
    "two latents on a plate of which one is tied": (
        """plate n
        latent z[n] ~ Bernoulli(0.3)
        latent v[n] ~ Bernoulli(0.2 + 0.5 * z)
        observe y[n] ~ Normal(v, 1)
        observe total ~ Normal(sum(z, n), 1)""",
        {"y": Y[:3], "total": 1.7},
        {},
    ),
    "one member alone": (
        """plate n = 3
        latent z[n] ~ Bernoulli(0.3)
        observe first ~ Normal(z[n = 0] + 2 * z[n = 2], 1)
        observe y[n] ~ Normal(z, 1)""",
        {"y": Y[:3], "first": 1.7},
        {},
    ),
    "a vector of entries": (
        """plate s  dim D = 3
        latent b[s]: binary[D] ~ Bernoulli([0.2, 0.5, 0.7])
        observe y[s] ~ Normal(b @ [1, 2, 3], 1)""",
        {"y": Y},
        {},
    ),
    "two steps back": (
        """sequence t
        latent z[0] ~ Bernoulli(0.5)
        latent z[1] ~ Bernoulli(0.3)
        latent z[t] ~ Bernoulli(0.1 + 0.5 * z[t-2] + 0.3 * z[t-1])
        observe y[t] ~ Normal(z, 1)""",
        {"y": np.array([0.5, 1.2, -0.3, 0.9, 1.5])},
        {},
    ),
    "a let that recurs": (
        """sequence t
        latent z[0] ~ Bernoulli(0.5)
        latent z[t] ~ Bernoulli(0.2 + 0.5 * z[t-1])
        let s[0] = z[t=0]
        let s[t] = s[t-1] + z
        observe y[t] ~ Normal(s, 1)""",
        {"y": Y},
        {},
    ),
    "steps that cannot follow one another": (
        """sequence t  plate k = 3
        latent z[0]: index(k) ~ Categorical([1, 0, 0])
        latent z[t]: index(k) ~ Categorical([0.6, 0.4, 0] if z[t-1] == 0 else
            ([0, 0.7, 0.3] if z[t-1] == 1 else [0, 0, 1]))
        observe y[t] ~ Normal(z == 1, 0.01)""",
        {"y": np.array([0.0, 0.02, 1.0, 1.01, 0.5])},
        {},
    ),
}


def sizes_of(model: gendsl.Model, data: dict) -> dict[str, int]:
    return dict(model.bind(data).sizes)


@pytest.mark.parametrize("name", CASES)
def test_sums_are_those_of_brute_force(name):
    text, data, values = CASES[name]
    model = gendsl.compile(f"model M\n{text}")
    summed = [v for v in model.compiled.plan.enumerated]
    everything = {n: np.asarray(v) for n, v in {**data, **values}.items()}
    ir = model.compiled.checked.ir
    wanted = log_density_marginal(ir, sizes_of(model, data), everything, summed)
    assert np.isfinite(wanted)
    assert model.log_density(values, data) == pytest.approx(wanted, abs=1e-8, rel=1e-10)


@pytest.mark.parametrize("name", ["a kind for each series", "pairs of a graph", "two steps back"])
def test_gradients_are_those_of_differences(name):
    text, data, _ = CASES[name]
    text = f"model M\nlatent extra ~ Normal(0, 1)\n{text}".replace(
        "y[n] ~ Normal(z", "y[n] ~ Normal(extra + z"
    )
    text = text.replace("y[t] ~ Normal(z", "y[t] ~ Normal(extra * z").replace(
        "y[s, t] ~ Normal(mu[g]", "y[s, t] ~ Normal(extra + mu[g]"
    )
    model = gendsl.compile(text)
    program, ir = model.compiled.program, model.compiled.checked.ir
    with tensors(torch.float64, torch.device("cpu"), 0):
        ready = executable(program, ir, model.bind(data), torch.float64, torch.device("cpu"))
        potential = potential_of(Density(ready))
        assert potential.note is None
        point = np.linspace(-0.3, 0.5, potential.size)
        slopes = potential(point)[1].copy()
        for k, step in enumerate(1e-5 * np.eye(potential.size)):
            high, low = potential(point + step)[0], potential(point - step)[0]
            assert slopes[k] == pytest.approx((high - low) / 2e-5, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(
    "name",
    [
        "two chains with a third that hangs on one",
        "one switch for all series",
        "pairs of a graph",
        "a vector of entries",
        "two latents on a plate of which one is tied",
    ],
)
def test_draws_are_joint(name):
    """Every configuration has its probability among the draws, not marginals alone."""
    text, data, _ = CASES[name]
    if name == "a vector of entries":
        data = {"y": Y[:2]}
    model = gendsl.compile(f"model M\n{text}")
    fit = model.fit(data, draws=3000, seed=2, progress=False)
    names = list(model.compiled.plan.enumerated)
    ir, sizes = model.compiled.checked.ir, sizes_of(model, data)
    shapes = {n: fit.posterior[n].shape[2:] for n in names}
    counts = [int(np.prod(shapes[n])) for n in names]
    logs: dict[tuple[int, ...], float] = {}
    for state in itertools.product((0, 1), repeat=sum(counts)):
        parts = np.split(np.array(state, dtype=float), np.cumsum(counts)[:-1])
        values = {n: p.reshape(shapes[n]) for n, p in zip(names, parts, strict=True)}
        logs[state] = log_density(
            ir, sizes, {**{n: np.asarray(v) for n, v in data.items()}, **values}
        )
    total = logsumexp(list(logs.values()))
    drawn = [fit.posterior[n].to_numpy()[0].reshape(3000, -1).astype(int) for n in names]
    seen = Counter(map(tuple, np.concatenate(drawn, 1).tolist()))
    limit = share(len(logs)) / 2
    for state, log in logs.items():
        p, count = min(1.0, float(np.exp(log - total))), seen[state]
        assert binom.cdf(count, 3000, p) > limit
        assert binom.sf(count - 1, 3000, p) > limit
    if "exact_probabilities" in fit.tree.children:
        exact = fit.tree["exact_probabilities"][names[0]].to_numpy()[..., 1].ravel()
        weights = np.exp(np.array([*logs.values()]) - total)
        mean = weights @ np.array([s[: counts[0]] for s in logs])
        np.testing.assert_allclose(exact, mean, atol=1e-10)


def test_missing_labels_are_summed_out():
    text = """model M
    plate n
    observe k[n]: binary? ~ Bernoulli(0.3)
    observe y[n] ~ Normal(2 * k, 1)
    """
    data = {"k": np.array([1.0, np.nan, np.nan]), "y": Y[:3]}
    found = gendsl.compile(text).log_density({}, data)
    known = np.log(0.3) + norm.logpdf(Y[0], 2)
    open_ = [
        np.logaddexp(np.log(0.3) + norm.logpdf(v, 2), np.log(0.7) + norm.logpdf(v)) for v in Y[1:3]
    ]
    assert found == pytest.approx(known + sum(open_), rel=1e-10)


@pytest.mark.parametrize("apart", [100.0, 1e4])
def test_potentials_far_apart_do_not_underflow(apart):
    """Every path has a step that weighs exp(-1e4), and transitions are rare."""
    text = """model M
    sequence t  plate k = 2
    input s: positive
    latent z[0]: index(k) ~ Categorical([0.5, 0.5])
    latent z[t]: index(k) ~ Categorical([1 - 1e-12, 1e-12] if z[t-1] == 0 else [1e-9, 1 - 1e-9])
    observe y[t] ~ Normal(z == 1, s)
    """
    data = {"y": np.array([0.0, 1.0, 1.1, 1.0, -0.1, 0.0, 0.5, 2.0]), "s": np.sqrt(0.5 / apart)}
    model = gendsl.compile(text)
    wanted = log_density_marginal(model.compiled.checked.ir, sizes_of(model, data), data, ["z"])
    assert wanted < -apart
    assert model.log_density({}, data) == pytest.approx(wanted, rel=1e-12)


def test_a_long_tree_is_cheap():
    """A caterpillar of 60 members: 2^60 configurations, tables of four entries."""
    text = """model M
    plate n  plate e
    input a[e]: index(n)
    input b[e]: index(n)
    latent z[n] ~ Bernoulli(0.3)
    observe w[e]: binary ~ Bernoulli(0.9 if z[n = a] == z[n = b] else 0.2)
    """
    n, rng = 60, np.random.default_rng(0)
    w = rng.integers(0, 2, n - 1).astype(float)
    data = {"a": np.arange(n - 1), "b": np.arange(1, n), "w": w}
    forward = np.log([0.7, 0.3])
    for value in w:
        same, differ = np.log([0.9, 0.2]) if value else np.log([0.1, 0.8])
        move = np.array([[same, differ], [differ, same]])
        forward = logsumexp(forward[:, None] + move, axis=0) + np.log([0.7, 0.3])
    found = gendsl.compile(text).log_density({}, data)
    assert found == pytest.approx(logsumexp(forward), rel=1e-10)


def test_what_is_too_large_is_refused_with_its_size():
    text = (
        "model M\ndim D = 30\nlatent b: binary[D] ~ Bernoulli(0.5)\nobserve y ~ Normal(sum(b), 1)"
    )
    with pytest.raises(gendsl.CompileError, match="1,073,741,824 entries"):
        gendsl.compile(text)


def test_the_plan_tells_the_largest_table():
    plan = gendsl.compile("model M\n" + CASES["a hidden Markov model"][0]).plan
    assert "by the forward algorithm; largest table: 4" in str(plan)


# Known weights of a mixture: case D03

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "cases"
MIXTURE = """model Weights
plate n  plate k = 3
input mu[k]: real
input sd[k]: positive
{weights}
latent z[n]: index(k) ~ Categorical(weight)
observe x[n] ~ Normal(mu[z], sd[z])
"""


@pytest.fixture
def case():
    if not (FOLDER / "d03.csv").is_file():
        pytest.skip("the cases are not here")
    expected = json.loads((FOLDER / "expected.json").read_text("utf-8"))["D03"]
    x = np.loadtxt(FOLDER / "d03.csv", skiprows=1)
    return expected, {"x": x, "mu": expected["mu"], "sd": expected["sd"]}


def test_weights_that_are_known(case):
    expected, data = case
    model = gendsl.compile(MIXTURE.format(weights="input weight: simplex[k]"))
    data = {**data, "weight": expected["pi0"]}
    fit = model.fit(data, draws=10, seed=1, progress=False)
    assert fit.tree.attrs["log_evidence"] == pytest.approx(expected["loglik_at_truth"], abs=1e-3)
    found = fit.tree["exact_probabilities"]["z"].to_numpy()[:5]
    np.testing.assert_allclose(found, expected["resp_first5_at_truth"], atol=1e-4)


def test_weights_by_maximum_likelihood(case):
    expected, data = case
    model = gendsl.compile(MIXTURE.format(weights="param weight: simplex[k]"))
    fit = model.fit(data, seed=1, progress=False)
    found = fit.tree["estimate"]["weight"].to_numpy()
    np.testing.assert_allclose(found, expected["pi_mle"], atol=2e-3)
    assert fit.tree.attrs["log_prob"] == pytest.approx(expected["loglik_max"], abs=1e-3)


def test_weights_by_sampling(case):
    expected, data = case
    model = gendsl.compile(MIXTURE.format(weights="latent weight: simplex[k] ~ Dirichlet(1)"))
    fit = model.fit(data, seed=1, chains=2, warmup=500, draws=1500, progress=False)
    draws = fit.posterior["weight"].to_numpy().reshape(-1, 3)
    sd = np.array(expected["pi_posterior_sd_dirichlet1"])
    assert (np.abs(draws.mean(0) - expected["pi_posterior_mean_dirichlet1"]) < 0.1 * sd).all()
    assert (np.abs(draws.std(0) / sd - 1) < 0.1).all()
