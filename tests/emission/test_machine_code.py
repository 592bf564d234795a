"""Machine code against automatic differentiation: examples, random models, and odd numbers.

The gradient of the compiled function is that of the emitted program under Pyro's handlers, to ten
digits; where a number is not finite the compiled value is not finite either.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pyro
import pytest
import torch
from model_points import random_point, ready
from random_models import random_model
from scipy import special

import gendsl
from gendsl.compiler import Compiled, compile_source
from gendsl.runtime.backend import tensors
from gendsl.runtime.density import Density
from gendsl.runtime.moving import FollowSupport
from gendsl.runtime.native import Native, NotNative, build
from gendsl.runtime.potential import agree, unflatten
from gendsl.runtime.program import Executable, executable
from gendsl.runtime.tracing import Tape, Untraceable, record, record_pair
from gendsl.syntax.reading import source_from_text

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

import catalogue  # noqa: E402  it lies beside the examples

FLOAT64, CPU = torch.float64, torch.device("cpu")
RTOL = 1e-10
MANY, FEW = range(300), range(40)
POINTS = 4


@pytest.fixture(autouse=True)
def compiler():
    """Skip where there is no C compiler."""
    with tensors(FLOAT64, CPU, 1):
        try:
            build(record(lambda x: (x * x).sum(), torch.randn(2)))
        except NotNative as error:
            pytest.skip(str(error))
        yield


def by_hand(density: Density, point: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Value and gradient by the handlers."""
    leaf = point.clone().requires_grad_()
    with pyro.validation_enabled(is_validate=False):
        value = density.potential(unflatten(density, leaf))
        (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def recorded(density: Density) -> Tape:
    start = torch.randn(density.size) * 0.1
    with pyro.validation_enabled(is_validate=False):
        return record(lambda p: density.potential(unflatten(density, p)), start)


def assert_agrees(ready_: Executable, noncentred: tuple[str, ...]) -> int:
    """Compare at random points; how many of them had a finite density."""
    density = Density(ready_, noncentred, FollowSupport())
    if not density.size:
        return POINTS
    native, compared = build(recorded(density)), 0
    for attempt in range(5 * POINTS):
        point = torch.randn(density.size) * 0.5 ** (attempt % 4)
        wanted = by_hand(density, point)
        value, gradient = native(point.numpy())
        if not torch.isfinite(wanted[0]):
            assert not np.isfinite(value)
            continue
        got = torch.tensor(value), torch.as_tensor(gradient)
        nudged = by_hand(density, point * (1 + 4 * torch.finfo(FLOAT64).eps))
        finite = all(bool(torch.isfinite(g).all()) for g in (wanted[1], nudged[1]))
        assert not finite or agree(wanted, got, RTOL, nudged), (wanted, got)
        compared += 1
        if compared == POINTS:
            break
    return compared


@cache
def load(name: str) -> gendsl.Model:
    return gendsl.load(EXAMPLES / name / "model.gen")


BY_STEPS = {n for n in catalogue.learned() if load(n).compiled.plan.by_steps}
"""Learned by steps on batches of rows, which no machine code is made for."""


@pytest.mark.parametrize("name", sorted(set(catalogue.entries()) - BY_STEPS))
def test_every_example_is_compiled_and_agrees(name):
    model = load(name)
    compiled = model.compiled
    assert not compiled.plan.by_steps
    bound = catalogue.bound(model, name)
    program = executable(compiled.program, compiled.checked.ir, bound, FLOAT64, CPU)
    assert assert_agrees(program, compiled.plan.noncentred) > 0


def drawn(seed: int) -> tuple[Compiled, Executable]:
    """A random model that is legal, and random data."""
    compiled = compile_source(source_from_text(random_model(Random(seed))))  # noqa: S311
    point = random_point(compiled.checked.ir, np.random.default_rng(seed), 4)
    return compiled, ready(compiled, point)


def assert_random_models_agree(seeds: range) -> None:
    compared = refused = 0
    for seed in seeds:
        compiled, program = drawn(seed)
        try:
            compared += assert_agrees(program, compiled.plan.noncentred) > 0
        except (NotNative, Untraceable) as error:
            refused += 1
            print(seed, error)
    assert refused <= len(seeds) // 20
    assert compared >= 0.8 * len(seeds)


def test_some_random_models_agree():
    assert_random_models_agree(FEW)


@pytest.mark.slow
def test_many_random_models_agree():
    assert_random_models_agree(MANY)


# Odd numbers


def entrywise(function: Callable[[torch.Tensor], torch.Tensor], size: int) -> Native:
    """Machine code whose second result is `function` of its argument, entry by entry."""
    return build(record_pair(lambda x: (x.sum(), function(x)), torch.rand(size) * 0.5 + 0.25))


TINY = [5e-324, 1e-310, 2.3e-308, 1e-200, 1e-20, 1e-9]
ODD = np.array(
    [0.0, *TINY, *(-x for x in TINY), 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 9.999, 10.0, 30.0, 700.0]
    + [-0.5, -0.75, -1.0, -3.3, -30.0, -36.0, -38.0, -700.0, -745.0, -1e5, 710.0, 1e5, 1e15, 1e200]
    + [1 + 1e-9, 1 - 1e-9, 2 + 1e-9, 2 - 1e-9, 1.4616321449683623, np.inf, -np.inf, np.nan]
)


def xlogy(x: torch.Tensor) -> torch.Tensor:
    return torch.xlogy(x, x * x)


SPECIAL = {
    "exp": (torch.exp, np.exp),
    "log": (torch.log, np.log),
    "log1p": (torch.log1p, np.log1p),
    "expm1": (torch.expm1, np.expm1),
    "sigmoid": (torch.sigmoid, special.expit),
    "log_sigmoid": (torch.nn.functional.logsigmoid, special.log_expit),
    "softplus": (torch.nn.functional.softplus, lambda x: np.logaddexp(0, x)),
    "tanh": (torch.tanh, np.tanh),
    "erf": (torch.erf, special.erf),
    "erfc": (torch.erfc, special.erfc),
    "log_ndtr": (torch.special.log_ndtr, special.log_ndtr),
    "sqrt": (torch.sqrt, np.sqrt),
    "digamma": (torch.digamma, special.digamma),
    "xlogy": (xlogy, lambda x: special.xlogy(x, x * x)),
    "maximum": (lambda x: torch.maximum(x, x.flip(0)), lambda x: np.maximum(x, x[::-1])),
    "clamp": (lambda x: x.clamp(-2, 3), lambda x: np.clip(x, -2, 3)),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", SPECIAL)
def test_functions_keep_their_accuracy_at_odd_numbers(name):
    function, known = SPECIAL[name]
    _, got = entrywise(function, len(ODD))(ODD)
    with np.errstate(all="ignore"):
        wanted = known(ODD)
    finite = np.isfinite(wanted)
    # A value of digamma near its root, and one that is not normal, has fewer digits.
    np.testing.assert_allclose(got[finite], wanted[finite], rtol=2e-13, atol=1e-15)
    small = finite & (np.abs(wanted) > 1e-300) & (np.abs(ODD) < 1e-3)
    np.testing.assert_allclose(got[small], wanted[small], rtol=1e-13)
    assert not np.isfinite(got[~finite]).any()


def test_lgamma_keeps_its_accuracy():
    """Near 1 and 2 it is nearly zero; the values there are of its series (DLMF 5.7.3)."""
    near = np.array([1e-3, -1e-4, 1e-6, -1e-9, 1e-12])
    euler, zeta = np.euler_gamma, special.zeta(np.arange(2.0, 9.0))
    at_one = -euler * near + sum(zeta[k - 2] * (-near) ** k / k for k in range(2, 9))
    at_two = (1 - euler) * near + sum((zeta[k - 2] - 1) * (-near) ** k / k for k in range(2, 9))
    others = np.array([1e-300, 1e-9, 0.3, 0.7, 3.2, 9.9999, 10.1, 170.0, 1e5, 1e100, -0.5, -7.25])
    points = np.concatenate([1 + near, 2 + near, others, [np.inf, np.nan, 0.0]])
    _, got = entrywise(torch.lgamma, len(points))(points)
    # 1 + near is rounded: what is lost is known exactly.
    lost = np.concatenate([(1 + near) - 1 - near, (2 + near) - 2 - near])
    slopes = np.concatenate([np.full(5, -euler), np.full(5, 1 - euler)])
    wanted = np.concatenate([at_one, at_two]) + slopes * lost
    np.testing.assert_allclose(got[:10], wanted, rtol=1e-8)
    np.testing.assert_allclose(got[10:-3], special.gammaln(others), rtol=1e-13)
    assert np.isposinf(got[-3])
    assert np.isnan(got[-2])
    assert np.isposinf(got[-1])


OVERFLOWING = {
    "exp": lambda x: (x * 1000).exp().sum(),
    "square": lambda x: ((x * 1e200) ** 2).sum(),
    "difference of infinities": lambda x: ((x * 1000).exp() - (x * 2000).exp()).sum(),
    "log of a negative number": lambda x: torch.log(0.5 - x).sum(),
    "quotient": lambda x: (1 / (x - x)).sum(),
    "product": lambda x: (torch.arange(1.0, 33.0)[:, None] * 1e300 @ (x[None, :12] * 1e10)).sum(),
    "largest of what is no number": lambda x: (x - x).log().mul(0).amax(),
    "logsumexp": lambda x: torch.logsumexp((0.5 - x).log(), 0),
}


@pytest.mark.parametrize("name", OVERFLOWING)
def test_overflow_is_never_a_finite_value(name):
    function = OVERFLOWING[name]
    point = torch.linspace(1, 2, 40)
    assert not torch.isfinite(function(point))
    value, _ = build(record(function, point))(point.numpy())
    assert not np.isfinite(value)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 7, 25])
