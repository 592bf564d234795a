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
