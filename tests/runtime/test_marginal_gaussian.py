"""Normal latents integrated out: evidence, gradients and draws against dense formulas of scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from compiled_targets import without_compiler
from failure_budget import share
from scipy import integrate, stats

import gendsl
from gendsl.graph.conjugacy import gaussian
from gendsl.inference.plan import Marginal
from gendsl.runtime.backend import tensors
from gendsl.runtime.data import bind, raw_data
from gendsl.runtime.density import Density
from gendsl.runtime.marginal import NotIntegrable, log_marginal, posterior_moments, recover
from gendsl.runtime.moving import FollowSupport
from gendsl.runtime.potential import recorded
from gendsl.runtime.program import executable

FLOAT64, CPU = torch.float64, torch.device("cpu")
RNG = np.random.default_rng(20)


@pytest.fixture(autouse=True)
def _double():
    with tensors(FLOAT64, CPU, 0):
        yield


def density_of(text, data, names=None):
    compiled = gendsl.compile(text).compiled
    model = compiled.checked.ir
    names = gaussian(model) if names is None else names
    bound = bind(model, raw_data(data))
    program = executable(compiled.program, model, bound, FLOAT64, CPU)
    return Density(program, (), FollowSupport(), (Marginal("gaussian", names),))


def value_at(density, *natural):
    """The log density at natural values of the unknowns, Jacobian included."""
    point = [
        u.transform.inv(torch.as_tensor(v, dtype=FLOAT64).reshape(u.shape)).reshape(-1)
        for u, v in zip(density.unknowns, natural, strict=True)
    ]
    theta = torch.cat([*point, torch.zeros(0)])
    return float(log_marginal(density)(theta).detach()), theta


def normal(y, mean, covariance):
    return stats.multivariate_normal(mean, covariance, allow_singular=False).logpdf(y)


def half_normal(x, scale=1.0):
    """Its log density, and the Jacobian of the logarithm."""
    return stats.halfnorm(scale=scale).logpdf(x) + np.log(x)


def test_one_normal_mean():
    y = np.array([0.3, -1.2, 2.2])
    density = density_of(
        "model M\nplate i\nlatent mu ~ Normal(1, 2)\nobserve y[i] ~ Normal(mu, 0.5)", {"y": y}
    )

    evidence, _ = value_at(density)
    mean, variance = posterior_moments(density, np.zeros(0))

    assert evidence == pytest.approx(normal(y, np.ones(3), 4 + 0.25 * np.eye(3)), rel=1e-12)
    precision = 1 / 4 + 3 / 0.25
    assert mean["mu"] == pytest.approx((1 / 4 + y.sum() / 0.25) / precision, rel=1e-12)
    assert variance["mu"] == pytest.approx(1 / precision, rel=1e-12)


SCHOOLS = """model Schools
plate school
input sigma[school]: positive
latent mu ~ Normal(0, 5)
latent tau ~ HalfNormal(5)
latent theta[school] ~ Normal(mu, tau)
observe y[school] ~ Normal(theta, sigma)
"""
EFFECTS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def test_eight_schools_against_quadrature():
    density = density_of(SCHOOLS, {"y": EFFECTS, "sigma": ERRORS})
    assert [u.name for u in density.unknowns] == ["tau"]

    for tau in (0.3, 4.0, 21.0):

        def likelihood(mu, tau=tau):
            return np.exp(
                stats.norm(mu, np.hypot(tau, ERRORS)).logpdf(EFFECTS).sum()
                + stats.norm(0, 5).logpdf(mu)
                + 30
            )

        area, _ = integrate.quad(likelihood, -60, 60, points=[0, 8], epsabs=0, epsrel=1e-12)
        value, _ = value_at(density, tau)
        assert value == pytest.approx(np.log(area) - 30 + half_normal(tau, 5), rel=1e-8)


HIERARCHY = """model Hierarchy
plate group  plate row
input of[row]: index(group)
input x[row]: real
latent mu ~ Normal(0, 5)
latent b ~ Normal(0, 2)
latent tau ~ HalfNormal(1)
latent alpha[group] ~ Normal(mu, tau)
latent sigma ~ HalfNormal(1)
observe y[row] ~ Normal(alpha[of] + b * x, sigma)
"""


def hierarchy(groups, rows, offset=0.0):
    of = np.concatenate([np.arange(groups), RNG.integers(0, groups, rows - groups)])
    x = RNG.normal(size=rows)
    y = offset + RNG.normal(size=groups)[of] + 0.5 * x + RNG.normal(size=rows)
    return {"of": of, "x": x, "y": y}


def hierarchy_law(data, tau, sigma, width=5.0):
    """The mean and covariance of the rows."""
    same = data["of"][:, None] == data["of"]
    x = data["x"]
    rows = len(x)
    covariance = width**2 + tau**2 * same + 4 * np.outer(x, x) + sigma**2 * np.eye(rows)
    return np.zeros(rows), covariance


def test_a_hierarchy_is_the_dense_normal_law():
    data = hierarchy(9, 60)
    density = density_of(HIERARCHY, data)
    assert [u.name for u in density.integrated] == ["mu", "b", "alpha"]

    for tau, sigma in ((0.05, 2.0), (1.0, 0.7), (6.0, 0.1)):
        value, theta = value_at(density, tau, sigma)
        expected = normal(data["y"], *hierarchy_law(data, tau, sigma))
        assert value == pytest.approx(expected + half_normal(tau) + half_normal(sigma), rel=1e-8)

        slope = torch.autograd.functional.jacobian(log_marginal(density), theta).numpy()
        step = 1e-5
        for k, name in enumerate(("tau", "sigma")):

            def at(t, name=name, tau=tau, sigma=sigma):
                moved = {"tau": tau, "sigma": sigma}
                moved[name] *= np.exp(t)
                law = hierarchy_law(data, **moved)
                return normal(data["y"], *law) + sum(map(half_normal, moved.values()))

            assert slope[k] == pytest.approx(
                (at(step) - at(-step)) / (2 * step), rel=1e-5, abs=1e-5
            )


@pytest.mark.parametrize("native", ["1", "0"])
def test_recorded_and_compiled_agree(native, monkeypatch):
    monkeypatch.setenv("GENDSL_NATIVE", native)
    density = density_of(HIERARCHY, hierarchy(9, 60))
    function = log_marginal(density)

    found = recorded(lambda point: -function(point), density.size)

    assert found.note is None
    assert (found.native is None) == (native == "0" or without_compiler() is not None)
    value, theta = value_at(density, 0.8, 1.1)
    got, slope = found(theta.numpy())
    assert got == pytest.approx(-value, rel=1e-12)
    expected = torch.autograd.functional.jacobian(function, theta).numpy()
    assert slope == pytest.approx(-expected, rel=1e-9)


@pytest.mark.skipif(without_compiler() is not None, reason="no C compiler")
def test_unknown_correlations_are_compiled_too():
    density = density_of(SLOPES, hierarchy(6, 40))
    function = log_marginal(density)

    found = recorded(lambda point: -function(point), density.size)

    assert found.way == "machine code"
    theta = torch.full((density.size,), 0.3)
    value, slope = found(theta.numpy())
    assert value == pytest.approx(-float(function(theta).detach()), rel=1e-10)
    expected = torch.autograd.functional.jacobian(function, theta).numpy()
    assert slope == pytest.approx(-expected, rel=1e-8)


def test_many_products_at_once_are_those_one_by_one():
    x = RNG.normal(size=(40, 15))
    text = (
        "model R\nplate i  dim D\ninput X[i]: real[D]\nlatent tau ~ HalfNormal(1)\n"
        "latent beta: real[D] ~ Normal(0, tau)\nlatent alpha ~ Normal(1, 3)\n"
        "observe y[i] ~ Normal(alpha + X @ beta, 0.8)"
    )
    y = 100 * x[:, 0] + RNG.normal(size=40)
    density = density_of(text, {"X": x, "y": y})

    value, theta = value_at(density, 3.0)

    covariance = 9 + 9 * x @ x.T + 0.64 * np.eye(40)
    expected = normal(y, np.ones(40), covariance) + half_normal(3.0)
    assert value == pytest.approx(expected, rel=1e-9)
    slope = torch.autograd.functional.jacobian(log_marginal(density), theta).numpy()

    def at(tau):
        moved = 9 + tau**2 * x @ x.T + 0.64 * np.eye(40)
        return normal(y, np.ones(40), moved) + half_normal(tau)

    numeric = (at(3 * np.exp(1e-5)) - at(3 * np.exp(-1e-5))) / 2e-5
    assert slope[0] == pytest.approx(numeric, rel=1e-6)


def test_a_precision_that_is_not_positive_definite_is_not_a_number():
    density = density_of(HIERARCHY, hierarchy(9, 60))
    function = log_marginal(density)
    found = recorded(lambda point: -function(point), density.size)

    for point in (np.array([-800.0, 0.0]), np.array([400.0, 900.0]), np.array([0.0, np.nan])):
        value, _ = found(point)
        assert not np.isfinite(value)


def test_data_far_from_zero_lose_no_digits():
    data = hierarchy(9, 60, offset=1e6)
    text = HIERARCHY.replace("mu ~ Normal(0, 5)", "mu ~ Normal(1000000, 5)")
    density = density_of(text, data)

    value, _ = value_at(density, 0.7, 1.3)

    _, covariance = hierarchy_law(data, 0.7, 1.3)
    expected = normal(data["y"] - 1e6, np.zeros(60), covariance)
    expected += half_normal(0.7) + half_normal(1.3)
    assert value == pytest.approx(expected, abs=1e-8)


def test_a_linear_regression_has_its_evidence_in_closed_form():
    x = RNG.normal(size=(40, 3))
    y = x @ [1.0, -2.0, 0.5] + RNG.normal(size=40)
    text = (
        "model R\nplate i  dim D\ninput X[i]: real[D]\nlatent beta: real[D] ~ Normal(0, 2)\n"
        "latent alpha ~ Normal(1, 3)\nobserve y[i] ~ Normal(alpha + X @ beta, 0.8)"
    )
    density = density_of(text, {"X": x, "y": y})

    value, _ = value_at(density)

    covariance = 9 + 4 * x @ x.T + 0.64 * np.eye(40)
    assert value == pytest.approx(normal(y, np.ones(40), covariance), rel=1e-10)


def kalman(y, transition, noise, look, error, mean, covariance):
    """The log likelihood of a linear state space model, step by step; NaN is not observed."""
    total = 0.0
    for k, value in enumerate(y):
        if k:
            mean, covariance = transition @ mean, transition @ covariance @ transition.T + noise
        if np.isnan(value):
            continue
        spread = look @ covariance @ look + error**2
        gain = covariance @ look / spread
        miss = value - look @ mean
        total += stats.norm(0, np.sqrt(spread)).logpdf(miss)
        mean, covariance = mean + gain * miss, covariance - np.outer(gain, look @ covariance)
    return total


LEVEL = """model Level
sequence t
latent step ~ HalfNormal(1)
latent sigma ~ HalfNormal(1)
latent level[0] ~ Normal(0, 3)
latent level[t] ~ Normal(level[t-1], step)
observe y[t]: real? ~ Normal(level, sigma)
"""
TREND = """model Trend
sequence t
latent step ~ HalfNormal(1)
latent sigma ~ HalfNormal(1)
latent slope[0] ~ Normal(0, 1)
latent slope[t] ~ Normal(slope[t-1], 0.1)
latent level[0] ~ Normal(0, 3)
latent level[t] ~ Normal(level[t-1] + slope[t-1], step)
observe y[t]: real? ~ Normal(level, sigma)
"""
SECOND = """model Second
sequence t
latent step ~ HalfNormal(1)
latent sigma ~ HalfNormal(1)
latent x[0] ~ Normal(0, 3)
latent x[1] ~ Normal(0, 3)
latent x[t] ~ Normal(1.2 * x[t-1] - 0.5 * x[t-2], step)
observe y[t]: real? ~ Normal(x, sigma)
"""
MATRIX = """model Matrix
sequence t  dim K = 2
input F: real[K, K]
input Q: covariance[K]
latent step ~ HalfNormal(1)
latent sigma ~ HalfNormal(1)
latent state[0]: real[K] ~ MultivariateNormal([0, 0], [[9, 0], [0, 9]])
latent state[t]: real[K] ~ MultivariateNormal(F @ state[t-1], step * Q)
observe y[t]: real? ~ Normal(state[0] + 0.5 * state[1], sigma)
"""
F, Q = np.array([[0.9, 0.3], [-0.2, 0.8]]), np.array([[1.0, 0.4], [0.4, 0.6]])


def filter_of(name, y, step, sigma):
    if name == "level":
        return kalman(
            y, np.eye(1), np.eye(1) * step**2, np.ones(1), sigma, np.zeros(1), np.eye(1) * 9
        )
    if name == "trend":
        transition, noise = np.array([[1.0, 1.0], [0.0, 1.0]]), np.diag([step**2, 0.01])
        start = np.diag([9.0, 1.0])
        return kalman(y, transition, noise, np.array([1.0, 0]), sigma, np.zeros(2), start)
    start = np.diag([9.0, 9.0])
    if name == "second":
        transition, noise = np.array([[1.2, -0.5], [1.0, 0.0]]), np.diag([step**2, 0.0])
        first = stats.norm(0, np.sqrt(9 + sigma**2)).logpdf(y[0])
        weight = 9 / (9 + sigma**2)
        start = np.diag([9.0, 9 * (1 - weight)])
        mean = np.array([0.0, weight * y[0]])
        return first + kalman(y[1:], transition, noise, np.array([1.0, 0]), sigma, mean, start)
    return kalman(y, F, step * Q, np.array([1.0, 0.5]), sigma, np.zeros(2), start)


SERIES = {"level": LEVEL, "trend": TREND, "second": SECOND, "matrix": MATRIX}


@pytest.mark.parametrize("name", list(SERIES))
def test_state_space_models_against_the_kalman_filter(name):
    y = np.cumsum(RNG.normal(size=40))
    y[[5, 6, 20, 39]] = np.nan
    data = {"y": y} | ({"F": F, "Q": Q} if name == "matrix" else {})
    density = density_of(SERIES[name], data)

    for step, sigma in ((0.4, 1.2), (1.5, 0.2)):
        value, _ = value_at(density, step, sigma)
        expected = filter_of(name, y, step, sigma) + half_normal(step) + half_normal(sigma)
        assert value == pytest.approx(expected, rel=1e-8)


def test_a_long_series_takes_few_products():
    y = np.cumsum(np.random.default_rng(3).normal(size=1500))
    density = density_of(TREND, {"y": y})
    value, _ = value_at(density, 0.6, 0.9)

    expected = filter_of("trend", y, 0.6, 0.9) + half_normal(0.6) + half_normal(0.9)
    assert value == pytest.approx(expected, rel=1e-9)


PROCESS = """model Process
dim N
input x: real[N]
latent amplitude ~ HalfNormal(1)
latent sigma ~ HalfNormal(1)
latent f: real[N] ~ GaussianProcess(x, matern32(amplitude, 0.7), loc=0.5)
observe y: real[N] ~ Normal(f, sigma)
"""


def test_a_gaussian_process_collapses():
    x = np.linspace(0, 4, 25)
    y = np.sin(x) + 0.3 * RNG.normal(size=25)
    density = density_of(PROCESS, {"x": x, "y": y})

    value, _ = value_at(density, 1.3, 0.4)

    apart = np.sqrt(3) * np.abs(x[:, None] - x) / 0.7
    kernel = 1.3**2 * (1 + apart) * np.exp(-apart)
    covariance = kernel + (0.16 + np.sqrt(np.finfo(float).eps) * 1.69) * np.eye(25)
    expected = normal(y, np.full(25, 0.5), covariance) + half_normal(1.3) + half_normal(0.4)
    assert value == pytest.approx(expected, rel=1e-8)


SLOPES = """model Slopes
plate group  plate row  dim K = 2
input of[row]: index(group)
input x[row]: real
latent centre: real[K] ~ Normal([1, -1], [1, 0.5])
latent spread: positive[K] ~ LogNormal(-0.5, 0.5)
latent L: cholesky_correlation[K] ~ LKJCholesky(2)
latent effect[group]: real[K] ~ MultivariateNormal(centre, scale_tril=diag(spread) @ L)
latent sigma ~ HalfNormal(1)
observe y[row] ~ Normal(effect[of, 0] + effect[of, 1] * x, sigma)
"""


def test_varying_slopes_with_an_unknown_correlation():
    data = hierarchy(6, 40)
    density = density_of(SLOPES, data)
    assert [u.name for u in density.integrated] == ["centre", "effect"]
    root = np.linalg.cholesky([[1.0, 0.6], [0.6, 1.0]])
    spread = np.array([0.8, 1.4])

    value, theta = value_at(density, spread, root, 0.5)

    design = np.stack([np.ones(40), data["x"]], -1)
    covariance = np.diag(spread) @ root @ root.T @ np.diag(spread)
    same = data["of"][:, None] == data["of"]
    total = same * (design @ covariance @ design.T) + design @ np.diag([1, 0.25]) @ design.T
    expected = normal(data["y"], design @ [1, -1], total + 0.25 * np.eye(40))
    flat = density.joint(
        {
            u.name: p.reshape(u.unconstrained_shape)
            for u, p in zip(
                density.unknowns, theta.split([u.size for u in density.unknowns]), strict=True
            )
        },
        {u.name: torch.zeros(u.shape) for u in density.integrated},
    )
    rows = stats.norm(0, 0.5).logpdf(data["y"]).sum()
    effects = 6 * normal([0, 0], [0, 0], covariance)
    centre = stats.norm([1, -1], [1, 0.5]).logpdf(0).sum()
    assert value == pytest.approx(expected + float(flat) - rows - effects - centre, rel=1e-8)


def test_draws_have_the_exact_conditional_law():
    data = hierarchy(4, 20)
    density = density_of(HIERARCHY, data)
    _, theta = value_at(density, 0.8, 0.6)
    count = 40_000

    found = recover(density, np.tile(theta.numpy(), (count, 1)), 7)

    design = np.column_stack([np.ones(20), data["x"], np.zeros((20, 4))])
    design[np.arange(20), 2 + data["of"]] = 1.0
    design[:, 0] = 0.0
    prior = np.diag([25.0, 4, 0.64, 0.64, 0.64, 0.64])
    root = np.eye(6)
    root[2:, 0] = 1.0
    prior = root @ prior @ root.T
    gain = prior @ design.T @ np.linalg.inv(design @ prior @ design.T + 0.36 * np.eye(20))
    mean, covariance = gain @ data["y"], prior - gain @ design @ prior
    drawn = np.concatenate([found[n].reshape(count, -1) for n in ("mu", "b", "alpha")], axis=1)
    white = np.linalg.solve(np.linalg.cholesky(covariance), (drawn - mean).T)
    level = share(6 + 6 + 15)
    for k in range(6):
        assert stats.kstest(white[k], "norm").pvalue > level
        assert stats.chi2(count).sf((white[k] ** 2).sum()) > level / 2
        for other in range(k):
            assert stats.norm.sf(abs(white[k] @ white[other]) / np.sqrt(count)) * 2 > level
    means, variances = posterior_moments(density, theta.numpy())
    assert means["alpha"].reshape(-1) == pytest.approx(mean[2:], rel=1e-9)
    assert variances["alpha"].reshape(-1) == pytest.approx(np.diag(covariance)[2:], rel=1e-9)


def test_each_draw_belongs_to_its_point(monkeypatch):
    data = hierarchy(4, 20)
    tiny = density_of(HIERARCHY, data)
    points = np.stack(
        [value_at(tiny, 1e-4, 0.6)[1].numpy(), value_at(tiny, 3.0, 0.6)[1].numpy()] * 50
    )

    found = recover(tiny, points, 3)

    apart = np.ptp(found["alpha"].reshape(100, -1), axis=1)
    assert (apart[::2] < 1e-2).all()
    assert (apart[1::2] > 1e-2).all()
    again = recover(tiny, points, 3)
    assert (again["alpha"] == found["alpha"]).all()
    monkeypatch.setenv("GENDSL_NATIVE", "0")
    plain = recover(density_of(HIERARCHY, data), points, 3)
    assert plain["alpha"] == pytest.approx(found["alpha"], rel=1e-7)


def test_what_is_not_quadratic_is_refused():
    text = "model M\nplate i\nlatent mu ~ Normal(0, 1)\nobserve y[i] ~ StudentT(4, mu, 1)"
    with pytest.raises(NotIntegrable, match="no quadratic function"):
        log_marginal(density_of(text, {"y": [0.1, 2.0]}, ("mu",)))
