"""Rewritings of a recorded value against the value itself, and against answers of their own."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pyro
import pytest
import torch
from model_points import random_point, ready
from random_models import random_model
from torch import Tensor

import gendsl
from gendsl.compiler import Compiled, compile_source
from gendsl.diagnostics import CompileError
from gendsl.runtime import algebra
from gendsl.runtime.algebra import collapse, factoring, reduced, squares, sums
from gendsl.runtime.algebra.labels import distinct
from gendsl.runtime.algebra.triangles import centre, eliminated, triangle
from gendsl.runtime.backend import tensors
from gendsl.runtime.density import Density
from gendsl.runtime.moving import FollowSupport
from gendsl.runtime.potential import agree, potential_of, recorded, unflatten
from gendsl.runtime.program import executable
from gendsl.runtime.tapes import evaluator, runner
from gendsl.runtime.tracing import Tape, Untraceable, record, record_value
from gendsl.syntax.reading import read_source, source_from_text

ROOT = Path(__file__).resolve().parents[2]
FLOAT64, CPU = torch.float64, torch.device("cpu")
RTOL = 1e-10
POINTS = 4
rng = np.random.default_rng(5)


def entries(tape: Tape) -> int:
    """How many numbers its operations compute."""
    return sum(t.numel() for t in tape.samples[1:])


def longest(tape: Tape) -> int:
    """Entries of its largest result, and of its largest constant."""
    constants = [a for s in tape.steps for a in s.args if isinstance(a, Tensor)]
    return max(t.numel() for t in (*tape.samples[1:], *constants))


def assert_same(one: Tape, other: Tape, at: Tensor | None = None) -> None:
    """Values and gradients agree at random points, or moved from `at`."""
    size = one.samples[0].numel()
    both = [runner(record(evaluator(t), one.samples[0])) for t in (one, other)]
    compared = 0
    for k in range(POINTS):
        point = torch.randn(size) * 0.5**k + (0.0 if at is None else at)
        with torch.no_grad():
            wanted, found, nudged = both[0](point), both[1](point), both[0](point * (1 + 1e-15))
        if all(bool(torch.isfinite(t).all()) for t in wanted):
            assert agree(wanted, found, RTOL, None) or agree(wanted, found, RTOL, nudged)
            compared += 1
    assert compared or at is None


def check(function, size: int, at: Tensor | None = None) -> tuple[Tape, Tape, tuple[str, ...]]:
    """A function's tape, the rewritten one, and the notes; the two agree."""
    before = record_value(function, torch.randn(size) * 0.1)
    after, notes = reduced(before)
    assert_same(before, after, at)
    return before, after, notes


@pytest.fixture
def here():
    with tensors(FLOAT64, CPU, 11), pyro.validation_enabled(is_validate=False):
        yield


@pytest.fixture
def eager_passes(monkeypatch):
    """Every rewriting is made that can be, whether it pays or not, and a failure is an error."""
    for module, name, value in (
        (sums, "SHORTEST", 2),
        (sums, "WORTHWHILE", 1e3),
        (sums, "LESS", 1e3),
        (sums, "LITTLE", -1e9),
        (collapse, "SHRINKS", 1),
        (squares, "PAYS", 1e3),
        (factoring, "LEAST", 1),
        (factoring, "PAYS", 1e3),
        (algebra, "FAILURES", ()),
    ):
        monkeypatch.setattr(module, name, value)


# --- whole models ---------------------------------------------------------------------------

N, G, D = 600, 20, 4
GROUP = np.concatenate([np.arange(G), rng.integers(0, G, N - G)])
OTHER = np.concatenate([np.arange(3), rng.integers(0, 3, N - 3)])
BINARY = rng.integers(0, 2, N).astype(float)
DENSE = rng.normal(size=(N, D))
FEW = rng.integers(0, 2, (N, D)).astype(float)
REAL = rng.normal(size=N) + rng.normal(size=G)[GROUP]
HEAD = "model M\nplate n  plate g = 20  plate h = 3  dim D = 4\n"
OF = "input of[n]: index(g)\n"

