"""Flows as likelihoods, as priors and in guides."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gendsl
from gendsl.compiler import compile_source
from gendsl.diagnostics import CompileError, DataError
from gendsl.runtime.flows.checking import Violation
from gendsl.runtime.flows.linear import Triangles
from gendsl.runtime.variational import flowing
from gendsl.syntax.reading import source_from_text

DATA = Path(os.environ.get("GENDSL_DATA", Path(__file__).parents[3] / "shared" / "data"))
AFFINE = """model Affine
plate row
flow f: real[{size}] = {transform}
observe x[row]: real[{size}] ~ Normal(0, 1) |> f
"""


def two_moons(rows, rng):
    which, t = rng.integers(0, 2, rows), rng.uniform(0, np.pi, rows)
    upper, lower = np.c_[np.cos(t), np.sin(t)], np.c_[1 - np.cos(t), 0.5 - np.sin(t)]
    noise = 0.1 * rng.normal(size=(rows, 2))
    return np.where(which[:, None] == 0, upper, lower) + noise, which


def quick(model, data, **options):
    return model.fit(data, seed=1, progress=False, **options)


# --- known answers ----------------------------------------------------------------------------


@pytest.mark.parametrize("transform", ["affine()", "affine(scale=diagonal)"])
def test_an_affine_flow_is_gaussian_maximum_likelihood(transform):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3)) + [1.0, -20.0, 300.0]
    model = gendsl.compile(AFFINE.format(size=3, transform=transform))
    fit = quick(model, {"x": x}, held_out=0, epochs=3, batch_size=300, dtype="float64")
    covariance = np.cov(x.T, bias=True)
    if "diagonal" in transform:
        covariance = np.diag(np.diag(covariance))
    wanted = stats.multivariate_normal(x.mean(0), covariance).logpdf(x)
    found = fit.log_prob({"x": x}).to_numpy()
    np.testing.assert_allclose(found, wanted, atol=0.05)
    assert wanted.mean() - 0.002 < found.mean() < wanted.mean() + 1e-5


@pytest.mark.skipif(not (DATA / "cases").is_dir(), reason="needs the shared data")
@pytest.mark.parametrize("kind", ["full", "diag"])
def test_case_d09(kind):
    case = json.loads((DATA / "cases" / "expected.json").read_text())["D09"]
    x = pd.read_csv(DATA / "cases" / "d09.csv").to_numpy()
    transform = "affine()" if kind == "full" else "affine(scale=diagonal)"
    model = gendsl.compile(AFFINE.format(size=4, transform=transform))
    fit = quick(model, {"x": x}, held_out=0, epochs=100, learning_rate=1e-4, batch_size=1000)
    best = case[f"avg_loglik_{kind}"]
    found = fit.score().log_likelihood.mean
    assert best - 0.002 <= found <= best + 1e-5


def test_conditional_flows_have_the_conditional_laws():
    """x | c, k is N(2 k + c, exp(k)^2): a conditional affine flow of one number."""
    rng = np.random.default_rng(2)
    c, k = rng.normal(size=2000), rng.integers(0, 2, 2000)
    x = 2.0 * k + c + np.exp(k) * rng.normal(size=2000)
    model = gendsl.compile(
        """model Given
        plate row  plate kind = 2
        input c[row]: real  input k[row]: index(kind)
        flow f: real | (real, index(kind)) = affine(hidden=[16])
        observe x[row]: real ~ Normal(0, 1) |> f(c, k)
        """
    )
    data = {"x": x, "c": c, "k": k}
    fit = quick(model, data, epochs=25, learning_rate=0.01, batch_size=200)
    wanted = stats.norm(2.0 * k + c, np.exp(k)).logpdf(x).mean()
    assert abs(fit.score(data).log_likelihood.mean - wanted) < 0.03
    new = {"c": np.zeros(4000), "k": np.repeat([0, 1], 2000)}
    drawn = fit.generate(4000, new, seed=3).x.to_numpy().reshape(2, 2000)
    np.testing.assert_allclose(drawn.mean(1), [0.0, 2.0], atol=0.35)
    np.testing.assert_allclose(drawn.std(1), [1.0, np.e], rtol=0.15)


@pytest.mark.slow
def test_a_flow_in_a_guide_reaches_a_posterior_that_is_not_normal():
    """The bound of a curved posterior rises to the log evidence, which a normal guide misses."""
    text = """model Curved
    flow f: real[2] = {transform}
    latent z: real[2] ~ Normal(0, [2, 1])
    observe y ~ Normal(z[1] - z[0] ** 2 / 2, 0.3)
    guide z ~ Normal(0, 1) |> f
    infer svi
    """
    data = {"y": 0.5}
    line = np.linspace(-8, 8, 801)
    a, b = np.meshgrid(line, line, indexing="ij")
    joint = stats.norm(0, 2).pdf(a) * stats.norm(0, 1).pdf(b)
    joint = joint * stats.norm(b - a**2 / 2, 0.3).pdf(0.5)
    evidence = np.log(joint.sum() * (line[1] - line[0]) ** 2)
    gaps = {}
    for transform in (
        "affine()",
        "autoregressive(affine, layers=3, hidden=[16], activation=tanh)",
    ):
        model = gendsl.compile(text.format(transform=transform))
        fit = quick(
            model,
            data,
            epochs=700,
            learning_rate=0.015,
            particles=16,
            schedule="cosine",
            draws=1000,
        )
        gaps[transform[:6]] = evidence - fit.score(particles=2000).elbo.mean
    assert gaps["affine"] > 0.15
    assert -0.03 < gaps["autore"] < 0.4 * gaps["affine"]


# --- what is in the plan, the program and the results -------------------------------------------

GUIDED = """model Guided
plate image  dim L = 2  dim D = 6
net decode: real[L] -> real[D] = mlp(hidden=[8])
net encode: real[D] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[8])
flow posterior: real[L] = autoregressive(affine, layers=2, hidden=[8])
flow prior: real[L] = coupling(spline(bins=4), layers=2, hidden=[8])
latent z[image]: real[L] ~ Normal(0, 1) |> prior
observe x[image]: binary[D] ~ Bernoulli(logits=decode(z))
guide z ~ Normal(encode(x)) |> posterior
"""
MOONS = """model Moons
plate point  plate class = 2
input k[point]: index(class)
flow f: real[2] | index(class) = autoregressive(affine, layers=2, hidden=[16])
observe x[point]: real[2] ~ Normal(0, 1) |> f(k)
"""


def test_plans_say_what_directions_cost_and_which_call_is_slow():
    plan = str(compile_source(source_from_text(MOONS, "moons")).plan)
    assert (
        "f: learned as a point; a density takes one pass, a draw takes a pass for each entry, one "
        "after the other" in plan.replace(", a draw a pass", ", a draw takes a pass")
    )
    assert "x_standardise: between data and flow: mean and standard deviation" in plan
    assert "note: `fit.generate` and `fit.sample` are slow: draws pass `f` the slow way" in plan
    guided = str(compile_source(source_from_text(GUIDED, "guided")).plan)
    assert "posterior: learned as a point; a density takes a pass for each entry" in guided
    assert "prior: learned as a point; a density and a draw take one pass" in guided
    assert "standardise" not in guided


def test_programs_show_the_flow_and_what_stands_before_it():
    program = compile_source(source_from_text(MOONS, "moons")).program.source
    assert "[f(k), x_standardise()]" in program
    assert "dist.TransformedDistribution(" in program
    assert "runtime.begin(model, data, 'nets')" in program
    guided = compile_source(source_from_text(GUIDED, "guided")).program.source
    assert "[posterior()]" in guided
    assert "sampling=True" in guided


def test_densities_are_those_of_the_data_as_given_and_survive_saving(tmp_path):
    """On another scale densities are others by the logarithm of the ratio, and nothing else."""
    rng = np.random.default_rng(4)
    x, k = two_moons(400, rng)
    model = gendsl.compile(MOONS)
    options = {"epochs": 2, "dtype": "float64", "learning_rate": 0.003}
    fit = quick(model, {"x": x, "k": k}, **options)
    scaled = quick(model, {"x": 10.0 * x + 100.0, "k": k}, **options)
    here = fit.log_prob({"x": x, "k": k}).to_numpy()
    there = scaled.log_prob({"x": 10.0 * x + 100.0, "k": k}).to_numpy()
    np.testing.assert_allclose(there, here - 2 * np.log(10.0), atol=1e-8)
    fit.save(tmp_path / "run")
    again = gendsl.load_fit(tmp_path / "run")
    np.testing.assert_array_equal(again.log_prob({"x": x, "k": k}).to_numpy(), here)
    one, two = (f.generate(3, {"k": [0, 1, 1]}, seed=5).x.to_numpy() for f in (fit, again))
    np.testing.assert_array_equal(one, two)
    with pytest.raises(DataError):
        fit.generate(3, {"k": [0]}, seed=5)


def test_flows_train_as_priors_and_in_guides():
    rng = np.random.default_rng(5)
    x = (rng.random((120, 1)) < 0.5) ^ (rng.random((120, 6)) < 0.05)
    model = gendsl.compile(GUIDED)
    fit = quick(model, {"x": x.astype(int)}, epochs=30, learning_rate=0.02, batch_size=40)
    score = fit.score(particles=50)
    assert -6 * np.log(2) < score.elbo.mean <= score.log_likelihood.mean
    entropy = np.log(2) + 6 * stats.bernoulli(0.05).entropy()
    assert score.log_likelihood.mean < -entropy + 0.3
    assert fit.encode({"x": x[:3].astype(int)}).z.shape == (3, 2)
    assert fit.generate(5, seed=1).x.shape == (5, 6)


def test_a_layer_that_is_no_bijection_is_named(monkeypatch):
    def broken(self, u, context):
        x, log = Triangles.original(self, u, context)
        return x + 0.01, log

    Triangles.original = Triangles.forward
    monkeypatch.setattr(Triangles, "forward", broken)
    model = gendsl.compile(AFFINE.format(size=2, transform="linear()"))
    x = np.random.default_rng(6).normal(size=(50, 2))
    with pytest.raises(DataError) as error:
        quick(model, {"x": x}, epochs=1)
    assert (
        "error[GD880]: on these data layer 1 of `f` (triangles) is not undone by its inverse: it "
        "comes back off by 0.0" in str(error.value)
    )


def test_a_layer_that_breaks_in_training_is_in_the_verdict(monkeypatch):
    """One that is none at the end alone: the fit is kept, and not to be trusted."""
    found = iter([[], [Violation("f", 1, "triangles", "gives numbers that are not finite")]])
    monkeypatch.setattr(flowing, "violations", lambda *_: next(found))
    model = gendsl.compile(AFFINE.format(size=2, transform="linear()"))
    fit = quick(model, {"x": np.random.default_rng(7).normal(size=(60, 2))}, epochs=1)
    verdict = str(fit.summary().verdict)
    assert "do not trust" in verdict
    assert "On the data layer 1 of `f` (triangles) gives numbers that are not finite." in verdict


@pytest.mark.parametrize("text", ["real(0, 1)[2]", "positive[2]", "ordered[2]"])
def test_values_of_other_types_are_refused(text):
    model = (
        f"model M\nplate n\nflow f: real[2] = affine()\nobserve x[n]: {text} ~ Normal(0, 1) |> f\n"
    )
    with pytest.raises(CompileError):
        gendsl.compile(model)


def test_whole_numbers_are_dequantised_and_likelihoods_said_to_be_bounds():
    """The bound is near the entropy where densities can be nearly constant around a number."""
    rng = np.random.default_rng(0)
    x = rng.choice(4, size=2000, p=[0.5, 0.25, 0.125, 0.125])  # an entropy of 1.75 bits
    model = gendsl.compile(
        """model Symbols
        plate row
        flow f: real = elementwise(spline(bins=16))
        observe x[row]: integer(0, 3) ~ Normal(0, 1) |> f
        """
    )
    assert "runtime.Dequantised(" in model.pyro_source
    assert any("log likelihoods are lower bounds" in note for note in model.plan.notes)
    options = {"epochs": 60, "batch_size": 250, "learning_rate": 0.02, "schedule": "cosine"}
    fit = quick(model, {"x": x}, held_out=0, **options)
    share = np.bincount(x) / len(x)
    floor = -(share * np.log2(share)).sum()
    assert floor < fit.score().bits_per_dim < floor + 0.06
    assert "lower bound: whole numbers are dequantised" in str(fit.score())
    assert "Log likelihoods are lower bounds" in str(fit.summary())
    bounds = fit.log_prob({"x": np.arange(4)}).to_numpy()
    assert (bounds < np.log(share) + 0.1).all()
    drawn = fit.generate(4000, seed=1).x.to_numpy().astype(int)
    np.testing.assert_allclose(np.bincount(drawn) / 4000, share, atol=0.05)


# --- floors -----------------------------------------------------------------------------------


def eight_gaussians(rows, rng):
    angle = rng.integers(0, 8, rows) * np.pi / 4
    centre = 4.0 * np.c_[np.cos(angle), np.sin(angle)]
    return (centre + 0.5 * rng.normal(size=(rows, 2))) / np.sqrt(2)


def checkerboard(rows, rng):
    across = rng.uniform(-2, 2, rows)
    up = rng.uniform(size=rows) - 2 * rng.integers(0, 2, rows) + np.floor(across) % 2
    return 2.0 * np.c_[across, up]


FLOORS = {
    "moons": (
        lambda n, r: two_moons(n, r)[0],
        1.009,
        "coupling(spline(bins=8), layers=4)",
        10_000,
        {"epochs": 60, "batch_size": 512, "learning_rate": 0.003},
    ),
    "eight": (
        eight_gaussians,
        2.821,
        "coupling(spline(bins=16), layers=4)",
        20_000,
        {"epochs": 100, "batch_size": 512, "learning_rate": 0.003},
    ),
    "checkerboard": (
        checkerboard,
        3.466,
        "autoregressive(spline(bins=32, bound=3), layers=3, hidden=[128, 128])",
        50_000,
        {"epochs": 80, "batch_size": 1000, "learning_rate": 0.004, "weight_decay": 0.0},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOORS)
def test_flows_come_near_the_entropy_and_not_below(name):
    draw, floor, transform, rows, options = FLOORS[name]
    model = gendsl.compile(AFFINE.format(size=2, transform=transform))
    data = {"x": draw(rows, np.random.default_rng(1))}
    fit = quick(model, data, schedule="cosine", **options)
    found = fit.score({"x": draw(20_000, np.random.default_rng(2))}).log_likelihood
    assert floor - 4.0 * found.standard_error < -found.mean < floor + 0.06
