"""Laws that every function of the table obeys."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_functions import ELEMENTWISE, REDUCTIONS, SHAPED, numpy_function

import gendsl.runtime.distributions as runtime
from gendsl.emit.axes import WITHOUT_TUPLES
from gendsl.library.functions import CURVES, FUNCTIONS, KERNELS, OPERATORS
from gendsl.library.functions.intervals import interval_of
from gendsl.library.functions.spec import FunctionSpec, Kind
from gendsl.types import Interval, Structured, Support

INF = math.inf
SCOPE = {"torch": torch, "runtime": runtime}
COMPILED_AWAY = {"collect", "lags", "log_prob", "odeint"}  # nodes of the IR, or sums of them
CONSTRUCTORS = {"eye", "full", "ones", "zeros"}

SPECS = list(FUNCTIONS.values())
POINTS = [*CURVES, *KERNELS]
"""Functions of points have tests of their own, `test_points.py`."""
ELEMENTWISE_SPECS = [s for s in SPECS if s.kind is Kind.ELEMENTWISE]
REDUCTION_SPECS = [s for s in SPECS if s.kind is Kind.REDUCTION]
SHAPED_SPECS = [
    s
    for s in SPECS
    if s.kind is Kind.SHAPED and s.name not in COMPILED_AWAY | CONSTRUCTORS and s not in POINTS
]
# A square matrix A and a vector b, by the names of the arguments that are one.
RANKS = {
    "matmul": ((1, 1), (1, 2), (2, 1), (2, 2)),
    "solve": ((2, 1), (2, 2)),
    "dot": ((1, 1),),
    "outer": ((1, 1),),
    "concat": ((1, 1), (2, 2)),
    "diag": ((1,),),
    "solve_triangular": ((2, 1), (2, 2)),
    "quad_form": ((2, 1), (2, 2)),
    "nearest": ((1, 2), (2, 2)),
    "kron": ((1, 1), (2, 2)),
    **dict.fromkeys(("cholesky", "det", "inverse", "logdet", "trace", "transpose"), ((2,),)),
    **dict.fromkeys(("diagonal", "eigenvalues_sym", "eigenvectors_sym"), ((2,),)),
    **dict.fromkeys(("argsort", "norm", "stick_breaking"), ((1,),)),
}


def name(spec: object) -> str:
    return spec.name if isinstance(spec, FunctionSpec) else str(spec)


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def run(spec: FunctionSpec, *args: object, **more: object) -> torch.Tensor:
    """The torch expression, folded from the left where it is variadic."""
    first, *rest = args
    if spec.variadic and len(rest) > 1:
        return run(spec, run(spec, *args[:-1]), args[-1])
    ranks = tuple(a.ndim if isinstance(a, torch.Tensor) else 0 for a in args)
    expression = spec.expression(ranks) if spec.kind is Kind.SHAPED else spec.torch
    values = dict(zip(spec.params, (first, *rest), strict=True))
    return eval(expression, SCOPE, {**values, **more})


def inside(domain: Interval, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Random points well inside a domain."""
    lower, upper = max(domain.lower, -3.0), min(domain.upper, 3.0)
    at = np.random.default_rng(seed).uniform(0.02, 0.98, shape)
    points = lower + (upper - lower) * at
    return np.round(points) if domain.integer else points