def test_a_point_that_is_not_finite_has_no_finite_value(odd, place):
    text = """model M
plate row  dim D = 25
input X[row]: real[D]
latent a ~ Normal(0, 1)
latent b: real[D] ~ Normal(0, 1)
observe y[row]: binary ~ Bernoulli(logits = a + X @ b)
"""
    rng = np.random.default_rng(3)
    model = gendsl.compile(text)
    bound = model.bind({"X": rng.normal(size=(70, 25)), "y": rng.integers(0, 2, 70)})
    compiled = model.compiled
    density = Density(executable(compiled.program, compiled.checked.ir, bound, FLOAT64, CPU))
    point = np.zeros(26)
    point[place] = odd
    assert not np.isfinite(build(recorded(density))(point)[0])


def test_new_data_of_the_same_shapes_need_no_compiler(monkeypatch):
    text = """model M
plate g = 9  plate n
input of[n]: index(g)
input x[n]: real
latent a[g] ~ Normal(0, 1)
latent s ~ HalfNormal(1)
observe y[n] ~ Normal(a[of] + mean(x, n) * x, s)
"""
    sources = set()
    model = gendsl.compile(text)
    module = sys.modules["gendsl.runtime.native.build"]
    original = module.loaded
    monkeypatch.setattr(
        module, "loaded", lambda source: (sources.add(source), original(source))[1]
    )
    for seed in range(3):
        rng = np.random.default_rng(seed)
        data = {"of": rng.integers(0, 9, 40), "x": rng.normal(size=40), "y": rng.normal(size=40)}
        compiled = model.compiled
        bound = model.bind(data)
        ready_ = executable(compiled.program, compiled.checked.ir, bound, FLOAT64, CPU)
        assert_agrees(ready_, compiled.plan.noncentred)
    assert len(sources) == 1