MODELS = {
    "linear regression": (
        """input X[n]: real[D]
latent a ~ Normal(0, 5)  latent b: real[D] ~ Normal(0, 1)  latent s ~ HalfNormal(2)
observe y[n] ~ Normal(a + X @ b, s)""",
        {"X": DENSE, "y": REAL},
        (D + 1) ** 2,
    ),
    "hierarchy": (
        OF
        + """latent m ~ Normal(0, 5)  latent t ~ HalfNormal(2)  latent s ~ HalfNormal(2)
latent a[g] ~ Normal(m, t)
observe y[n] ~ Normal(a[of], s)""",
        {"of": GROUP, "y": REAL},
        G,
    ),
    "groups and dense columns": (
        OF
        + """input X[n]: real[D]  input x[n]: real
latent t ~ HalfNormal(2)  latent s ~ HalfNormal(2)  latent b: real[D] ~ Normal(0, 1)
latent a[g] ~ Normal(0, t)  latent c ~ Normal(0, 1)
observe y[n] ~ Normal(a[of] + X @ b - c * x, s)""",
        {"of": GROUP, "X": DENSE, "x": BINARY, "y": REAL},
        G * (D + 1),
    ),
    "slopes of groups": (
        OF
        + """input x[n]: real
latent t ~ HalfNormal(2)  latent s ~ HalfNormal(2)
latent a[g] ~ Normal(0, t)  latent b[g] ~ Normal(0, t)
observe y[n] ~ Normal(a[of] + b[of] * x, s)""",
        {"of": GROUP, "x": DENSE[:, 0], "y": REAL},
        G,
    ),
    "crossed groups": (
        OF
        + """input at[n]: index(h)
latent a[g] ~ Normal(0, 1)  latent b[h] ~ Normal(0, 1)  latent s ~ HalfNormal(2)
observe y[n] ~ Normal(a[of] + b[at], s)""",
        {"of": GROUP, "at": OTHER, "y": REAL},
        3 * G,
    ),
    "scales of groups": (
        OF
        + """input at[n]: index(h)
latent a[g] ~ Normal(0, 1)  latent s[h] ~ HalfNormal(2)
observe y[n] ~ Normal(a[of], s[at])""",
        {"of": GROUP, "at": OTHER, "y": REAL},
        3 * G,
    ),
    "known scales": (
        """input X[n]: real[D]  input sd[n]: positive
latent b: real[D] ~ Normal(0, 1)
observe y[n] ~ Normal(X @ b, sd)""",
        {"X": DENSE, "sd": np.exp(REAL / 3), "y": REAL},
        (D + 1) ** 2,
    ),
    "non-centred": (
        OF
        + """latent m ~ Normal(0, 5)  latent t ~ HalfNormal(2)  latent e[g] ~ Normal(0, 1)
latent s ~ HalfNormal(2)
observe y[n] ~ Normal(m + t * e[of], s)""",
        {"of": GROUP, "y": REAL},
        G,
    ),
    "scaled slopes": (
        """input X[n]: real[D]
latent t ~ HalfNormal(1)  latent e: real[D] ~ Normal(0, 1)  latent s ~ HalfNormal(2)
observe y[n] ~ Normal(t * (X @ e), s)""",
        {"X": DENSE, "y": REAL},
        (D + 1) ** 2,
    ),
    "logarithms": (
        """latent m ~ Normal(0, 1)  latent s ~ HalfNormal(2)
observe y[n] ~ LogNormal(m, s)""",
        {"y": np.exp(REAL)},
        1,
    ),
    "counts of groups": (
        OF
        + """latent m ~ Normal(0, 1)  latent t ~ HalfNormal(1)  latent a[g] ~ Normal(m, t)
observe y[n]: count ~ Poisson(exp(a[of]))""",
        {"of": GROUP, "y": rng.poisson(2, N)},
        G,
    ),
    "counts with a covariate": (
        OF
        + """input x[n]: real  latent a[g] ~ Normal(0, 1)  latent b ~ Normal(0, 1)
observe y[n]: count ~ Poisson(exp(a[of] + b * x))""",
        {"of": GROUP, "x": BINARY, "y": rng.poisson(2, N)},
        2 * G,
    ),
    "logistic": (
        """input X[n]: real[D]  latent a ~ Normal(0, 1)  latent b: real[D] ~ Normal(0, 1)
observe y[n]: binary ~ Bernoulli(logits = a + X @ b)""",
        {"X": FEW, "y": rng.integers(0, 2, N)},
        16 * D,
    ),
    "probabilities": (
        """latent p ~ Beta(2, 2)
observe y[n]: binary ~ Bernoulli(p)""",
        {"y": rng.integers(0, 2, N)},
        1,
    ),
    "trials": (
        OF
        + """latent a[g] ~ Normal(0, 1)
observe y[n]: count ~ Binomial(9, logits = a[of])""",
        {"of": GROUP, "y": rng.integers(0, 10, N)},
        G,
    ),
    "overdispersed counts": (
        """latent a ~ Normal(0, 1)  latent r ~ Exponential(1)
observe y[n]: count ~ NegativeBinomial(mean = exp(a), concentration = r)""",
        {"y": rng.poisson(2, N)},
        20,
    ),
    "waiting times": (
        OF
        + """latent a[g] ~ Normal(0, 1)
observe y[n] ~ Exponential(exp(a[of]))""",
        {"of": GROUP, "y": np.exp(REAL)},
        G,
    ),
}


