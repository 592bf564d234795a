"""Latents whose support moves with other unknowns: against closed forms and quadrature."""

from __future__ import annotations

import numpy as np
import pyro
import pytest
import torch
from failure_budget import share
from pyro.infer.mcmc.util import initialize_model
from scipy import integrate, optimize, stats
from scipy.special import roots_hermitenorm

import gendsl
from gendsl.runtime.backend import tensors
from gendsl.runtime.density import Density
from gendsl.runtime.moving import FollowSupport
from gendsl.runtime.potential import Potential, potential_of
from gendsl.runtime.program import executable

CPU, FLOAT64 = torch.device("cpu"), torch.float64

TRIANGLE = """model Triangle
plate kind = 3
latent a: unit ~ Flat()
latent b: real(0, 1 - a) ~ Flat()
let rest: unit = 1 - a - b
let rate[kind]: unit = a if kind == 0 else (b if kind == 1 else rest)
observe n[kind] ~ Poisson(10 * rate)
"""

HIERARCHY = """model Hierarchy
plate n
latent phi: real(0, 2) ~ Uniform(0, 2)
latent theta ~ Uniform(0, phi)
observe y[n] ~ Normal(theta, 0.5)
"""

EVERY_KIND = """model EveryKind
plate n  plate g
input cap[g]: positive
latent a: unit ~ Flat()
latent b: real(0, 1 - a) ~ Flat()
latent phi ~ HalfNormal(2)
latent theta ~ Uniform(-phi, phi)
latent low ~ Normal(0, 1)
latent x[g]: real(low, inf)[3] ~ Normal(a, 1)
latent h[g]: real(low, low + cap) ~ Flat()
latent u[g]: real(0, 1) ~ Uniform(low, low + 2)
latent e: real(low, low + phi) ~ Exponential(1)
latent p ~ Pareto(phi, 2)
latent k[g] ~ Bernoulli(0.3)
observe z[g] ~ Normal(h + k, 1)
observe y[n] ~ Normal(a + b + theta + sum(sum(x, g)) + sum(u, g) + e, p)
"""

WITH_A_SUM = """model WithASum
plate n
latent top ~ HalfNormal(1)
latent w: real(0, top) ~ Normal(1, 1)
latent k[n] ~ Bernoulli(0.4)
observe y[n] ~ Normal(w + k, 0.5)
"""


def density_of(text: str, data: dict, moving: FollowSupport | None) -> Density:
    model = gendsl.compile(text)
    ready = executable(
        model.compiled.program, model.compiled.checked.ir, model.bind(data), FLOAT64, CPU
    )
    return Density(ready, model.plan.noncentred, moving)


def potential(text: str, data: dict) -> Potential:
    with tensors(FLOAT64, CPU, 3):
        return potential_of(density_of(text, data, FollowSupport()))


def over_the_plane(function, count: int = 120) -> float:
    """The integral over two unconstrained coordinates, by Gauss-Hermite quadrature."""
    nodes, weights = roots_hermitenorm(count)
    scale = 2.5
    total = 0.0
    for s, v in zip(nodes, weights, strict=True):
        for t, w in zip(nodes, weights, strict=True):
            at = np.array([s, t]) * scale
            total += v * w * np.exp((s * s + t * t) / 2 - function(at)[0]) * scale**2
    return total


def of(fit: gendsl.Fit, name: str) -> np.ndarray:
    return fit.posterior[name].to_numpy().reshape(-1)


def test_a_flat_triangle_has_a_dirichlet_posterior():
    counts = np.array([4.0, 2.0, 3.0])
    model = gendsl.compile(TRIANGLE)
    fit = model.fit({"n": counts}, seed=2, draws=1500, cores=1, progress=False)
    a, b = of(fit, "a"), of(fit, "b")
    assert (b >= 0).all()
    assert (a + b <= 1).all()
    total = counts.sum() + 3  # the Poisson terms add exp(-10), whatever the shares
    for values, own in zip((a, b, 1 - a - b), counts + 1, strict=True):
        thinned = values[::10]
        assert stats.kstest(thinned, stats.beta(own, total - own).cdf).pvalue > share(3)


