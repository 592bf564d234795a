"""The independent evaluator against densities written out by hand with scipy."""

from __future__ import annotations

from math import lgamma, log

import numpy as np
import pytest
from reference import log_density, log_density_by_variable, log_density_marginal, with_lets
from reference_distributions import log_probability
from scipy import special, stats

from gendsl.ir import nodes as ir
from gendsl.semantics.lower import lower
from gendsl.semantics.report import Report
from gendsl.source import Source
from gendsl.syntax.parser import parse_with_warnings

rng = np.random.default_rng(0)


def model(text: str) -> ir.Model:
    """A model of the language, be it one that this version cannot run."""
    report = Report()
    program, _ = parse_with_warnings(Source("test.gen", text))
    lowered = lower(program, report)
    assert lowered is not None, report.found
    return lowered


def test_eight_schools():
    schools = model("""
        model EightSchools
        plate school
        input sigma[school]: positive
        latent mu ~ Normal(0, 5)
        latent tau ~ HalfCauchy(5)
        latent theta[school] ~ Normal(mu, tau)
        observe y[school] ~ Normal(theta, sigma)
    """)
    v = {"sigma": np.array([1.0, 2, 3]), "mu": 0.5, "tau": 2.0}
    v |= {"theta": rng.normal(size=3), "y": rng.normal(size=3)}
    expected = (
        stats.norm.logpdf(0.5, 0, 5)
        + stats.halfcauchy.logpdf(2.0, scale=5)
        + stats.norm.logpdf(v["theta"], 0.5, 2.0).sum()
        + stats.norm.logpdf(v["y"], v["theta"], v["sigma"]).sum()
    )
    assert log_density(schools, {"school": 3}, v) == pytest.approx(expected, rel=1e-13)


def test_gather_and_missing_entries():
    radon = model("""
        model Radon
        plate county  plate house
        input floor[house]: real
        input county_of[house]: index(county)
        latent alpha[county] ~ Normal(0, 1)
        observe y[house]: real? ~ Normal(alpha[county_of] + 2 * floor, 1)
    """)
    county, floor = np.array([2, 0, 0, 1]), np.array([0.0, 1, 0, 1])
    alpha, y = rng.normal(size=3), rng.normal(size=4)
    y[2] = np.nan
    terms = log_density_by_variable(
        radon,
        {"county": 3, "house": 4},
        {"county_of": county, "floor": floor, "alpha": alpha, "y": y},
    )
    expected = np.nansum(stats.norm.logpdf(y, alpha[county] + 2 * floor, 1))
    assert terms["y"] == pytest.approx(expected, rel=1e-13)


MIXTURE = """
    model Mixture
    plate point  plate component = 2  dim D = 2
    latent weights: simplex[component] ~ Dirichlet(1)
    latent mu[component]: real[D] ~ Normal(0, 10)
    latent scale[component] ~ HalfNormal(2)
    latent z[point]: index(component) ~ Categorical(weights)
    observe x[point]: real[D] ~ Normal(mu[z], scale[z])
"""


def test_mixture_is_summed_out():
    sizes = {"point": 4, "component": 2, "D": 2}
    v = {"weights": np.array([0.3, 0.7]), "mu": rng.normal(size=(2, 2))}
    v |= {"scale": np.array([0.5, 1.5]), "x": rng.normal(size=(4, 2))}
    got = log_density_marginal(model(MIXTURE), sizes, v, ["z"])
    parts = stats.norm.logpdf(v["x"][:, None], v["mu"], v["scale"][:, None]).sum(-1)
    expected = (
        stats.dirichlet.logpdf(v["weights"], [1, 1])
        + stats.norm.logpdf(v["mu"], 0, 10).sum()
        + stats.halfnorm.logpdf(v["scale"], scale=2).sum()
        + special.logsumexp(parts + np.log(v["weights"]), axis=1).sum()
    )
    assert got == pytest.approx(expected, rel=1e-12)