def density_of(name: str) -> Density:
    text, data, _ = MODELS[name]
    used = "".join(line for line in HEAD.splitlines(keepends=True) if not line.startswith("plate"))
    plates = ["plate n"]
    plates += ["plate g = 20"] * ("g)" in text or "[g]" in text)
    plates += ["plate h = 3"] * ("[h]" in text)
    plates += ["dim D = 4"] * ("[D]" in text)
    model = gendsl.compile(used + "  ".join(plates) + "\n" + text)
    bound = model.bind(data)
    ready_ = executable(model.compiled.program, model.compiled.checked.ir, bound, FLOAT64, CPU)
    return Density(ready_, (), FollowSupport())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", MODELS)
def test_likelihoods_of_many_rows_become_short(name):
    density = density_of(name)
    before, after, notes = check(lambda p: density.potential(unflatten(density, p)), density.size)
    assert notes
    assert longest(before) >= N
    assert longest(after) <= max(MODELS[name][2], G)


@pytest.mark.usefixtures("here")
def test_potentials_say_what_was_done_and_agree():
    density = density_of("groups and dense columns")
    short, long = potential_of(density), potential_of(density, reduce=False)
    assert short.note is None
    assert short.rewrites
    assert any(
        "600 rows reduced to 20 groups and a 5 x 5 triangle" in note for note in short.rewrites
    )
    assert long.rewrites == ()
    for _ in range(POINTS):
        point = rng.normal(size=density.size)
        (value, slope), (wanted, gradient) = short(point), long(point)
        assert value == pytest.approx(wanted, rel=RTOL)
        np.testing.assert_allclose(slope, gradient, rtol=RTOL, atol=RTOL * abs(gradient).max())


def test_single_precision_is_reduced_in_double():
    with tensors(torch.float32, CPU, 3), pyro.validation_enabled(is_validate=False):
        y = 1000 + torch.randn(500)
        found = recorded(lambda p: ((y - 1000 * p[0]) ** 2).sum() / 500, 1)
        assert found.rewrites
        exact = ((y.double() - 1001) ** 2).mean()
        value, _ = found(np.array([1.001]))
    assert value == pytest.approx(float(exact), rel=1e-3)


