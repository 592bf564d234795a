"""Values that may be missing, in guides: products of experts and masks, against closed forms."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from pyro import distributions as dist
from scipy.stats import multivariate_normal, norm

import gendsl
from gendsl.runtime.products import product

QUIET = {"progress": False, "dtype": "float64", "draws": 50}

WA = np.array([1.0, -2.0, 0.5])
WB = np.array([0.7, 0.3, -1.2, 0.4])
TWO = """
model Two
plate item  dim A = 3  dim B = 4
input wa: real[A]  input wb: real[B]
net ea: real[A] -> (loc: real, scale: positive) = linear()
net eb: real[B] -> (loc: real, scale: positive) = linear()
latent z[item] ~ Normal(0, 1)
observe a[item]: real[A]? ~ Normal(wa * z, 1)
observe b[item]: real[B]? ~ Normal(wb * z, 1)
"""
EXPERTS = TWO + "guide z ~ Product(Normal(0, 1), Normal(ea(a)), Normal(eb(b)))\n"


@cache
def data(seed=0, rows=120):
    """A third of the rows lacks a, another one b."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=rows)
    a = z[:, None] * WA + rng.normal(size=(rows, 3))
    b = z[:, None] * WB + rng.normal(size=(rows, 4))
    a[: rows // 3] = np.nan
    b[rows // 3 : 2 * rows // 3] = np.nan
    return {"a": a, "b": b, "wa": WA, "wb": WB}


def exact(a, b):
    """Mean and standard deviation of z given what is known of both, entry by entry."""
    precision = 1 + np.nansum(np.isfinite(a) * WA**2, -1) + np.sum(np.isfinite(b) * WB**2, -1)
    mean = (np.nansum(a * WA, -1) + np.nansum(b * WB, -1)) / precision
    return mean, precision**-0.5


@cache
def fitted(text=EXPERTS):
    model = gendsl.compile(text)
    options = {"epochs": 500, "learning_rate": 0.1, "schedule": "cosine", "gradient": "path"}
    return model.fit(data(), infer="svi", seed=1, **options, **QUIET)


def test_the_experts_find_the_posterior_whatever_is_missing():
    """Each expert alone, and both together: exact where experts are normal and independent."""
    given = data()
    found = fitted().encode()
    mean, sd = exact(given["a"], given["b"])
    np.testing.assert_allclose(found["z"], mean, atol=2e-3)
    np.testing.assert_allclose(found["z_sd"], sd, atol=2e-3)


def test_new_rows_need_not_have_what_may_be_missing():
    other = data(seed=1)
    rows = slice(2 * len(other["a"]) // 3, None)
    for name in ("a", "b"):
        one = {name: other[name][rows], "wa": WA, "wb": WB}
        found = fitted().encode(one)
        a = one.get("a", np.full((len(one[name]), 3), np.nan))
        b = one.get("b", np.full((len(one[name]), 4), np.nan))
        np.testing.assert_allclose(found["z"], exact(a, b)[0], atol=5e-3)


def test_the_bound_is_the_likelihood_of_what_is_known():
    """The guide is exact, so the bound is the log density of the values that are there."""
    given, total = data(), 0.0
    weights = np.concatenate([WA, WB])
    for row in np.concatenate([given["a"], given["b"]], -1):
        known = np.isfinite(row)
        cov = np.eye(known.sum()) + np.outer(weights[known], weights[known])
        total += multivariate_normal(np.zeros(known.sum()), cov).logpdf(row[known])
    score = fitted().score(particles=2, seed=0)
    assert score.log_likelihood.mean == pytest.approx(total / len(given["a"]), abs=1e-4)
    assert score.dimensions == pytest.approx(2 / 3 * 7)


def test_a_factor_drops_out_where_any_of_its_values_is_missing():
    one = {"a": [[0.5, np.nan, 1.0]], "b": [[np.nan] * 4], "wa": WA, "wb": WB}
    found = fitted().encode(one)
    assert float(found["z"][0]) == pytest.approx(0)
    assert float(found["z_sd"][0]) == pytest.approx(1)


def test_a_net_that_takes_gaps_gets_zeros_and_a_mask():
    text = TWO.replace("net ea: real[A] ->", "net ea: (real[A]?, real[B]?) ->")
    text = text.replace("net eb: real[B] -> (loc: real, scale: positive) = linear()\n", "")
    fit = gendsl.compile(text + "guide z ~ Normal(ea(a, b))\n").fit(
        data(), infer="svi", seed=1, epochs=3, **QUIET
    )
    one = {"a": [[0.5, np.nan, 1.0]], "b": [[np.nan, 2.0, np.nan, 3.0]], "wa": WA, "wb": WB}
    found = fit.encode(one)
    weights = {n.rpartition("/")[2]: w for n, w in fit.learned.arrays().items()}
    x = np.array([0.5, 1, 0, 0, 1, 1, 0, 0, 2, 1, 0, 0, 3, 1])  # each value, and whether known
    matrices = [w for w in weights.values() if w.ndim == 2 and w.shape[1] == len(x)]
    assert len(matrices) == 1
    (bias,) = [w for w in weights.values() if w.ndim == 1]
    assert float(found["z"][0]) == pytest.approx((matrices[0] @ x + bias)[0])


def test_complete_data_have_masks_of_ones():
    full = {**data(), "a": np.nan_to_num(data()["a"]), "b": np.nan_to_num(data()["b"])}
    mean, sd = exact(full["a"], full["b"])
    found = fitted().encode(full)
    np.testing.assert_allclose(found["z"], mean, atol=2e-2)
    np.testing.assert_allclose(found["z_sd"], sd, atol=2e-3)


def test_the_product_of_what_is_there():
    """Against the product of the densities that are there, normalised numerically."""
    rng = np.random.default_rng(0)
    rows, factors = 5, 4
    locs, scales = rng.normal(size=(factors, rows)), rng.uniform(0.5, 2, (factors, rows))
    present = rng.integers(0, 2, (factors, rows)).astype(bool)
    present[0] = True
    parts = [dist.Normal(*map(torch.tensor, each)) for each in zip(locs, scales, strict=True)]
    masks = [True, *(torch.tensor(p) for p in present[1:])]
    found = product(parts, masks)
    grid = np.linspace(-12, 12, 4001)
    for row in range(rows):
        logs = [
            norm(locs[i, row], scales[i, row]).logpdf(grid)
            for i in range(factors)
            if present[i, row]
        ]
        density = np.exp(np.sum(logs, 0))
        density /= np.trapezoid(density, grid)
        given = torch.tensor(grid)[:, None].expand(-1, rows)
        np.testing.assert_allclose(found.log_prob(given).exp()[:, row], density, atol=1e-9)


def test_a_factor_that_is_absent_has_no_gradient():
    loc = torch.zeros(2, requires_grad=True)
    scale = torch.full((2,), 1e-30, dtype=torch.float64, requires_grad=True)
    found = product(
        [dist.Normal(torch.zeros(2, dtype=torch.float64), 1.0), dist.Normal(loc, scale)],
        [True, torch.tensor([False, False])],
    )
    found.log_prob(torch.ones(2, dtype=torch.float64)).sum().backward()
    assert loc.grad.tolist() == [0, 0]
    assert scale.grad.tolist() == [0, 0]


def test_only_normal_factors_drop_out():
    with pytest.raises(ValueError, match="normal"):
        product([dist.Exponential(1.0), dist.Exponential(1.0)], [True, torch.tensor(False)])
