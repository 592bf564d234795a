"""Guides with full covariance against exact normal posteriors, and what a diagonal one misses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

import gendsl
from gendsl.runtime.objectives import kl

QUIET = {"progress": False, "schedule": "cosine", "seed": 1, "draws": 50, "dtype": "float64"}

REGRESSION = """
model Regression
plate n
dim K = 3
input x[n]: real[K]
latent w: real[K] ~ Normal(0, 1)
observe y[n] ~ Normal(x @ w, 0.8)
"""


def correlated():
    """Covariates with correlations of 0.8, and the exact posterior of the weights."""
    rng = np.random.default_rng(5)
    root = np.linalg.cholesky(0.2 * np.eye(3) + 0.8)
    x = rng.normal(size=(12, 3)) @ root.T
    y = x @ [1.0, -0.5, 0.3] + 0.8 * rng.normal(size=12)
    precision = x.T @ x / 0.64 + np.eye(3)
    mean = np.linalg.solve(precision, x.T @ y / 0.64)
    evidence = multivariate_normal.logpdf(y, np.zeros(12), x @ x.T + 0.64 * np.eye(12))
    return {"x": x, "y": y}, mean, precision, evidence


@pytest.mark.parametrize("family", ["diagonal", "full"])
def test_families_of_automatic_guides(family):
    """Full: exact. Diagonal: variances 1 / Lambda_ii, and short by KL(q || posterior)."""
    data, mean, precision, evidence = correlated()
    model = gendsl.compile(REGRESSION + f"infer svi(family={family})")
    found = model.fit(data, epochs=700, learning_rate=0.04, particles=6, gradient="path", **QUIET)
    learned = {n.partition("/")[2]: v for n, v in found.learned.arrays().items()}
    gap = 0.0
    if family == "full":
        raw = learned["w_scale_tril"]
        tril = np.tril(raw, -1) + np.diag(np.exp(np.diag(raw)))
        covariance = tril @ tril.T
        np.testing.assert_allclose(covariance, np.linalg.inv(precision), atol=0.004)
        assert "full covariance" in str(found.plan)
    else:
        np.testing.assert_allclose(np.exp(learned["w_scale"]) ** -2, np.diag(precision), rtol=0.05)
        gap = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
        assert gap > 0.5
    np.testing.assert_allclose(learned["w_loc"], mean, atol=0.05)
    assert found.score(particles=4000).elbo.total == pytest.approx(evidence - gap, abs=0.05)


FACTOR = """
model Factor
plate n
dim L = 2
dim D = 3
input load: real[L, D]
latent z[n]: real[L] ~ Normal(0, 1)
observe x[n]: real[D] ~ Normal(z @ load, 0.5)
"""
WRITTEN = """
net encode: real[D] -> (loc: real[L], scale_tril: cholesky[L]) = linear()
guide z ~ MultivariateNormal(encode(x))
"""
AMORTISED = """
param b: real[D] = 0
net unused: real[D] -> real[D] = linear()
observe u[n]: real[D] ~ Normal(unused(x), 1)
infer svi(family=full)
"""


def loadings():
    rng = np.random.default_rng(2)
    load = np.array([[1.0, 0.5, -0.5], [0.8, 0.9, 0.1]])
    x = rng.normal(size=(40, 2)) @ load + 0.5 * rng.normal(size=(40, 3))
    return load, x


def test_a_net_gives_a_factor():
    """The exact posterior has one covariance for all rows and a mean linear in x."""
    load, x = loadings()
    found = gendsl.compile(FACTOR + WRITTEN).fit(
        {"load": load, "x": x},
        epochs=700,
        learning_rate=0.04,
        particles=2,
        gradient="path",
        **QUIET,
    )
    evidence = multivariate_normal.logpdf(x, np.zeros(3), load.T @ load + 0.25 * np.eye(3))
    scored = found.score(particles=500)
    precision = load @ load.T / 0.25 + np.eye(2)
    gap = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
    assert gap > 0.2  # of a row, with a diagonal guide
    assert scored.elbo.mean == pytest.approx(evidence.mean(), abs=0.01)
    posterior = np.linalg.inv(precision)
    code = found.encode()
    np.testing.assert_allclose(code["z"], x @ load.T / 0.25 @ posterior, atol=0.03)
    np.testing.assert_allclose(code["z_sd"][0], np.sqrt(np.diag(posterior)), rtol=0.02)


def test_amortised_guides_may_be_full():
    plan = gendsl.compile(FACTOR + AMORTISED).plan
    assert plan.treatment["z"].startswith("amortised: a normal law with full covariance")
    (net,) = [n for n in plan.guide.model.nets if n.name.startswith("encode")]
    assert [name for name, _ in net.outputs] == ["loc", "scale_tril"]


def test_divergence_of_correlated_from_independent_entries():
    tril = torch.tensor([[0.5, 0.0], [0.3, 1.2]])
    q = MultivariateNormal(torch.tensor([[0.1, -1.0], [2.0, 0.5]]), scale_tril=tril)
    p = Normal(torch.tensor([0.2, 0.0]), torch.tensor([1.5, 0.7]))
    known = kl_divergence(
        q, MultivariateNormal(p.loc, torch.diag_embed(p.scale**2)).expand(q.batch_shape)
    )
    torch.testing.assert_close(kl._formula(q, Independent(p, 1)), known)


def test_a_factor_is_for_nets_alone():
    with pytest.raises(gendsl.CompileError, match="no type is called `cholesky`"):
        gendsl.compile("model M\ninput x: cholesky[2]\nlatent z ~ Normal(0, 1)\n")