def test_hidden_markov_model_is_the_forward_algorithm():
    hmm = model("""
        model HMM
        sequence t  plate state = 3
        latent start: simplex[state] ~ Dirichlet(1)
        latent move[state]: simplex[state] ~ Dirichlet(1)
        latent mu: ordered[state] ~ Normal(0, 5)
        latent z[0]: index(state) ~ Categorical(start)
        latent z[t]: index(state) ~ Categorical(move[z[t-1]])
        observe x[t] ~ Normal(mu[z], 1)
    """)
    sizes = {"t": 4, "state": 3}
    v = {"start": rng.dirichlet(np.ones(3)), "move": rng.dirichlet(np.ones(3), 3)}
    v |= {"mu": np.array([-1.0, 0.3, 2.0]), "x": rng.normal(size=4)}
    emission = stats.norm.logpdf(v["x"][:, None], v["mu"], 1)
    forward = np.log(v["start"]) + emission[0]
    for step in range(1, 4):
        forward = special.logsumexp(forward[:, None] + np.log(v["move"]), axis=0) + emission[step]
    expected = (
        special.logsumexp(forward)
        + 4 * log(2)  # Dirichlet(1, 1, 1)
        + stats.norm.logpdf(v["mu"], 0, 5).sum()
        + log(6)  # the entries are ordered
    )
    got = log_density_marginal(hmm, sizes, v, ["z"])
    assert got == pytest.approx(expected, rel=1e-12)


def test_a_let_recurs_along_a_sequence():
    garch = model("""
        model GARCH
        sequence t
        input sigma1: positive
        latent mu ~ Flat()  latent a0: positive ~ Flat()  latent a1: unit ~ Flat()
        latent b1: real(0, 1 - a1) ~ Flat()
        let sigma[0]: positive = sigma1
        let sigma[t]: positive = sqrt(a0 + a1 * (y[t-1] - mu) ** 2 + b1 * sigma[t-1] ** 2)
        observe y[t] ~ Normal(mu, sigma)
    """)
    y = rng.normal(size=6)
    v = {"sigma1": 0.7, "mu": 0.1, "a0": 0.3, "a1": 0.4, "b1": 0.5, "y": y}
    sigma = [0.7]
    for previous in y[:-1]:
        sigma.append(np.sqrt(0.3 + 0.4 * (previous - 0.1) ** 2 + 0.5 * sigma[-1] ** 2))
    assert with_lets(garch, {"t": 6}, v)["sigma"] == pytest.approx(sigma, rel=1e-14)
    expected = stats.norm.logpdf(y, 0.1, sigma).sum()
    assert log_density(garch, {"t": 6}, v) == pytest.approx(expected, rel=1e-13)
    assert log_density(garch, {"t": 6}, v | {"b1": 0.7}) == -np.inf  # above 1 - a1


def test_observed_steps_without_an_equation_are_given():
    ar = model("""
        model AR
        sequence t  dim K = 2
        latent b: real[K] ~ Normal(0, 1)
        observe y[t] ~ Normal(lags(y, K) @ b, 1)
    """)
    y, b = rng.normal(size=6), np.array([0.4, -0.2])
    terms = log_density_by_variable(ar, {"t": 6, "K": 2}, {"y": y, "b": b})
    mean = b[0] * y[1:-1] + b[1] * y[:-2]
    assert terms["y"] == pytest.approx(stats.norm.logpdf(y[2:], mean, 1).sum(), rel=1e-13)


def test_narrowing_conditions_each_entry():
    narrow = model("""
        model Narrow
        plate n
        latent tau: positive ~ Cauchy(0, 5)
        latent r: ordered(0, inf)[3] ~ Normal(0, 2)
        observe y[n]: real(1, 4) ~ Normal(tau, 2)
    """)
    r, y = np.array([0.2, 0.5, 2.0]), np.array([1.5, 3.9])
    terms = log_density_by_variable(narrow, {"n": 2}, {"tau": 1.0, "r": r, "y": y})
    assert terms["tau"] == pytest.approx(stats.halfcauchy.logpdf(1.0, scale=5), rel=1e-13)
    assert terms["r"] == pytest.approx(stats.halfnorm.logpdf(r, scale=2).sum() + log(6), rel=1e-13)
    truncated = stats.truncnorm.logpdf(y, 0.0, 1.5, loc=1.0, scale=2.0).sum()
    assert terms["y"] == pytest.approx(truncated, rel=1e-12)