def test_the_density_is_that_of_the_triangle():
    counts = np.array([4.0, 2.0, 3.0])
    model = gendsl.compile(TRIANGLE)
    for a, b in ((0.2, 0.3), (0.7, 0.29), (0.05, 0.9)):
        wanted = stats.poisson(10 * np.array([a, b, 1 - a - b])).logpmf(counts).sum()
        found = model.log_density({"a": a, "b": b}, {"n": counts})
        assert found == pytest.approx(wanted, rel=1e-12)


def test_the_jacobian_is_that_of_the_current_support():
    """The integral over the unconstrained coordinates is the one over the values."""
    y = np.array([0.4, 0.9, 0.2])

    def joint(theta: float, phi: float) -> float:
        return np.exp(stats.norm(theta, 0.5).logpdf(y).sum()) / 2 / phi

    wanted, _ = integrate.dblquad(joint, 0, 2, 0, lambda phi: phi)
    assert over_the_plane(potential(HIERARCHY, {"y": y})) == pytest.approx(wanted, rel=2e-4)


def test_draws_agree_with_quadrature():
    y = np.array([0.4, 0.9, 0.2])

    def unnormalised(theta: np.ndarray) -> np.ndarray:
        return np.exp(stats.norm(theta[:, None], 0.5).logpdf(y).sum(1)) * -np.log(theta / 2)

    grid = (np.arange(20_000) + 0.5) / 10_000
    weights = unnormalised(grid)
    cumulated = np.cumsum(weights) / weights.sum()
    fit = gendsl.compile(HIERARCHY).fit(
        {"y": y}, seed=4, draws=1500, cores=1, target_accept_prob=0.95, progress=False
    )
    theta = of(fit, "theta")
    assert (theta <= of(fit, "phi")).all()
    found = stats.kstest(theta[::10], lambda x: np.interp(x, grid, cumulated))
    assert found.pvalue > share()


@pytest.mark.parametrize("text", [EVERY_KIND, WITH_A_SUM])
def test_it_is_recorded_with_the_right_gradient(text):
    rng = np.random.default_rng(0)
    data = {"y": rng.normal(size=6) + 2, "cap": [1.0, 2.0], "z": [0.3, 1.2]}
    data = {k: v for k, v in data.items() if k in text.replace("[", " ").split()}
    found = potential(text, data)
    assert found.note is None
    step = 1e-5
    for _ in range(3):
        point = rng.normal(size=found.size) * 0.5
        value, gradient = found(point)
        assert np.isfinite(value)
        sides = [
            (found(point + step * e)[0] - found(point - step * e)[0]) / (2 * step)
            for e in np.eye(found.size)
        ]
        np.testing.assert_allclose(gradient, sides, rtol=1e-6, atol=1e-6)


def test_coordinates_and_values_are_one_point():
    """The density of the coordinates is that of their values, and the log Jacobian."""
    data = {"y": [0.4, 0.9, 0.2]}
    with tensors(FLOAT64, CPU, 3), pyro.validation_enabled(is_validate=False):
        density = density_of(HIERARCHY, data, FollowSupport())
        point = {"phi": torch.tensor(0.3), "theta free": torch.tensor(-0.8)}
        with torch.no_grad():
            values = density.natural(point)
            found = -float(density.potential(point))
    phi, theta = float(values["phi"]), float(values["theta"])
    assert phi == pytest.approx(2 / (1 + np.exp(-0.3)))
    assert theta == pytest.approx(phi / (1 + np.exp(0.8)))
    jacobian = np.log(phi * (1 - phi / 2)) + np.log(theta * (1 - theta / phi))
    log = gendsl.compile(HIERARCHY).log_density({"phi": phi, "theta": theta}, data)
    assert found == pytest.approx(log + jacobian, rel=1e-12)


