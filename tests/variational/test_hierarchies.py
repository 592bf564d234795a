"""Top-down guides, guides relative to the prior, and point masses, against exact likelihoods."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import gendsl

QUIET = {"progress": False, "dtype": "float64", "schedule": "cosine", "draws": 20, "seed": 1}

TWO_LEVELS = """
model Levels
plate n
dim D = 3
net prior: real -> real = linear()
net decode: real -> real[D] = linear()
net above: real[D] -> real = linear()
param t1: positive = 0.5
param t2: positive = 0.5
latent z2[n] ~ Normal(0, 1)
latent z1[n] ~ Normal(prior(z2), 0.7)
observe x[n]: real[D] ~ Normal(decode(z1), 0.8)
guide z2 ~ Normal(above(x), t2)
"""
GUIDES = {
    "residual": """
net delta: (real, real[D]) -> real = linear()
guide z1 ~ Normal(prior(z2) + delta(z2, x), t1)
""",
    "ladder": """
net evidence: real[D] -> real = linear()
guide z1 ~ Product(Normal(prior(z2), 0.7), Normal(evidence(x), t1))
""",
}


def rows(count=150):
    rng = np.random.default_rng(7)
    z = rng.normal(size=(count, 1)) * 1.1
    return z @ np.array([[1.0, -2.0, 0.5]]) + 0.8 * rng.normal(size=(count, 3)) + 1.0


def weights(fit, net):
    found = {n: a for n, a in fit.learned.arrays().items() if n.startswith(f"net/{net}/")}
    by_name = {n.rpartition(".")[2]: a for n, a in found.items()}
    return by_name["weight"], by_name["bias"]


@pytest.mark.parametrize("name", GUIDES)
def test_top_down_guides_reach_the_likelihood(name):
    """q(z2 | x) q(z1 | z2, x), as in a ladder VAE; with either form it holds the posterior."""
    x = rows()
    fit = gendsl.compile(TWO_LEVELS + GUIDES[name]).fit(
        {"x": x}, epochs=300, learning_rate=0.05, **QUIET
    )
    (a, c), (w, b) = weights(fit, "prior"), weights(fit, "decode")
    variance = a.item() ** 2 + 0.49
    known = multivariate_normal.logpdf(
        x, w[:, 0] * c.item() + b, variance * (w @ w.T) + 0.64 * np.eye(3)
    )
    found = fit.score(particles=300)
    assert found.elbo.mean == pytest.approx(known.mean(), abs=0.02)
    assert found.log_likelihood.mean == pytest.approx(known.mean(), abs=0.01)
    nets = [n.name for n in fit.plan.guide.model.nets]
    assert nets.count("prior") == 1  # one set of weights, of model and guide
    source = fit.compiled.program.source
    assert "prior(z2)" in source[source.index("def guide") :]


def test_a_point_of_a_continuous_latent_is_no_bound():
    text = TWO_LEVELS.replace("guide z2 ~ Normal(above(x), t2)", "guide z2 = above(x)")
    text = text.replace("param t2: positive = 0.5\n", "") + GUIDES["residual"]
    fit = gendsl.compile(text).fit({"x": rows(20)}, epochs=20, **QUIET)
    assert fit.plan.treatment["z2"] == "at a point, by the guide of the file"
    found = fit.score(particles=5)
    assert found.points == ("z2",)
    assert "no bound: a guide is a point" in str(found)
    assert "the number that is called a bound is none" in str(fit.summary().verdict)


HIERARCHICAL = """
model Hierarchical
plate n
net n3: real[2] -> (loc: real[3], scale: positive[3]) = mlp(hidden=[8])
net n2: real[3] -> (loc: real[4], scale: positive[4]) = mlp(hidden=[8])
net n1: real[4] -> real[6] = mlp(hidden=[8])
latent z3[n]: real[2] ~ Normal(0, 1)
latent z2[n]: real[3] ~ Normal(n3(z3))
latent z1[n]: real[4] ~ Normal(n2(z2))
observe x[n]: binary[6] ~ Bernoulli(logits=n1(z1))
"""


def test_three_levels_need_no_guide_of_the_author():
    """Each level is computed from what its posterior can depend on, given those drawn before."""
    x = np.kron(np.eye(2, dtype=int), np.ones(3, dtype=int))[
        np.random.default_rng(3).integers(0, 2, 200)
    ]
    fit = gendsl.compile(HIERARCHICAL).fit(
        {"x": x}, epochs=60, batch_size=50, learning_rate=0.01, seed=2, progress=False, draws=5
    )
    assert fit.score(particles=50).log_likelihood.mean > -1.2  # ln 2 is the least surprise
    assert set(fit.encode()) >= {"z1", "z2", "z3"}
    treated = [fit.plan.treatment[n] for n in ("z1", "z2", "z3")]
    assert all(t.startswith("amortised") for t in treated)
