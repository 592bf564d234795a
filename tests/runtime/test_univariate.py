"""Densities and tails of univariate distributions where they are extreme."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from gendsl.runtime import distributions as runtime
from gendsl.runtime.backend import tensors

DOUBLE = (torch.float64, torch.device("cpu"), 0)


def skew_normal(x, a):
    return np.log(2) + stats.norm.logpdf(x) + special.log_ndtr(a * x)


def ex_gaussian(x, rate):
    u = x - rate
    return np.log(rate) + np.where(
        u < 0,
        -(x**2) / 2 + np.log(special.erfcx(-np.minimum(u, 0) / np.sqrt(2)) / 2),
        -rate * u - rate**2 / 2 + special.log_ndtr(u),
    )


def log_tail(log_density, x: float, sign: int) -> float:
    """The log of the integral from x to one side, its largest value taken out."""
    steps = np.linspace(0, 60, 20_001)
    top = float(np.max(log_density(x + sign * steps)))
    at = float(steps[np.argmax(log_density(x + sign * steps))])
    slope = abs(log_density(x + sign * (at + 1e-5)) - top) / 1e-5
    width = 1 / max(slope, 1.0)
    ends = [0.0, at, *(at + width * np.array([0.3, 1, 3, 10, 30, 100])), at + 100, at + 1000]
    parts = [
        integrate.quad(lambda u: np.exp(log_density(x + sign * u) - top), low, high, epsabs=0)[0]
        for low, high in zip(ends, ends[1:], strict=False)
        if high > low
    ]
    return top + np.log(np.sum(parts))


CASES = [
    *(
        ("SkewNormal", (0.0, 1.0, a), lambda x, a=a: skew_normal(x, a))
        for a in (-3.0, 0.0, 0.4, 8.0)
    ),
    *(("ExGaussian", (0.0, 1.0, r), lambda x, r=r: ex_gaussian(x, r)) for r in (0.05, 0.7, 5.0)),
]


@pytest.mark.parametrize(("name", "params", "log_density"), CASES, ids=lambda v: str(v)[:20])
@pytest.mark.parametrize("x", [-9.0, -3.0, -0.6, 0.0, 0.2, 2.0, 6.0, 11.0])
def test_tails_are_integrals_of_the_density(name, params, log_density, x):
    with tensors(*DOUBLE):
        law = getattr(runtime, name)(*params)
        at = torch.tensor(x)
        assert float(law.log_prob(at)) == pytest.approx(float(log_density(x)), rel=1e-12)
        below, above = float(law.log_cdf(at)), float(law.log_sf(at))
    assert below == pytest.approx(log_tail(log_density, x, -1), rel=1e-9, abs=1e-12)
    assert above == pytest.approx(log_tail(log_density, x, 1), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("x", [0.02, 0.3, 1.0, 4.0, 60.0])
@pytest.mark.parametrize("k", [0.1, 3.0, 200.0])
def test_tails_of_wald(x, k):
    law = stats.invgauss(1.3 / k, scale=k)
    with tensors(*DOUBLE):
        ours = runtime.Wald(1.3, k)
        below, above = ours.log_cdf(torch.tensor(x)), ours.log_sf(torch.tensor(x))
    assert float(below) == pytest.approx(law.logcdf(x), rel=1e-9, abs=1e-13)
    assert float(above) == pytest.approx(law.logsf(x), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("x", [-40.0, -0.5, 0.7, 30.0])
def test_tails_of_asymmetric_laplace(x):
    law = stats.laplace_asymmetric(1.7, 0.3, 0.8)
    with tensors(*DOUBLE):
        ours = runtime.AsymmetricLaplace(0.3, 0.8, 1.7)
        below, above = ours.log_cdf(torch.tensor(x)), ours.log_sf(torch.tensor(x))
    assert float(below) == pytest.approx(law.logcdf(x), rel=1e-12, abs=1e-14)
    assert float(above) == pytest.approx(law.logsf(x), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("rate", [1e-9, 1e-4, 1e4, 1e9, 1e80])
@pytest.mark.parametrize("x", [-3.0, 0.4, 25.0])
def test_ex_gaussian_for_extreme_rates(rate, x):
    """Nearly exponential on top of a normal step, and nearly normal."""
    with tensors(*DOUBLE):
        params = [torch.tensor(p, requires_grad=True) for p in (0.0, 1.0, rate)]
        got = runtime.ExGaussian(*params).log_prob(torch.tensor(x))
        slopes = torch.autograd.grad(got, params)
    wanted = stats.norm.logpdf(x) if rate > 1 else np.log(rate) + special.log_ndtr(x)
    assert got.item() == pytest.approx(wanted, rel=1e-3 if rate in (1e4, 1e-4) else 1e-6)
    assert all(torch.isfinite(s) for s in slopes)
    if rate > 1e5:
        assert slopes[0].item() == pytest.approx(x, rel=1e-6)
        assert slopes[1].item() == pytest.approx(x**2 - 1, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "params", "points"),
    [
        ("SkewNormal", (0.2, 1.3, 2.0), (-7.0, -0.3, 0.2, 0.9, 8.0)),
        ("SkewNormal", (0.2, 1.3, -0.4), (-7.0, -0.3, 0.9, 8.0)),
        ("ExGaussian", (0.2, 1.3, 0.9), (-7.0, -0.3, 0.9, 8.0)),
        ("Wald", (1.2, 2.0), (0.05, 0.8, 1.3, 9.0)),
        ("AsymmetricLaplace", (0.2, 1.3, 0.8), (-7.0, -0.3, 0.9, 8.0)),
    ],
)
def test_slopes_of_tails(name, params, points):
    """Against central differences, in the value and in every parameter."""
    with tensors(*DOUBLE):
        for x in points:
            at = [torch.tensor(v, requires_grad=True) for v in (x, *params)]
            for tail in ("log_cdf", "log_sf"):

                def function(value, *rest, tail=tail):
                    return getattr(getattr(runtime, name)(*rest), tail)(value)

                assert torch.autograd.gradcheck(function, at, eps=1e-6, atol=1e-7, rtol=1e-6)


def test_ordered_categories_far_in_the_tails():
    """Probabilities below 1e-300 keep their digits, and sum to one."""
    cutpoints = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    for eta in (-900.0, -3.0, 0.5, 40.0, 900.0):
        logs = runtime.ordered_logistic(eta, cutpoints)
        assert float(torch.logsumexp(logs, 0)) == pytest.approx(0, abs=1e-14)
        probits = runtime.ordered_probit(eta / 30, cutpoints)
        assert float(torch.logsumexp(probits, 0)) == pytest.approx(0, abs=1e-14)
        assert torch.isfinite(logs).all()
        assert torch.isfinite(probits).all()
    at = runtime.ordered_logistic(900.0, cutpoints)[1]
    assert float(at) == pytest.approx(-900 + np.log(1 - np.exp(-1.0)), rel=1e-14)
    low, high = special.log_ndtr(-31.0), special.log_ndtr(-30.0)
    at = runtime.ordered_probit(30.0, cutpoints)[1]
    assert float(at) == pytest.approx(high + np.log1p(-np.exp(low - high)), rel=1e-13)
