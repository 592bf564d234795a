"""Discrete latents of several plates: what is summed out is right, what cannot be is refused."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

import gendsl


def test_latents_that_cross_through_a_third_are_told_apart():
    text = """model M
    plate a  plate b
    latent z[a] ~ Bernoulli(0.3)
    latent w[b] ~ Bernoulli(0.4)
    latent v[a, b] ~ Bernoulli(0.2 + 0.5 * z)
    observe y[a, b] ~ Normal(v + w, 1)
    """
    y = np.array([[0.3, 1.2, 2.0], [1.9, 0.1, 0.5]])
    total = 0.0
    for states in itertools.product((0, 1), repeat=5):
        z, w = np.array(states[:2]), np.array(states[2:])
        p = (0.2 + 0.5 * z)[:, None]
        each = (1 - p) * norm.pdf(y, w) + p * norm.pdf(y, 1 + w)
        prior = np.where(z, 0.3, 0.7).prod() * np.where(w, 0.4, 0.6).prod()
        total += prior * each.prod()
    model = gendsl.compile(text)
    assert "members of a are tied" in str(model.plan) or "members of b are tied" in str(model.plan)
    assert model.log_density({}, {"y": y}) == pytest.approx(np.log(total), rel=1e-10)


def test_latents_of_two_plates_below_one_are_summed_out():
    text = """model M
    plate a  plate b
    latent g ~ Bernoulli(0.3)
    latent z[a] ~ Bernoulli(0.2 + 0.5 * g)
    latent w[b] ~ Bernoulli(0.6 - 0.4 * g)
    observe x[a] ~ Normal(z, 1)
    observe y[b] ~ Normal(2 * w, 1)
    """
    x, y = np.array([0.3, 1.2]), np.array([1.9, 0.1, 2.2])
    total = 0.0
    for g, *rest in itertools.product((0, 1), repeat=6):
        z, w = np.array(rest[:2]), np.array(rest[2:])
        pz, pw = 0.2 + 0.5 * g, 0.6 - 0.4 * g
        prior = (
            (0.3 if g else 0.7) * np.where(z, pz, 1 - pz).prod() * np.where(w, pw, 1 - pw).prod()
        )
        total += prior * norm.pdf(x, z).prod() * norm.pdf(y, 2 * w).prod()
    fit = gendsl.compile(text).fit({"x": x, "y": y}, draws=10, progress=False)
    assert fit.tree.attrs["log_evidence"] == pytest.approx(np.log(total), rel=1e-10)


def test_latents_beside_a_member_that_an_index_picks_are_told_apart():
    text = """model M
    plate n  plate g = 2
    input of[n]: index(g)
    latent c[g] ~ Bernoulli(0.4)
    let base[n] = c[of]
    latent z[n] ~ Bernoulli(0.2 + 0.5 * base)
    observe y[n] ~ Normal(z, 0.5)
    """
    of, y = np.array([0, 1, 1]), np.array([0.3, 1.2, 0.9])
    total, both = 0.0, 0.0
    for states in itertools.product((0, 1), repeat=5):
        c, z = np.array(states[:2]), np.array(states[2:])
        p = 0.2 + 0.5 * c[of]
        own = np.where(c, 0.4, 0.6).prod() * np.where(z, p, 1 - p).prod()
        own *= norm.pdf(y, z, 0.5).prod()
        total += own
        both += own * c[1] * z[1]
    fit = gendsl.compile(text).fit({"of": of, "y": y}, draws=4000, progress=False)
    assert fit.tree.attrs["log_evidence"] == pytest.approx(np.log(total), rel=1e-10)
    drawn = fit.posterior["c"].values[0, :, 1] * fit.posterior["z"].values[0, :, 1]
    assert drawn.mean() == pytest.approx(both / total, abs=0.05)


def test_latents_of_another_plate_beside_a_picked_member():
    text = """model M
    plate n  plate m  plate g = 2
    input of[n]: index(g)
    latent c[g] ~ Bernoulli(0.4)
    latent w[m] ~ Bernoulli(0.3)
    latent z[m, n] ~ Bernoulli(0.2 + 0.5 * c[of])
    observe y[m, n] ~ Normal(z + w, 0.5)
    """
    of, y = np.array([1, 0]), np.array([[0.3, 1.2], [0.9, 2.1]])
    total = 0.0
    for states in itertools.product((0, 1), repeat=4):
        c, w = np.array(states[:2]), np.array(states[2:])[:, None]
        p = 0.2 + 0.5 * c[of]
        each = (1 - p) * norm.pdf(y, w, 0.5) + p * norm.pdf(y, 1 + w, 0.5)
        total += np.where(c, 0.4, 0.6).prod() * np.where(w, 0.3, 0.7).prod() * each.prod()
    model = gendsl.compile(text)
    assert model.log_density({}, {"of": of, "y": y}) == pytest.approx(np.log(total), rel=1e-10)


def test_a_chain_beside_a_member_that_an_index_picks_is_refused():
    text = """model M
    sequence t  plate g = 2
    input of[t]: index(g)
    latent c[g] ~ Bernoulli(0.4)
    latent z[0] ~ Bernoulli(0.5)
    latent z[t] ~ Bernoulli(0.2 + 0.5 * z[t-1])
    observe y[t] ~ Normal(z + 2 * c[of], 1)
    """
    with pytest.raises(gendsl.CompileError, match="of which single members count"):
        gendsl.compile(text).fit({"of": [0, 1, 1], "y": [0.1, 0.2, 0.3]})