def test_the_mode_is_that_of_the_values():
    y = np.array([1.0, 2.0, 1.2])
    text = WITH_A_SUM.replace("latent k[n] ~ Bernoulli(0.4)\n", "").replace("w + k", "w")
    text = text.replace("HalfNormal(1)", "Gamma(9, 3)")
    fit = gendsl.compile(text).fit({"y": y}, infer="map")

    def loss(at: np.ndarray) -> float:
        top, w = at
        if not 0 <= w <= top:
            return np.inf
        inside = stats.norm(1, 1).cdf(top) - stats.norm(1, 1).cdf(0)
        return -(
            stats.gamma(9, scale=1 / 3).logpdf(top)
            + stats.norm(1, 1).logpdf(w)
            - np.log(inside)
            + stats.norm(w, 0.5).logpdf(y).sum()
        )

    precise = {"xatol": 1e-9, "fatol": 1e-12}
    best = optimize.minimize(loss, [2.5, 2.0], method="Nelder-Mead", options=precise)
    assert fit.tree.attrs["log_prob"] == pytest.approx(-best.fun, abs=1e-8)
    found = [float(fit.estimate[n]) for n in ("top", "w")]
    np.testing.assert_allclose(found, best.x, rtol=1e-4)
    errors = [float(fit.tree["standard_error"][n]) for n in ("top", "w")]
    step = 1e-4 * np.eye(2)
    curvature = [
        [
            sum(s * t * loss(best.x + s * u + t * v) for s in (1, -1) for t in (1, -1)) / 4e-8
            for v in step
        ]
        for u in step
    ]
    np.testing.assert_allclose(errors, np.sqrt(np.diag(np.linalg.inv(curvature))), rtol=1e-3)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (HIERARCHY, {"phi": 0.5, "theta": 0.6}),
        (WITH_A_SUM, {"top": 0.5, "w": 0.6}),
        (WITH_A_SUM.replace("Normal(1, 1)", "Flat()"), {"top": 0.5, "w": 0.6}),
        # Bounds that leave no value at all.
        (
            "model M\nplate n\nlatent a ~ Normal(0, 1)\nlatent b ~ Uniform(a, 0)\n"
            "observe y[n] ~ Normal(b, 1)\n",
            {"a": 1.0, "b": 0.5},
        ),
        (
            "model M\nplate n\nlatent a ~ Normal(0, 1)\nlatent b: real(a, 0) ~ Normal(0, 1)\n"
            "observe y[n] ~ Normal(b, 1)\n",
            {"a": 1.0, "b": 0.5},
        ),
    ],
)
def test_the_density_is_zero_outside(text, values):
    assert gendsl.compile(text).log_density(values, {"y": [0.2, 0.3]}) == -np.inf


def test_bounds_beyond_the_distribution_cut_nothing_off():
    text = (
        "model M\nplate n\nlatent a ~ Normal(0, 1)\nlatent b: real(a, a + 3) ~ HalfNormal(1)\n"
        "observe y[n] ~ Normal(b, 1)\n"
    )
    model, y = gendsl.compile(text), [0.2]
    for a in (-2.5, -0.5, 0.0, 0.7):
        inside = stats.halfnorm.cdf(a + 3) - stats.halfnorm.cdf(a)
        wanted = (
            stats.norm.logpdf(a)
            + stats.halfnorm.logpdf(0.4)
            - np.log(inside)
            + stats.norm(0.4, 1).logpdf(0.2)
        )
        b = 0.4 if a < 0.4 else 0.8
        if b == 0.8:
            wanted += stats.halfnorm.logpdf(0.8) - stats.halfnorm.logpdf(0.4)
            wanted += stats.norm(0.8, 1).logpdf(0.2) - stats.norm(0.4, 1).logpdf(0.2)
        assert model.log_density({"a": a, "b": b}, {"y": y}) == pytest.approx(wanted, rel=1e-10)
    found = potential(text, {"y": y})
    for at in (-2.9, -1.0, 0.5):  # the bound lies outside, then inside the support
        value, gradient = found(np.array([at, 0.3]))
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_simulation_draws_inside_the_current_bounds():
    tree = gendsl.compile(HIERARCHY).simulate(4000, sizes={"n": 1}, seed=1)
    phi = tree["prior"]["phi"].to_numpy().ravel()
    theta = tree["prior"]["theta"].to_numpy().ravel()
    assert stats.kstest(theta / phi, "uniform").pvalue > share(2)
    assert stats.kstest(phi / 2, "uniform").pvalue > share(2)


