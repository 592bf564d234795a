"""Gaussian processes against closed forms: densities, gradients, posteriors, predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from failure_budget import share
from known_answers import assert_moments, fit
from reference_functions import SHAPED
from scipy import stats

import gendsl
from gendsl.compiler import replan
from gendsl.runtime.backend import tensors
from gendsl.runtime.density import Density
from gendsl.runtime.native import NotNative, build
from gendsl.runtime.potential import agree, potential_of
from gendsl.runtime.program import executable
from gendsl.runtime.tracing import record

FLOAT64, CPU = torch.float64, torch.device("cpu")
TINY = 2.0**-26
"""What is added to the diagonal, of the mean variance."""
X = np.array([-2.0, -1.5, -0.7, 0.0, 0.2, 1.1, 1.9])
rng = np.random.default_rng(11)

REGRESSION = """model Regression
dim N
input x: real[N]
latent alpha ~ HalfNormal(1)
latent rho ~ Gamma(5, 5)
latent sigma ~ HalfNormal(1)
observe y: real[N] ~ GaussianProcess(x, squared_exponential(alpha, rho) + linear_kernel(0.5),
                                     loc=0.3, noise=sigma)
"""
COUNTS = """model Counts
plate point
input x[point]: real
latent alpha ~ HalfNormal(1)
latent rho ~ InverseGamma(5, 5)
latent f: real[point] ~ GaussianProcess(collect(x, point), matern52(alpha, rho))
observe y[point]: count ~ Poisson(exp(1 + f[point]))
"""
SLOPES = """model Slopes
plate group
plate row
dim D = 2
input X[row]: real[D]
input of[row]: index(group)
latent mu: real[D] ~ Normal(0, 1)
latent S: covariance[D] ~ Flat()
latent b[group]: real[D] ~ MultivariateNormal(mu, S)
observe y[row] ~ Normal(X @ b[of], 1)
"""
CURVE = """model Curve
plate point
input x[point]: real
latent f: real[point] ~ GaussianProcess(collect(x, point), squared_exponential(1.2, 0.8))
observe y[point]: real? ~ Normal(f[point], 0.3)
"""


def density_of(
    model: gendsl.Model, data: dict[str, object], noncentred: tuple[str, ...] | None = None
) -> Density:
    """The density of a model, in the form of its plan or as is told."""
    compiled = model.compiled
    ready = executable(compiled.program, compiled.checked.ir, model.bind(data), FLOAT64, CPU)
    return Density(ready, compiled.plan.noncentred if noncentred is None else noncentred)


def squared_exponential(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return SHAPED["squared_exponential"](a, 1.2, 0.8, b)


# --- densities ------------------------------------------------------------------------------


def test_the_marginal_likelihood_is_that_of_scipy():
    model = gendsl.compile(REGRESSION)
    y = rng.normal(size=len(X))
    for alpha, rho, sigma in ((0.7, 0.9, 0.4), (1.5, 0.3, 1.1)):
        covariance = SHAPED["squared_exponential"](X, alpha, rho) + 0.25 * np.outer(X, X)
        covariance += (sigma**2 + TINY * np.trace(covariance) / len(X)) * np.eye(len(X))
        wanted = stats.multivariate_normal(np.full(len(X), 0.3), covariance).logpdf(y)
        wanted += stats.halfnorm.logpdf([alpha, sigma]).sum() + stats.gamma(5, scale=0.2).logpdf(
            rho
        )
        values = {"alpha": alpha, "rho": rho, "sigma": sigma}
        assert model.log_density(values, {"x": X, "y": y}) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("name", ["regression", "counts", "slopes", "curve"])
def test_gradients_of_the_recording_equal_differences(name):
    text, data = {
        "regression": (REGRESSION, {"x": X, "y": rng.normal(size=len(X))}),
        "counts": (COUNTS, {"x": X, "y": [1, 0, 4, 2, 7, 1, 0]}),
        "slopes": (SLOPES, {"X": rng.normal(size=(5, 2)), "of": [0, 1, 1, 2, 2], "y": X[:5]}),
        "curve": (CURVE, {"x": X, "y": [*X[:6], np.nan]}),
    }[name]
    with tensors(FLOAT64, CPU, 4):
        potential = potential_of(density_of(gendsl.compile(text), data))
        assert potential.note is None
        point = 0.3 * torch.randn(potential.size, generator=torch.Generator().manual_seed(3))
        _, gradient = potential.function(point)
        if potential.native is not None:
            np.testing.assert_allclose(potential.native(point.numpy())[1], gradient, rtol=1e-8)
        for i in range(potential.size):
            step = 1e-5 * torch.eye(potential.size)[i]
            ends = [potential.function(point + s)[0].item() for s in (step, -step)]
            assert gradient[i].item() == pytest.approx(
                (ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-6
            )


# --- the non-centred form -------------------------------------------------------------------


@pytest.mark.parametrize(("text", "latent", "fixed"), [(COUNTS, "f", 2), (SLOPES, "b", 5)])
def test_the_non_centred_form_is_the_same_law(text, latent, fixed):
    """log p(z) = log p(loc + L z) + log |L|, and the rest of the model is as it was."""
    checked = gendsl.compile(text).compiled.checked
    model = gendsl.Model(replan(checked, treat={latent: "sampled"}))
    data = {"x": X, "y": [1, 0, 4, 2, 7, 1, 0]}
    if latent == "b":
        data = {"X": rng.normal(size=(5, 2)), "of": [0, 1, 1, 2, 2], "y": X[:5]}
    assert model.plan.noncentred == model.plan.triangular == (latent,)
    with tensors(FLOAT64, CPU, 5):
        standard = density_of(model, data)
        centred = density_of(model, data, ())
        free = {u.name: torch.randn(u.unconstrained_shape) for u in standard.unknowns}
        values = standard.constrain(free)
        site = f"{latent}_decentered"
        if latent == "f":
            kernel = SHAPED["matern52"](X, values["alpha"].item(), values["rho"].item())
            kernel += TINY * np.trace(kernel) / len(X) * np.eye(len(X))
            factor, loc, members = torch.tensor(np.linalg.cholesky(kernel)), 0.0, 1
        else:
            factor, loc, members = torch.linalg.cholesky(values["S"]), values["mu"], 3
        moved = loc + (factor @ values[site].unsqueeze(-1)).squeeze(-1)
        got = standard.log_prob(values)
        rest = {n: v for n, v in values.items() if n != site}
        wanted = centred.log_prob({**rest, latent: moved})
        wanted = wanted + members * torch.log(torch.diagonal(factor)).sum()
        assert got.item() == pytest.approx(wanted.item(), rel=1e-10)


def test_the_plan_says_so():
    assert "non-centred f: loc + L @ standard" in str(gendsl.compile(COUNTS).plan)
    assert "NonCentred()" in gendsl.compile(COUNTS).compiled.program.source


# --- draws ----------------------------------------------------------------------------------


def test_simulated_functions_have_the_covariance_of_the_kernel():
    model = gendsl.compile(CURVE)
    found = model.simulate(400, data={"x": X}, seed=2)
    f = found["prior/f"].to_numpy().reshape(-1, len(X))
    covariance = squared_exponential(X, X) + TINY * 1.44 * np.eye(len(X))
    squares = np.einsum("ij,ij->i", f, np.linalg.solve(covariance, f.T).T)
    assert stats.kstest(squares, stats.chi2(len(X)).cdf).pvalue > share()


def test_points_without_outcomes_are_predicted():
    """With Gaussian noise and a known kernel the posterior is known, at new points too."""
    at = np.r_[X, -2.6, 0.6, 3.0]
    y = np.r_[np.sin(2 * X), [np.nan] * 3]
    found = fit(CURVE, {"x": at, "y": y}, draws=1000)
    inner = squared_exponential(X, X) + 0.09 * np.eye(len(X))
    cross = squared_exponential(at, X)
    mean = cross @ np.linalg.solve(inner, y[: len(X)])
    spread = squared_exponential(at, at) - cross @ np.linalg.solve(inner, cross.T)
    assert_moments(found.posterior["f"], mean, np.sqrt(np.diag(spread)))
    same = found.posterior_predictive()["y"].std(("chain", "draw")).to_numpy()
    assert np.abs(same / np.sqrt(np.diag(spread) + 0.09) - 1).max() < 0.3


@pytest.fixture(scope="module")
def small() -> gendsl.Fit:
    data = {"x": X[:3], "y": [0.0, 1.0, 0.5]}
    return gendsl.compile(CURVE).fit(data, draws=20, warmup=20, chains=1, seed=1, progress=False)


@pytest.mark.parametrize("points", [X[:3] + 1, X[:4]])
def test_other_points_are_refused(small, points):
    with pytest.raises(gendsl.DataError) as caught:
        small.predict({"x": points})
    assert str(caught.value) == (
        "<text>:4:8: error[GD918]: `f` has an entry for each point, and the new data have others; "
        "this version cannot draw those yet\n"
        "  4 | latent f: real[point] ~ GaussianProcess(collect(x, point), "
        "squared_exponential(1.2, 0.8))\n"
        "    |        ^\n"
        "help: fit with the new rows among the data, their observed values missing (`?`)"
    )


def test_other_points_of_a_dim_are_refused():
    text = CURVE.replace("plate point", "dim point").replace("x[point]: real", "x: real[point]")
    text = text.replace("collect(x, point)", "x").replace("y[point]: real?", "y: real[point]?")
    text = text.replace("Normal(f[point]", "Normal(f")
    data = {"x": X[:3], "y": [0.0, 1.0, 0.5]}
    found = gendsl.compile(text).fit(data, draws=20, warmup=20, chains=1, seed=1, progress=False)
    with pytest.raises(gendsl.DataError, match="GD918.*`x` is not what it was in the fit"):
        found.predict({"x": X[:3] + 1})


def test_a_nearly_singular_covariance_becomes_machine_code():
    """Two ways to factor it differ by more than the last digits, and neither is wrong."""
    with tensors(FLOAT64, CPU, 6):
        try:
            build(record(lambda x: (x * x).sum(), torch.randn(2)))
        except NotNative as error:
            pytest.skip(str(error))
        data = {"x": np.linspace(-2, 2, 21), "y": np.arange(21) % 4}
        assert potential_of(density_of(gendsl.compile(COUNTS), data)).way == "machine code"


def test_a_difference_beyond_rounding_is_seen():
    def result(value: float, slope: float) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(value, dtype=FLOAT64), torch.tensor([slope, 3.0], dtype=FLOAT64)

    here, nudged = result(70.0, 2.0), result(70.0 + 1e-9, 2.0 + 1e-9)
    assert agree(here, result(70.0 + 1e-8, 2.0 - 1e-8), 1e-10, nudged)
    assert not agree(here, result(70.0 + 1e-5, 2.0), 1e-10, nudged)
    assert not agree(here, result(70.0, 2.0 + 1e-5), 1e-10, nudged)
    assert not agree(here, result(70.0 + 1e-7, 2.0), 1e-10)
    for broken in (float("nan"), float("inf")):
        assert not agree(here, result(71.0, 2.0), 1e-10, result(broken, 2.0))