def arguments(spec: FunctionSpec, shape: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    args = [inside(spec.domain_of(i), shape, seed + i) for i in range(len(spec.params))]
    if spec.name == "pow":
        args[0] = np.abs(args[0])
    if spec.name in ("lchoose", "choose"):
        args[0] = args[0] + args[1]
    if spec.name == "log_diff_exp":
        args[0] = np.maximum(args[0], args[1]) + 0.5
    if spec.name == "clip":
        args[2] = args[1] + 1.0
    return args


# --- the table ------------------------------------------------------------------------------


def test_every_function_has_a_reference():
    references = set(ELEMENTWISE) | set(REDUCTIONS) | set(SHAPED)
    assert references | COMPILED_AWAY == set(FUNCTIONS)


def test_kinds_agree_with_the_reference():
    for spec in SPECS:
        assert (spec.name in REDUCTIONS) == (spec.kind is Kind.REDUCTION)
        assert (spec.name in ELEMENTWISE) == (spec.kind is Kind.ELEMENTWISE)


def test_operators_are_those_of_the_language():
    arithmetic = {"+", "-", "*", "/", "**", "@"}
    comparisons = {"==", "!=", "<", "<=", ">", ">="}
    assert set(OPERATORS) == arithmetic | comparisons | {"and", "or", "not", "if"}
    assert all(FUNCTIONS[f].operator == token for token, f in OPERATORS.items())


def test_only_what_is_compiled_away_has_no_expression():
    assert {s.name for s in SPECS if not s.torch} == COMPILED_AWAY


# --- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ELEMENTWISE_SPECS, ids=name)
def test_elementwise_torch_equals_numpy_in_any_batch(spec):
    args = arguments(spec, (2, 3, 4))
    expected = ELEMENTWISE[spec.name](*args)
    got = run(spec, *map(torch.tensor, args))
    assert got.dtype == torch.float64
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("spec", [s for s in ELEMENTWISE_SPECS if s.event], ids=name)
def test_vector_functions_leave_left_axes_alone(spec):
    (x,) = arguments(spec, (2, 3, 4))
    whole = run(spec, torch.tensor(x))
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose(whole[i], ELEMENTWISE[spec.name](x[i]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("spec", "position"),
    [(s, i) for s in ELEMENTWISE_SPECS if len(s.params) > 1 for i in range(len(s.params))],
    ids=name,
)
def test_any_one_argument_may_be_a_number_or_have_fewer_axes(spec, position):
    args = arguments(spec, (3, 4))
    if spec.name in ("lchoose", "choose", "log_diff_exp"):
        args[0] = args[0] + 6.0
    if spec.name == "clip":
        args = [args[0], args[1] - 3.0, args[1] + 3.0]
    args[position] = args[position][0, 0]
    expected = ELEMENTWISE[spec.name](*args)
    tensors = [torch.tensor(a) for a in args]
    mixed = [t.item() if i == position else t for i, t in enumerate(tensors)]
    np.testing.assert_allclose(run(spec, *tensors), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run(spec, *mixed), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "spec",
    [s for s in SPECS if s.variadic and s.name not in CONSTRUCTORS | COMPILED_AWAY],
    ids=name,
)
def test_variadic_functions_fold(spec):
    args = [inside(spec.domain_of(i), (4,), i) for i in range(4)]
    expected = numpy_function(spec.name)(*args)
    np.testing.assert_allclose(run(spec, *map(torch.tensor, args)), expected, rtol=1e-12)


@pytest.mark.parametrize("spec", [s for s in SPECS if s.scalar], ids=name)
def test_scalar_expression_equals_numpy(spec):
    for seed in range(20):
        args = [float(a) for a in arguments(spec, (), 10 * seed)]
        got = eval(spec.scalar, {"math": math}, dict(zip(spec.params, args, strict=True)))
        expected = numpy_function(spec.name)(*map(np.float64, args))
        assert got == pytest.approx(float(expected), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("spec", REDUCTION_SPECS, ids=name)
def test_reductions_over_one_axis(spec, keepdim):
    x = inside(spec.domain_of(0), (2, 3, 4), 0)
    got = run(spec, torch.tensor(x), dim=-2, keepdim=keepdim)
    assert got.shape == ((2, 1, 4) if keepdim else (2, 4))
    expected = REDUCTIONS[spec.name](x, -2)
    np.testing.assert_allclose(got.reshape(2, 4), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "spec", [s for s in REDUCTION_SPECS if s.name not in WITHOUT_TUPLES], ids=name
)
def test_reductions_over_several_axes(spec):
    x = inside(spec.domain_of(0), (2, 3, 4), 0)
    got = run(spec, torch.tensor(x), dim=(-2, -1), keepdim=False)
    np.testing.assert_allclose(got, REDUCTIONS[spec.name](x, (-2, -1)), rtol=1e-12)


def matrix_or_vector(rank: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(2, 3, 3))
    return x @ np.swapaxes(x, -1, -2) + np.eye(3) if rank == 2 else x[:, 0]


@pytest.mark.parametrize(
    ("spec", "ranks"), [(s, r) for s in SHAPED_SPECS for r in RANKS[s.name]], ids=name
)
def test_shaped_torch_equals_numpy_in_any_batch(spec, ranks):
    args = [matrix_or_vector(rank, i) for i, rank in enumerate(ranks)]
    expression = spec.expression(ranks)
    tensors = dict(zip(spec.params, map(torch.tensor, args), strict=True))
    got = eval(expression, SCOPE, tensors)
    for row in range(2):
        expected = SHAPED[spec.name](*(a[row] for a in args))
        np.testing.assert_allclose(got[row], expected, rtol=1e-11, atol=1e-12)


def test_constructors():
    for function, sizes in (("zeros", (2, 3)), ("ones", (4,))):
        got = eval(FUNCTIONS[function].torch, SCOPE, {"sizes": sizes})
        np.testing.assert_array_equal(got, SHAPED[function](*sizes))
    full = eval(FUNCTIONS["full"].torch, SCOPE, {"x": 0.5, "sizes": (2, 3)})
    np.testing.assert_array_equal(full, np.full((2, 3), 0.5))
    eye = eval(FUNCTIONS["eye"].torch, SCOPE, {"size": 3})
    np.testing.assert_array_equal(eye, np.eye(3))


@pytest.mark.parametrize(
    "spec", [s for s in ELEMENTWISE_SPECS if s.smooth and not s.event], ids=name
)
def test_gradients_equal_differences(spec):
    args = arguments(spec, (30,))
    tensors = [torch.tensor(a, requires_grad=True) for a in args]
    gradients = torch.autograd.grad(run(spec, *tensors).sum(), tensors)
    for i, gradient in enumerate(gradients):
        step = 1e-6
        above, below = ([*args] for _ in range(2))
        above[i], below[i] = args[i] + step, args[i] - step
        f = ELEMENTWISE[spec.name]
        expected = (f(*above) - f(*below)) / (2 * step)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


# --- ranges ---------------------------------------------------------------------------------

bound = st.one_of(
    st.sampled_from([-INF, -2.0, -1.0, 0.0, 1.0, 2.0, INF]),
    st.floats(-30, 30, allow_nan=False).map(lambda x: round(x, 3)),
)


@st.composite
def interval_and_points(draw, domain: Interval, count: int) -> tuple[Interval, list[float]]:
    """An interval within `domain`, and points of it."""
    integer = domain.integer or draw(st.booleans())
    lower, upper = sorted((draw(bound), draw(bound)))
    lower, upper = (min(max(x, domain.lower), domain.upper) for x in (lower, upper))
    if integer:
        lower, upper = (x if math.isinf(x) else float(math.floor(x)) for x in (lower, upper))
    low, high = max(lower, min(-40.0, upper)), min(upper, max(40.0, lower))
    low, high = (min(max(x, -1e3), 1e3) + 0.0 for x in (low, high))  # no negative zero
    if integer:
        point = st.integers(int(low), int(high)).map(float)
    else:
        point = st.one_of(st.sampled_from([low, high]), st.floats(low, high, allow_nan=False))
    interval = Interval(integer=integer, lower=min(lower, low), upper=max(upper, high))
    return interval, [draw(point) for _ in range(count)]


def assert_contains(support: Support, value: np.ndarray) -> None:
    value = value[~np.isnan(value)]  # outside the domain: not the range's business
    if isinstance(support, Structured) and support.kind == "simplex":
        assert value.sum() == pytest.approx(1.0)
    hull = interval_of(support)
    slack = 1e-9 * np.where(np.isinf(value), 0.0, 1 + np.abs(value))
    assert (value >= hull.lower - slack).all(), (hull, value)
    assert (value <= hull.upper + slack).all(), (hull, value)
    if hull.integer:
        finite = value[np.isfinite(value)]
        assert (finite == np.round(finite)).all()


@pytest.mark.parametrize("spec", [s for s in ELEMENTWISE_SPECS if not s.event], ids=name)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_ranges_of_elementwise_functions_are_sound(spec, data):
    count = data.draw(st.integers(1, 3)) if spec.variadic else len(spec.params)
    pairs = [data.draw(interval_and_points(spec.domain_of(i), 4)) for i in range(count)]
    hulls, points = zip(*pairs, strict=True)
    with np.errstate(all="ignore"):
        value = np.asarray(ELEMENTWISE[spec.name](*(np.array(p) for p in points)))
    if spec.name in ("reciprocal", "pow"):  # at a pole there is no value
        value = value[(np.array(points[0]) != 0) | np.isfinite(value)]
    assert_contains(spec.range(hulls), value)


@pytest.mark.parametrize(
    "spec", [s for s in SPECS if s.event or s.kind is Kind.REDUCTION], ids=name
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_ranges_of_vector_functions_and_reductions_are_sound(spec, data):
    count = data.draw(st.integers(2, 5))
    hull, points = data.draw(interval_and_points(spec.domain_of(0), count))
    x = np.array(points)
    if spec.name == "normalize" and not x.sum() > 0:
        return
    function = ELEMENTWISE[spec.name] if spec.event else lambda v: REDUCTIONS[spec.name](v, 0)
    with np.errstate(all="ignore"):
        assert_contains(spec.range([hull]), np.asarray(function(x)))


@pytest.mark.parametrize("spec", [s for s in SHAPED_SPECS if s.name != "cholesky"], ids=name)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_ranges_of_shaped_functions_are_sound(spec, data):
    ranks = RANKS[spec.name][0]
    pairs = [data.draw(interval_and_points(spec.domain_of(i), 2**r)) for i, r in enumerate(ranks)]
    args = [np.array(p).reshape((2,) * r) for (_, p), r in zip(pairs, ranks, strict=True)]
    try:
        value = np.asarray(SHAPED[spec.name](*args))
    except np.linalg.LinAlgError:
        return
    except RuntimeWarning:
        return
    assert_contains(spec.range([hull for hull, _ in pairs]), value)


@pytest.mark.parametrize(
    ("function", "hulls", "expected"),
    [
        ("mul", [(0, 1), (-INF, INF)], (-INF, INF)),
        ("mul", [(0, 0), (-INF, INF)], (0, 0)),
        ("mul", [(2, 3), (-1, INF)], (-3, INF)),
        ("add", [(-INF, 1), (2, INF)], (-INF, INF)),
        ("reciprocal", [(0, INF)], (0, INF)),
        ("reciprocal", [(-2, 0)], (-INF, -0.5)),
        ("pow", [(-3, 2), (2, 2)], (0, 9)),
        ("pow", [(-3, 2), (3, 3)], (-27, 8)),
        ("pow", [(0, INF), (0.5, 0.5)], (0, INF)),
        ("pow", [(0, 1), (0, INF)], (0, 1)),
        ("exp", [(-INF, 0)], (0, 1)),
        ("exp", [(1000, 2000)], (sys.float_info.max, INF)),
        ("log", [(0, 1)], (-INF, 0)),
        ("sigmoid", [(-INF, INF)], (0, 1)),
        ("softplus", [(-INF, INF)], (0, INF)),
        ("sqrt", [(4, INF)], (2, INF)),
        ("square", [(-INF, 2)], (0, INF)),
        ("abs", [(-3, 2)], (0, 3)),
        ("sin", [(0, 2)], (0, 1)),
        ("logit", [(0, 1)], (-INF, INF)),
        ("lgamma", [(0, INF)], (-0.12148629053584961, INF)),
        ("sum", [(0, 1)], (0, INF)),
        ("prod", [(0, 1)], (0, 1)),
    ],
)
def test_ranges_are_tight_where_it_matters(function, hulls, expected):
    found = FUNCTIONS[function].range([Interval(lower=low, upper=high) for low, high in hulls])
    assert isinstance(found, Interval)
    assert (found.lower, found.upper) == pytest.approx(expected)


def test_whole_numbers_stay_whole():
    count = Interval(integer=True, lower=0.0)
    for function in ("add", "mul", "maximum", "minimum", "mod", "pow"):
        assert FUNCTIONS[function].range([count, count]).integer
    for function in ("neg", "abs", "sum", "prod", "max", "sort", "cumsum"):
        assert FUNCTIONS[function].range([count]).integer
    for function in ("reciprocal", "exp", "mean", "sd"):
        assert not FUNCTIONS[function].range([count]).integer
