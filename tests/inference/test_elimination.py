"""Sums over discrete sites: value and gradient where single products would underflow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

import gendsl
from gendsl.runtime.backend import tensors
from gendsl.runtime.density import Density
from gendsl.runtime.potential import potential_of
from gendsl.runtime.program import executable

# Two measurements of a state, and its price: they disagree by as much as the data say.
TEXT = """model M
plate n  plate state = 3
latent place[state] ~ Normal(0, 5)
latent z[n]: index(state) ~ Categorical([0.5, 0.3, 0.2])
observe x[n] ~ Normal(place[z], 0.1)
observe y[n] ~ Normal(-place[z], 0.1)
"""


def by_hand(place, x, y):
    """Minus the log density, normal constants included."""
    logs = np.log([0.5, 0.3, 0.2])
    misfit = (x[:, None] - place) ** 2 + (y[:, None] + place) ** 2
    prior = -0.5 * (place / 5) ** 2 - np.log(5) - 0.5 * np.log(2 * np.pi)
    each = logs - 0.5 * misfit / 0.01 - 2 * np.log(0.1) - np.log(2 * np.pi)
    return -prior.sum() - logsumexp(each, axis=1).sum()


def potential_for(text, data):
    model = gendsl.compile(text)
    bound = model.bind(data)
    cpu = torch.device("cpu")
    ready = executable(
        model.compiled.program, model.compiled.checked.ir, bound, torch.float64, cpu
    )
    return potential_of(Density(ready))


@pytest.mark.parametrize("apart", [0.1, 1.0, 3.0, 20.0])
def test_measurements_that_disagree(apart):
    """One product of the two is exp(-1e5) at most where they are 20 apart."""
    x, y = np.array([apart, 0.3]), np.array([apart, -0.2])
    place = np.array([apart, -apart, 0.1 * apart])
    with tensors(torch.float64, torch.device("cpu"), 0):
        potential = potential_for(TEXT, {"x": x, "y": y})
        value, gradient = potential(place)
    assert value == pytest.approx(by_hand(place, x, y), rel=1e-9)
    nudge = 1e-6 * np.eye(3)
    slopes = [(by_hand(place + e, x, y) - by_hand(place - e, x, y)) / 2e-6 for e in nudge]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-4)


def test_a_known_kind_that_fits_badly():
    """Of a kind that is given, and nearly impossible: the gradient leads back all the same."""
    text = (
        "model M\nplate n\nlatent m ~ Normal(0, 3)\n"
        "observe k[n]: binary? ~ Bernoulli(0.5)\n"
        "observe y[n] ~ Normal(m * k, 0.1)\n"
    )
    data = {"k": np.array([1.0, np.nan]), "y": np.array([0.0, 0.0])}
    with tensors(torch.float64, torch.device("cpu"), 0):
        potential = potential_for(text, data)
        _, gradient = potential(np.array([8.0]))
    assert gradient == pytest.approx([8 / 9 + 8 / 0.01], rel=1e-9)