def test_energies_subtract():
    tilted = model("""
        model Tilted
        plate area  plate edge
        input a[edge]: index(area)  input b[edge]: index(area)
        latent phi[area]: real
        energy 0.5 * sum((phi[a] - phi[b]) ** 2, edge) + 0.5 * (1000 * mean(phi, area)) ** 2
    """)
    phi, a, b = rng.normal(size=3), np.array([0, 1]), np.array([1, 2])
    got = log_density(tilted, {"area": 3, "edge": 2}, {"phi": phi, "a": a, "b": b})
    expected = -0.5 * ((phi[a] - phi[b]) ** 2).sum() - 0.5 * (1000 * phi.mean()) ** 2
    assert got == pytest.approx(expected, rel=1e-12)


def test_axes_are_moved_by_name():
    moved = model("""
        model Moved
        plate i  plate j  dim D = 3
        input w: real[i, D]  input v[j]: real[D]
        input g[j]: index(D)  input share: real[i]
        let spread[i, j] = w[i] @ v
        let entry[j] = v[g]
        let last[j] = v[D = -1]
        let table[j]: real[i, D] = collect(w[i] + v, i)
        let number[i, j] = i * 10 + j
        let spread_out[i] = share[i] if i > 0 else 9
        let totals[j] = sum(v, D) - mean(w[i])[i = 0]
        let stacked[j]: real[2] = [number[i = 1], 7]
    """)
    sizes = {"i": 2, "j": 4, "D": 3}
    w, v, g = rng.normal(size=(2, 3)), rng.normal(size=(4, 3)), np.array([0, 2, 1, 1])
    lets = with_lets(moved, sizes, {"w": w, "v": v, "g": g, "share": np.array([4.0, 5])})
    np.testing.assert_allclose(lets["spread"], w @ v.T)
    np.testing.assert_allclose(lets["entry"], v[np.arange(4), g])
    np.testing.assert_allclose(lets["last"], v[:, -1])
    np.testing.assert_allclose(lets["table"], w + v[:, None])
    np.testing.assert_allclose(lets["number"], [[0, 1, 2, 3], [10, 11, 12, 13]])
    np.testing.assert_allclose(lets["spread_out"], [9, 5])
    np.testing.assert_allclose(lets["totals"], v.sum(-1) - w[0].mean())
    np.testing.assert_allclose(lets["stacked"], [[10 + j, 7] for j in range(4)])


def test_log_prob_sums_the_entries():
    scored = model("""
        model Scored
        plate n  dim D = 2
        input x[n]: real[D]
        let score[n] = log_prob(Normal(0, 2), x)
    """)
    x = rng.normal(size=(3, 2))
    lets = with_lets(scored, {"n": 3, "D": 2}, {"x": x})
    np.testing.assert_allclose(lets["score"], stats.norm.logpdf(x, 0, 2).sum(-1))


def test_ordered_counts_the_orders_once():
    ordered = model("""
        model Ordered
        plate n  dim K = 4
        latent c[n]: ordered[K] ~ Normal(0, 1)
    """)
    c = np.sort(rng.normal(size=(2, 4)), axis=-1)
    got = log_density(ordered, {"n": 2, "K": 4}, {"c": c})
    assert got == pytest.approx(stats.norm.logpdf(c).sum() + 2 * lgamma(5), rel=1e-13)
    assert log_density(ordered, {"n": 2, "K": 4}, {"c": c[:, ::-1]}) == -np.inf


def test_probabilities_are_exact_in_both_tails():
    for low, high in ((8.0, 9.0), (-9.0, -8.0), (8.0, np.inf), (-np.inf, -8.0)):
        got = log_probability("Normal", low, high, {"loc": 0.0, "scale": 1.0})
        near = special.log_ndtr(-8.0) + np.log1p(
            -np.exp(special.log_ndtr(-9.0) - special.log_ndtr(-8.0)) * np.isfinite(low * high)
        )
        assert got == pytest.approx(near, rel=1e-12)
