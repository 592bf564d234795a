"""Exact enumeration against brute force over every joint configuration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from failure_budget import share
from scipy.stats import binom, norm

import gendsl

TEXT = """model Sprinkler
plate K = 3  plate day  plate reading
latent fault: binary ~ Bernoulli(0.2)
latent rain[day]: binary ~ Bernoulli(0.3 + 0.4 * fault)
latent kind[day]: index(K) ~ Categorical([0.5, 0.3, 0.2])
let worth[K] = 0 if K == 0 else 1 if K == 1 else 2
observe y[day, reading] ~ Normal(2 * rain + worth[K = kind] - fault, 1)
"""

Y = np.array([[0.3, 1.1], [2.9, 2.2]])


def brute_force():
    """(configurations, log joint) with configurations as (fault, rain, rain, kind, kind)."""
    states = list(itertools.product((0, 1), (0, 1), (0, 1), (0, 1, 2), (0, 1, 2)))
    logs = []
    for fault, *rest in states:
        rain, kind = rest[:2], rest[2:]
        total = np.log(0.2 if fault else 0.8)
        for d in range(2):
            p = 0.3 + 0.4 * fault
            total += np.log(p if rain[d] else 1 - p) + np.log([0.5, 0.3, 0.2][kind[d]])
            total += norm.logpdf(Y[d], 2 * rain[d] + kind[d] - fault, 1).sum()
        logs.append(total)
    return np.array(states), np.array(logs)


@pytest.fixture(scope="module")
def found():
    return gendsl.compile(TEXT).fit({"y": Y}, draws=4000, seed=3, progress=False)


def test_the_plan_is_enumeration(found):
    assert found.compiled.plan.method == "enumeration"
    assert found.summary().verdict.status == "good"


def test_log_evidence_is_exact(found):
    _, logs = brute_force()
    assert found.tree.attrs["log_evidence"] == pytest.approx(np.logaddexp.reduce(logs), abs=1e-10)


def test_marginals_are_exact(found):
    states, logs = brute_force()
    weights = np.exp(logs - np.logaddexp.reduce(logs))
    exact = found.tree["exact_probabilities"]
    assert float(exact["fault"][1]) == pytest.approx(weights @ (states[:, 0] == 1), abs=1e-10)
    for day in range(2):
        rain = weights @ (states[:, 1 + day] == 1)
        assert float(exact["rain"][day, 1]) == pytest.approx(rain, abs=1e-10)
        for value in range(3):
            kind = weights @ (states[:, 3 + day] == value)
            assert float(exact["kind"][day, value]) == pytest.approx(kind, abs=1e-10)


def test_draws_are_joint(found):
    """Every joint configuration has its probability among the draws, not marginals alone."""
    states, logs = brute_force()
    weights = np.exp(logs - np.logaddexp.reduce(logs))
    post = found.posterior
    rows = np.column_stack(
        [post["fault"].to_numpy()[0], post["rain"].to_numpy()[0], post["kind"].to_numpy()[0]]
    ).astype(int)
    n = len(rows)
    for state, p in zip(states, weights, strict=True):
        count = int((rows == state).all(1).sum())
        limit = share(len(states)) / 2
        assert binom.cdf(count, n, p) > limit
        assert binom.sf(count - 1, n, p) > limit


def test_a_model_with_discrete_latents_alone_needs_no_sampler():
    found = gendsl.compile("""model Coin
latent heads: binary ~ Bernoulli(0.5)
observe y ~ Normal(heads, 1)
""").fit({"y": 1.3}, progress=False)
    p = norm.pdf(1.3, 1) / (norm.pdf(1.3, 1) + norm.pdf(1.3, 0))
    assert float(found.tree["exact_probabilities"]["heads"][1]) == pytest.approx(p, abs=1e-12)
