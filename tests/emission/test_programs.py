"""What emitted programs look like, and what they do at the edges of their data."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from model_points import emitted, expected, random_point, ready
from pyro.distributions import constraints
from reference_distributions import log_probability
from scipy import stats
from torch.distributions import biject_to

import gendsl
from gendsl.compiler import Compiled, compile_source
from gendsl.runtime import distributions as runtime
from gendsl.runtime.backend import tensors
from gendsl.runtime.density import Density
from gendsl.runtime.narrowed import Truncated
from gendsl.runtime.posterior import complete
from gendsl.runtime.predicting import predictive
from gendsl.syntax.reading import read_source, source_from_text

DOUBLE = torch.float64, torch.device("cpu"), 0


def compiled(text: str) -> Compiled:
    return compile_source(source_from_text(text, "test.gen"))


# --- data of size 0 -------------------------------------------------------------------------


EMPTY = """
model Empty
plate n  plate g = 3
input c[n]: index(g)
input x[n]: real
latent m[g] ~ Normal(0, 1)
latent z[n] ~ Normal(0, 1)
latent k[n] ~ Bernoulli(0.3)
let e[n] = z + x + m[c]
observe y[n]: real? ~ Normal(e + k, 1)
observe w[g] ~ Normal(m + sum(e * x, n), 1)
"""


def test_an_empty_plate_adds_nothing():
    model = gendsl.compile(EMPTY)
    m, w = np.array([0.1, 0.2, 0.3]), np.array([1.0, 0.0, -1.0])
    nothing = np.zeros(0)
    data = {"c": nothing.astype(int), "x": nothing, "y": nothing, "w": w}
    got = model.log_density({"m": m, "z": nothing}, data)
    assert got == pytest.approx(stats.norm.logpdf(m).sum() + stats.norm.logpdf(w, m).sum())


# --- tails ----------------------------------------------------------------------------------

TAILS = {
    "Normal": ({"loc": 0.5, "scale": 2.0}, [(60.0, 70.0), (-70.0, -60.0), (-1.0, 2.0)]),
    "Cauchy": ({"loc": 0.5, "scale": 2.0}, [(1e9, math.inf), (-math.inf, -1e9), (0.0, 1.0)]),
    "Laplace": ({"loc": 0.5, "scale": 2.0}, [(200.0, 210.0), (-210.0, -200.0), (0.0, 3.0)]),
    "Logistic": ({"loc": 0.5, "scale": 2.0}, [(200.0, 210.0), (-210.0, -200.0), (0.0, 3.0)]),
    "Gumbel": ({"loc": 0.5, "scale": 2.0}, [(80.0, math.inf), (-math.inf, -9.0), (0.0, 3.0)]),
    "Exponential": ({"rate": 2.0}, [(300.0, math.inf), (0.0, 1e-9), (0.5, 1.0)]),
    "HalfNormal": ({"scale": 2.0}, [(60.0, math.inf), (0.0, 1e-9), (0.5, 1.0)]),
    "HalfCauchy": ({"scale": 2.0}, [(1e9, math.inf), (0.0, 1e-9), (0.5, 1.0)]),
    "Weibull": ({"scale": 2.0, "concentration": 1.5}, [(90.0, math.inf), (0.0, 1e-6), (0.5, 1.0)]),
    "LogNormal": ({"loc": 0.5, "scale": 1.0}, [(1e12, math.inf), (0.0, 1e-9), (0.5, 1.0)]),
    "Gamma": ({"concentration": 2.5, "rate": 1.5}, [(90.0, math.inf), (0.0, 1e-6), (0.5, 1.0)]),
}


@pytest.mark.parametrize("name", TAILS)
def test_truncation_is_exact_in_the_tails(name):
    params, intervals = TAILS[name]
    with tensors(*DOUBLE):
        base = getattr(dist, name)(**{k: torch.tensor(v) for k, v in params.items()})
        for low, high in intervals:
            at = low + 0.3 if math.isinf(high) else high - 0.3 * (min(high - low, 1.0))
            at = at if not math.isinf(low) else high - 0.3
            value = torch.tensor(at)
            got = Truncated(base, low, high, "cdf").log_prob(value) - base.log_prob(value)
            wanted = -log_probability(name, low, high, params)
            assert float(got) == pytest.approx(float(wanted), rel=1e-9), (low, high)


def test_gradients_of_truncations_are_finite():
    with tensors(*DOUBLE):
        loc = torch.tensor(0.0, requires_grad=True)
        for low, high in ((40.0, 41.0), (-41.0, -40.0), (-1.0, 1.0), (0.0, math.inf)):
            value = torch.tensor((low + high) / 2 if high < math.inf else 1.0)
            total = Truncated(dist.Normal(loc, 1.0), low, high, "cdf").log_prob(value)
            (slope,) = torch.autograd.grad(total, loc)
            assert bool(torch.isfinite(slope))


def test_an_observed_value_outside_a_moving_support_has_density_0():
    model = gendsl.compile("""
        model Tanks
        plate n
        latent top ~ LogNormal(0, 1)
        latent least ~ LogNormal(0, 1)
        observe y[n] ~ Uniform(0, top)
        observe z[n]: real(least, inf) ~ Normal(0, 1)
    """)
    data = {"y": np.array([1.0, 2.0]), "z": np.array([1.0, 3.0])}
    assert math.isfinite(model.log_density({"top": 3.0, "least": 0.5}, data))
    assert model.log_density({"top": 1.5, "least": 0.5}, data) == -math.inf
    assert model.log_density({"top": 3.0, "least": 1.5}, data) == -math.inf


# --- bijections -----------------------------------------------------------------------------

SQUARE = [runtime.covariance, runtime.correlation, runtime.cholesky_correlation]
VECTORS = [
    runtime.zero_sum,
    runtime.OrderedBetween(-1.0, 2.0),
    runtime.OrderedBetween(-1.0, math.inf),
    runtime.OrderedBetween(-math.inf, 2.0),
    runtime.OrderedBetween(-math.inf, math.inf),
]


@pytest.mark.parametrize("support", [*SQUARE, *VECTORS, runtime.unit_vector], ids=repr)
def test_bijections_reach_their_supports_and_come_back(support):
    with tensors(*DOUBLE):
        shape = (2, 3, 3) if support in SQUARE else (2, 3)
        transform = biject_to(support)
        start = torch.randn(transform.inverse_shape(torch.Size(shape)))
        value = transform(start)
        assert value.shape == shape
        assert transform.forward_shape(start.shape) == shape
        assert bool(support.check(value).all())
        again = transform(transform.inv(value))
        torch.testing.assert_close(again, value)


@pytest.mark.parametrize("support", [*SQUARE, *VECTORS], ids=repr)
def test_jacobians_are_those_of_autodiff(support):
    with tensors(*DOUBLE):
        size = 4
        transform = biject_to(support)
        shape = torch.Size((size, size) if support in SQUARE else (size,))
        start = torch.randn(transform.inverse_shape(shape))

        def free(x: torch.Tensor) -> torch.Tensor:
            value = transform(x)
            if support is runtime.covariance:
                return value[tuple(torch.tril_indices(size, size))]
            if support in (runtime.correlation, runtime.cholesky_correlation):
                return value[tuple(torch.tril_indices(size, size, -1))]
            return value

        slope = torch.autograd.functional.jacobian(free, start)
        volume = 0.5 * torch.linalg.slogdet(slope.mT @ slope).logabsdet
        got = transform.log_abs_det_jacobian(start, transform(start))
        torch.testing.assert_close(got.reshape(()), volume)


def test_flat_starts_inside_its_support():
    with tensors(*DOUBLE):
        law = runtime.FlatOn(constraints.greater_than(2.0)).expand([3, 2]).to_event(1)
        drawn = law.sample((4,))
        assert drawn.shape == (4, 3, 2)
        assert bool((drawn > 2).all())
        assert law.log_prob(drawn).shape == (4, 3)


# --- missing entries and steps, after the fit -----------------------------------------------


def test_imputed_entries_come_back_in_the_order_of_the_data():
    model = compiled("""
        model Imputed
        plate n  plate g
        input c[g, n]: real
        latent s ~ HalfNormal(1)
        observe x[n, g]: real[2]? ~ Normal(0, s)
        observe y[g, n] ~ Normal(sum(x) + c, 1)
    """)
    point = random_point(model.checked.ir, np.random.default_rng(3))
    gaps = np.isnan(point.values["x"])
    with tensors(*DOUBLE):
        program = ready(model, point)
        density = Density(program)
        raw = {u.name: np.ones((5, *u.shape)) for u in density.unknowns}
        entries = np.arange(gaps.sum(), dtype=float)
        order = {v.name: v for v in model.checked.ir.variables}["x"].axes
        layout = model.program.layout.ordered(order)
        aligned = np.full(gaps.shape, np.nan)
        aligned[gaps] = entries
        aligned = aligned.transpose([*(order.index(p) for p in layout), 2])
        raw["x_missing"] = np.tile(aligned[~np.isnan(aligned)], (5, 1))
        found = complete(program, (), raw, discrete=False, seed=0)
    np.testing.assert_array_equal(found["x_missing"], np.tile(entries, (5, 1)))


def test_latents_of_a_sequence_with_lags_are_summed_out():
    path = Path(__file__).parent / "models" / "lags_and_categories.gen"
    model = compile_source(read_source(path))
    for seed in range(2):
        rng = np.random.default_rng(seed)
        point = random_point(model.checked.ir, rng, sizes={"t": 4, "s": 1})
        assert emitted(model, point) == pytest.approx(expected(point), rel=1e-9)


def test_steps_without_an_equation_are_not_predicted():
    model = compiled("""
        model Steps
        sequence t  plate s
        latent a ~ Normal(0, 1)
        observe y[s, 1]: real ~ Normal(100, 1)
        observe y[s, t]: real ~ Normal(a * y[t-1], 1)
    """)
    point = random_point(model.checked.ir, np.random.default_rng(0))
    with tensors(*DOUBLE):
        program = ready(model, point)
        found = predictive(program, {"a": np.zeros(7)}, {}, {}, seed=0)["y"]
    assert found.shape == (7, point.sizes["s"], point.sizes["t"])
    assert np.isnan(found[..., 0]).all()
    assert (np.abs(found[..., 1] - 100) < 9).all()
    assert (np.abs(found[..., 2:]) < 9).all()


# --- the text -------------------------------------------------------------------------------


def test_names_are_python_names_and_shadow_nothing():
    model = compiled("""
        model Names
        plate lambda  dim None = 2
        input torch[lambda]: real[None]
        latent pyro ~ Normal(0, 1)  latent dist ~ Normal(0, 1)  latent math ~ HalfNormal(1)
        latent take: real[None] ~ Normal(0, 1)
        latent self[lambda] ~ Normal(pyro, math)
        observe print[lambda] ~ Normal(torch @ take + dist + self, exp(math))
    """)
    ast.parse(model.program.source)
    point = random_point(model.checked.ir, np.random.default_rng(0))
    assert emitted(model, point) == pytest.approx(expected(point), rel=1e-12)


def test_lines_are_short_and_simple_models_need_no_runtime():
    model = compiled("""
        model Simple
        plate house  plate county  dim D = 3
        input county_of[house]: index(county)  input x[house]: real[D]
        latent mu ~ Normal(0, 10)  latent tau ~ HalfNormal(1)  latent beta: real[D] ~ Normal(0, 1)
        latent alpha[county] ~ Normal(mu, tau)
        observe y[house]: real? ~ Normal(alpha[county_of] + x @ beta, exp(0.5 * mu))
    """)
    text = model.program.source
    assert max(len(line) for line in text.splitlines()) < 100
    assert "gendsl.runtime" not in text
    assert "alpha[..., county_of] + torch.sum(x * beta, -1)" in text


def test_a_long_sum_is_compiled():
    terms = " + ".join(f"{i % 7} * x" for i in range(3000))
    model = compiled(f"model Long\nlatent x ~ Normal(0, 1)\nobserve y ~ Normal({terms}, 1)\n")
    point = random_point(model.checked.ir, np.random.default_rng(0))
    assert emitted(model, point) == pytest.approx(expected(point), rel=1e-9)