@pytest.mark.usefixtures("here")
def test_what_does_not_repeat_is_left_alone():
    rows, hits = torch.randn(500, 6), (torch.rand(500) < 0.4).double()

    def function(p: Tensor) -> Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(
            rows @ p, hits, reduction="sum"
        )

    before, after, notes = check(function, 6)
    assert notes == ()
    assert after is before


@pytest.mark.usefixtures("here")
def test_few_rows_of_many_unknowns_are_left_alone():
    rows, y = torch.randn(40, 30), torch.randn(40)
    before, after, notes = check(lambda p: ((y - rows @ p) ** 2).sum(), 30)
    assert notes == ()
    assert after is before


@pytest.mark.usefixtures("here")
def test_a_pass_that_fails_does_nothing(monkeypatch):
    def broken(editor):
        raise RuntimeError("on purpose")

    y = torch.randn(200)
    monkeypatch.setattr(algebra, "PASSES", (broken, *algebra.PASSES))
    _, after, notes = check(lambda p: ((y - p[0]) ** 2).sum(), 1)
    assert notes
    assert longest(after) == 1


@pytest.mark.usefixtures("here")
def test_a_wrong_rewriting_is_not_used(monkeypatch):
    def wrong(editor):
        ref = editor.tape.value
        assert not editor.replace(ref, editor.times(torch.tensor(1.001), ref), "wrong")

    monkeypatch.setattr(algebra, "PASSES", (wrong,))
    before = record_value(lambda p: (p**2).sum() + 3.0, torch.randn(3))
    assert reduced(before) == (before, ())


# --- golden, example and random models ------------------------------------------------------

EXAMPLES = [
    *("bym", "eight_schools", "garch", "gaussian_mixture", "hmm", "kitchen_sink", "radon"),
    *("lotka_volterra", "both", "code_prior", "simulator"),
]


def agree_where_all_is_rewritten(compiled: Compiled, seed: int) -> None:
    try:
        point = random_point(compiled.checked.ir, np.random.default_rng(seed), 6)
        density = Density(ready(compiled, point), (), FollowSupport())
    except (ValueError, NotImplementedError) as error:
        pytest.skip(str(error)[:80])
    if not density.size:
        return
    try:
        check(lambda p: density.potential(unflatten(density, p)), density.size)
    except Untraceable as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("here", "eager_passes")
@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_models_keep_their_density(name):
    try:
        compiled = compile_source(read_source(ROOT / "tests" / "golden" / "valid" / f"{name}.gen"))
    except CompileError:
        pytest.skip("it does not run yet")
    agree_where_all_is_rewritten(compiled, 2)


@pytest.mark.usefixtures("here", "eager_passes")
@pytest.mark.parametrize("seed", range(40))
def test_random_models_keep_their_density(seed):
    try:
        compiled = compile_source(source_from_text(random_model(Random(seed)), "m.gen"))
    except CompileError:
        pytest.skip("ruled out by a check")
    agree_where_all_is_rewritten(compiled, seed)


# --- numbers --------------------------------------------------------------------------------


def exact_sum_of_squares(rows, y, b) -> float:
    wide = [np.asarray(a, dtype=np.longdouble) for a in (rows, y, b)]
    return float(((wide[1] - wide[0] @ wide[2]) ** 2).sum())


@pytest.mark.usefixtures("here")
def test_an_ill_conditioned_design_keeps_its_digits():
    at = np.linspace(0, 1, 400)
    rows = np.vander(at, 12)
    assert np.linalg.cond(rows) > 1e7
    y = np.sin(6 * at) + 0.01 * rng.normal(size=400)
    best = np.linalg.lstsq(rows, y, rcond=None)[0]
    held, response = torch.as_tensor(rows), torch.as_tensor(y)
    _, after, notes = check(
        lambda p: ((response - held @ p) ** 2).sum(), 12, torch.as_tensor(best)
    )
    assert notes
    assert longest(after) == 144
    found = float(evaluator(after)(torch.as_tensor(best)))
    assert found == pytest.approx(exact_sum_of_squares(rows, y, best), rel=1e-9)


