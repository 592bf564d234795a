"""What Pyro's own versions of these distributions get wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from gendsl.runtime import distributions as runtime


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_von_mises_is_accurate_however_concentrated():
    for concentration in (1e-3, 1.0, 3.7, 50.0, 1e4, 1e8):
        k = double(concentration)
        x = double(-0.3, 0.0, 1e-5, 0.2) / math.sqrt(concentration + 1)
        fall = -2 * np.sin(x.numpy() / 2) ** 2
        expected = concentration * fall - np.log(2 * np.pi * special.ive(0, concentration))
        got = runtime.VonMises(double(0.0), k).log_prob(x)
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_pareto_has_no_density_below_its_scale():
    law = runtime.Pareto(double(2.0), double(3.0), validate_args=False)
    log = law.log_prob(double(1.9, 2.0, 2.1))
    assert log[0] == -math.inf
    np.testing.assert_allclose(log[1:], stats.pareto(3.0, scale=2.0).logpdf([2.0, 2.1]))


def test_kumaraswamy_has_a_density_near_both_ends():
    a, b = double(2.0), double(3.0)
    near = 1e-9
    log = runtime.Kumaraswamy(a, b).log_prob(double(near, 1 - 2**-40))
    expected = [math.log(6 * near), math.log(6) + 2 * math.log(2**-39 - 2**-80)]
    np.testing.assert_allclose(log, [expected[0], expected[1] + math.log(1 - 2**-40)], rtol=1e-12)


def test_multinomial_has_a_total_for_each_member():
    probs = double(0.0, 0.5, 0.5)
    law = runtime.Multinomial(double(0.0, 3.0, 1000.0), probs)
    torch.manual_seed(0)
    draws = law.sample((200,))
    assert draws.shape == (200, 3, 3)
    assert (draws.sum(-1) == double(0.0, 3.0, 1000.0)).all()
    assert (draws[..., 0] == 0).all()
    expected = stats.multinomial(3, [0.0, 0.5, 0.5]).logpmf(draws[0, 1].numpy())
    assert law.log_prob(draws[0])[1] == pytest.approx(expected)
    short = runtime.Multinomial(double(3.0), probs).log_prob(double(0.0, 1.0, 1.0))
    assert short == -math.inf


def test_flat_is_zero_and_cannot_be_sampled():
    law = runtime.Flat().expand((2, 3))
    assert law.log_prob(torch.ones(3)).shape == (2, 3)
    assert law.log_prob(torch.ones(2, 3)).sum() == 0
    with pytest.raises(NotImplementedError):
        law.sample()


def test_log_prob_refuses_what_is_outside_the_support():
    cases = [
        (runtime.Pareto(double(2.0), double(3.0)), double(1.0)),
        (runtime.Kumaraswamy(double(2.0), double(3.0)), double(1.5)),
        (runtime.Multinomial(3.0, double(0.5, 0.5)), double(-1.0, 4.0)),
    ]
    for law, value in cases:
        law._validate_args = True
        with pytest.raises(ValueError, match="support"):
            law.log_prob(value)