def test_simulation_of_bounds_that_leave_no_value_is_refused():
    text = "model M\nlatent a ~ Normal(0, 1)\nlatent b ~ Uniform(a, 0)\nobserve y ~ Normal(b, 1)\n"
    with pytest.raises(gendsl.DataError, match="GD828.*\n.*latent b ~ Uniform"):
        gendsl.compile(text).simulate(50)


def test_new_members_are_drawn_between_the_bounds_of_each_draw(tmp_path):
    text = (
        "model M\nplate group  plate n\ninput g[n]: index(group)\nlatent top ~ HalfNormal(1)\n"
        "latent x[group]: real(0, top) ~ Normal(0, 1)\nobserve y[n] ~ Normal(x[g], 0.1)\n"
    )
    data = {"g": ["a", "b", "a"], "y": [0.5, 0.9, 0.6]}
    fit = gendsl.compile(text).fit(data, seed=1, draws=200, cores=1, progress=False)
    fit.save(tmp_path / "run")
    restored = gendsl.load_fit(tmp_path / "run")
    for ready in (fit, restored):
        found = ready.predict({"g": ["c"] * 40}, draws=20, seed=3)
        assert found["x"].to_numpy().min() >= 0
        new = found["x"].sel(group="c").to_numpy()
        assert len(np.unique(new)) == 20
        assert found["y"].to_numpy().min() > -0.6  # the noise is small


def test_a_param_keeps_to_bounds_from_the_data():
    text = "model M\nplate n\ninput cap: positive\nparam w: real(0, cap)\n"
    model = gendsl.compile(text + "observe y[n] ~ Normal(w, 1)\n")
    y = [1.0, 2.0, 5.0]
    assert float(model.fit({"y": y, "cap": 5.0}).estimate["w"]) == pytest.approx(8 / 3, rel=1e-5)
    assert float(model.fit({"y": y, "cap": 2.0}).estimate["w"]) == pytest.approx(2, rel=1e-3)


def test_the_printed_program_follows_the_support():
    text = HIERARCHY.replace("real(0, 2) ", "positive ").replace("Uniform(0, 2)", "HalfNormal(1)")
    source = gendsl.compile(text).pyro_source
    assert 'NUTS(pyro.poutine.reparam(model, {"theta": runtime.FollowSupport()}))' in source


def test_a_missing_value_may_stand_where_bounds_exclude_its_placeholder():
    text = (
        "model M\nplate n\ninput l[n]: real\nlatent a ~ Normal(0, 1)\n"
        "observe x[n]: real? ~ Uniform(l, l + 2)\nobserve y[n] ~ Normal(a, 1)\n"
    )
    data = {"l": [-0.5, 3.0], "x": [0.3, np.nan], "y": [1.0, 2.0]}
    wanted = stats.norm.logpdf([0.0, 1.0, 2.0]).sum() - np.log(2)
    model = gendsl.compile(text)
    assert model.log_density({"a": 0.0}, data) == pytest.approx(wanted)
    assert model.log_density({"a": 0.0}, {**data, "x": [5.0, np.nan]}) == -np.inf


def test_pyro_sees_the_coordinates_of_the_printed_program():
    data = {"y": [0.4, 0.9, 0.2]}
    with tensors(FLOAT64, CPU, 3):
        model = gendsl.compile(HIERARCHY)
        ready = executable(
            model.compiled.program, model.compiled.checked.ir, model.bind(data), FLOAT64, CPU
        )
        program = pyro.poutine.reparam(ready.run, {"theta": FollowSupport()})
        start, found, _, _ = initialize_model(program)
        assert set(start) == {"phi", "theta free"}
        at = {"phi": torch.tensor(0.3), "theta free": torch.tensor(-0.8)}
        with torch.no_grad(), pyro.validation_enabled(is_validate=False):
            wanted = float(density_of(HIERARCHY, data, FollowSupport()).potential(at))
            assert float(found(at)) == pytest.approx(wanted, rel=1e-12)