@pytest.mark.usefixtures("here")
def test_data_far_from_zero_keep_their_digits_near_the_mode():
    y = 1e6 + rng.normal(size=2000)
    group = rng.integers(0, 30, 2000)
    means = np.array([y[group == k].mean() for k in range(30)])
    response, of = torch.as_tensor(y), torch.as_tensor(group)

    def function(p: Tensor) -> Tensor:
        return 0.5 * ((response - p[of]) ** 2).sum()

    at = torch.as_tensor(means + 0.1 * rng.normal(size=30))
    _, after, notes = check(function, 30, at)
    assert notes
    assert longest(after) == 30
    leaf = at.clone().requires_grad_()
    value = evaluator(after)(leaf)
    (slope,) = torch.autograd.grad(value, leaf)
    wide, centre_ = y.astype(np.longdouble), at.numpy().astype(np.longdouble)
    left = wide - centre_[group]
    exact = np.array([float(-left[group == k].sum()) for k in range(30)])
    assert float(value.detach()) == pytest.approx(float(0.5 * (left**2).sum()), rel=1e-11)
    np.testing.assert_allclose(slope.numpy(), exact, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("here")
def test_predictors_far_from_zero_keep_their_digits():
    x = 1e6 + torch.randn(1000)
    y = 3.0 * (x - 1e6) + torch.randn(1000)
    at = torch.tensor([-3e6, 3.0])
    _, after, notes = check(lambda p: ((y - p[0] - p[1] * x) ** 2).sum(), 2, at)
    assert notes
    exact = exact_sum_of_squares(
        np.column_stack([np.ones(1000), x.numpy()]), y.numpy(), at.numpy()
    )
    assert float(evaluator(after)(at)) == pytest.approx(exact, rel=1e-9)


@pytest.mark.usefixtures("here")
def test_triangles_against_sums_of_squares():
    rows = torch.randn(5000, 7)
    rows[:, 3] = rows[:, 1] - 2 * rows[:, 2]  # of rank 5
    r, q, rest = triangle(rows)
    assert r.shape == (6, 6)
    for _ in range(3):
        b = torch.randn(6)
        wanted = ((rows[:, :-1] @ b + rows[:, -1]) ** 2).sum()
        assert float(((r @ b + q) ** 2).sum() + rest) == pytest.approx(float(wanted), rel=1e-12)
    few = torch.randn(3, 6)
    r, q, rest = triangle(few)
    assert r.shape == (3, 5)
    assert float(rest) == 0.0


@pytest.mark.usefixtures("here")
def test_elimination_within_groups_with_fewer_rows_than_unknowns():
    group = torch.tensor([0, 0, 0, 0, 1, 2, 2, 3, 3, 3])
    left, right = torch.randn(10, 2), torch.randn(10, 4)
    left[7:, 1] = 2 * left[7:, 0]
    inner, outer, rest = eliminated(left, right, group, 4)
    assert torch.allclose(inner[3, 1, 1], torch.tensor(0.0))
    for k in range(4):
        rows = group == k
        h, b = torch.randn(2), torch.randn(4)
        wanted = ((left[rows] @ h + right[rows] @ b) ** 2).sum()
        found = ((inner[k] @ h + outer[k] @ b) ** 2).sum() + ((rest[rows] @ b) ** 2).sum()
        assert float(found) == pytest.approx(float(wanted), rel=1e-12)


@pytest.mark.usefixtures("here")
def test_the_centre_is_the_least_squares_solution():
    group = torch.arange(60) % 5
    left, right = torch.ones(60, 1), torch.randn(60, 3)
    assert centre(left, right, group, 5) is None
    right[:, -1] += 1e7
    found = centre(left, right, group, 5)
    assert found is not None
    design = torch.cat([torch.nn.functional.one_hot(group).double(), right[:, :-1]], 1)
    wanted = torch.linalg.lstsq(design, -right[:, -1:]).solution[:, 0]
    assert torch.allclose(torch.cat([found[0][:, 0], found[1]]), wanted, rtol=1e-12)


# --- rules ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_labels_tell_entries_apart():
    labels = torch.tensor([7, -3, 7, 7, 5, -3])
    first, group = distinct(labels)
    assert first.tolist() == [0, 1, 4]
    assert group.tolist() == [0, 1, 0, 0, 2, 1]


@pytest.mark.usefixtures("here")
def test_entries_without_weight_are_not_looked_at():
    """Half of the entries are infinite, behind a constant condition."""
    good = torch.arange(200) % 2 == 0

    def function(p: Tensor) -> Tensor:
        spread = torch.where(good, p.exp(), torch.tensor(0.0)).expand(200)
        logs = torch.log(torch.where(good, spread, torch.tensor(1.0)))
        return torch.where(good, logs * p, torch.tensor(0.0)).sum()

    before = record_value(function, torch.randn(1))
    after, _ = reduced(before)
    assert longest(after) <= longest(before)
    assert_same(before, after)


@pytest.mark.usefixtures("here")
def test_counts_of_zero_at_a_rate_of_zero():
    counts = torch.cat([torch.zeros(100), torch.arange(100.0)])
    of = torch.cat([torch.zeros(100), torch.ones(100)]).long()

    def function(p: Tensor) -> Tensor:
        return (torch.xlogy(counts, p[of] ** 2) - p[of] ** 2).sum()

    before, after, notes = check(function, 2)
    assert notes
    at = torch.tensor([0.0, 2.0])
    assert float(evaluator(after)(at)) == pytest.approx(float(evaluator(before)(at)))


@pytest.mark.usefixtures("here")
def test_gradients_and_curvatures_at_constants_are_a_few_numbers():
    """What a normal block that is integrated out consists of: `gendsl.runtime.marginal`."""
    of, x, y = torch.randint(0, 8, (300,)), torch.randn(300), torch.randn(300)

    def joint(theta: Tensor, z: Tensor) -> Tensor:
        left = y - z[of] - theta[2] * x
        return -(left**2).sum() / (2 * torch.exp(2 * theta[0])) - (z**2).sum() * theta[1].exp()

    def function(theta: Tensor) -> Tensor:
        with torch.enable_grad():
            z = torch.linspace(-1, 1, 8).requires_grad_()
            (slope,) = torch.autograd.grad(joint(theta, z), z, create_graph=True)
            (product,) = torch.autograd.grad(slope.sum(), z, create_graph=True)
        return (slope**2 / product).sum() + torch.log(-product).sum()

    before, after, notes = check(function, 3)
    assert any("linear maps of constants" in note for note in notes)
    assert longest(before) == 300
    assert longest(after) <= 24


@pytest.mark.usefixtures("here")
def test_a_recorded_value_is_that_of_the_function():
    function = lambda p: torch.stack([p.exp().sum(), (p[:2] * p[2]).cumsum(0)[1]])  # noqa: E731
    tape = record_value(function, torch.randn(3))
    assert tape.gradient.numel() == 0
    for _ in range(3):
        point = torch.randn(3).requires_grad_()
        found = evaluator(tape)(point)
        assert torch.equal(found, function(point))
        (slope,) = torch.autograd.grad(found.sum(), point)
        (wanted,) = torch.autograd.grad(function(point).sum(), point)
        assert torch.allclose(slope, wanted, rtol=1e-14)


@pytest.mark.usefixtures("here")
def test_the_rewritten_potential_is_differentiated_as_a_whole():
    y = torch.randn(500)
    found = recorded(lambda p: 0.5 * ((y - p[0]) ** 2).sum() / p[1].exp() + 250 * p[1], 2)
    assert found.rewrites
    value, gradient = found(np.array([0.3, -0.2]))
    left = y.numpy() - 0.3
    assert value == pytest.approx(0.5 * (left**2).sum() * np.exp(0.2) - 50, rel=1e-12)
    wanted = [-left.sum() * np.exp(0.2), -0.5 * (left**2).sum() * np.exp(0.2) + 250]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-11)
