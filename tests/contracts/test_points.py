"""Functions of points: bases of curves, interpolation, and covariance functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference_functions import SHAPED
from scipy import integrate
from sklearn.gaussian_process import kernels

import gendsl.runtime.distributions as runtime
from gendsl.library.functions import CURVES, FUNCTIONS, KERNELS
from gendsl.library.functions.spec import FunctionSpec

ROWS = 3


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def argument(name: str, rank: int, seed: int) -> np.ndarray:
    """Values for each of `ROWS` batch rows; one of the points lies beyond the knots."""
    random = np.random.default_rng(seed)
    shape = (ROWS, *(4, 2)[:rank])
    match name:
        case "x" | "to":
            points = random.uniform(-1.2, 1.2, shape)
            if rank:
                points[:, 1] = points[:, 0]  # two points that coincide
            return points
        case "knots" | "xs":
            return np.sort(random.uniform(-1.0, 1.0, shape), -1)
        case "ys":
            return random.normal(size=shape)
        case "degree":
            return np.full(ROWS, 3)
        case "waves" | "count":
            return np.full(ROWS, 3)
        case "boundary":
            return random.uniform(2.0, 3.0, shape)
        case "lengthscale" if rank == 1:
            return random.uniform(0.5, 2.0, (ROWS, 2))
        case _:
            return random.uniform(0.5, 2.0, shape)


def cases(specs: tuple[FunctionSpec, ...]) -> list[tuple[FunctionSpec, tuple[int, ...]]]:
    """Each function with the ranks of its arguments that it has an expression for."""
    found = []
    for spec in specs:
        own = tuple(1 if p in ("knots", "xs", "ys") else 0 for p in spec.params)
        ranks = [r for r, _ in spec.by_rank]
        found += [(spec, r) for r in dict.fromkeys([*ranks, *([] if spec.kernel else [own])])]
    return found


def shown(value: object) -> str:
    return value.name if isinstance(value, FunctionSpec) else "".join(map(str, value))


every_case = pytest.mark.parametrize(("spec", "ranks"), cases((*CURVES, *KERNELS)), ids=shown)


def given(spec: FunctionSpec, ranks: tuple[int, ...]) -> dict[str, np.ndarray]:
    names = (*spec.params, *spec.optional)[: len(ranks)]
    return {n: argument(n, r, i) for i, (n, r) in enumerate(zip(names, ranks, strict=True))}


def run(spec: FunctionSpec, ranks: tuple[int, ...], args: dict[str, object]) -> torch.Tensor:
    return eval(spec.expression(ranks), {"torch": torch, "runtime": runtime}, dict(args))


def tensors(spec: FunctionSpec, args: dict[str, np.ndarray]) -> dict[str, object]:
    return {n: int(a[0]) if n in spec.sizes else torch.tensor(a) for n, a in args.items()}


@every_case
def test_torch_equals_numpy_in_any_batch(spec, ranks):
    args = given(spec, ranks)
    got = run(spec, ranks, tensors(spec, args))
    for row in range(ROWS):
        expected = SHAPED[spec.name](*(a[row] for a in args.values()))
        np.testing.assert_allclose(got[row], expected, rtol=1e-10, atol=1e-12)


@every_case
def test_any_one_argument_may_have_more_axes_than_the_rest(spec, ranks):
    args = given(spec, ranks)
    for name in args:
        if name in spec.sizes:
            continue
        mixed = tensors(spec, {n: a[:1] for n, a in args.items()})
        mixed = {n: a if n in spec.sizes else a[0] for n, a in mixed.items()}
        mixed[name] = torch.tensor(args[name])
        got = run(spec, ranks, mixed)
        for row in range(ROWS):
            plain = [a[row] if n == name else a[0] for n, a in args.items()]
            expected = SHAPED[spec.name](*plain)
            np.testing.assert_allclose(got[row], expected, rtol=1e-10, atol=1e-12)


@every_case
def test_python_numbers_do_for_scalars(spec, ranks):
    args = given(spec, ranks)
    mixed = tensors(spec, {n: a[0] for n, a in args.items() if n not in spec.sizes})
    sizes = {n: int(args[n][0]) for n in spec.sizes}
    numbers = {n: t.item() if not t.dim() else t for n, t in mixed.items()}
    got = run(spec, ranks, numbers | sizes)
    np.testing.assert_array_equal(got, run(spec, ranks, mixed | sizes))


@every_case
def test_gradients_equal_differences(spec, ranks):
    args = {n: np.array(a[0]) for n, a in given(spec, ranks).items()}
    if "x" in args and ranks[0]:
        args["x"][1] += 0.3  # at distance 0 there may be no slope
    weights = np.random.default_rng(9).normal(size=SHAPED[spec.name](*args.values()).shape)

    def total(values: dict[str, np.ndarray]) -> float:
        return float(np.sum(weights * SHAPED[spec.name](*values.values())))

    smooth = [n for n in args if n not in spec.sizes]
    leaves = {n: torch.tensor(args[n], requires_grad=True) for n in smooth}
    got = run(spec, ranks, {**{n: int(args[n]) for n in spec.sizes}, **leaves})
    wanted = [leaves[n] for n in smooth]
    gradients = torch.autograd.grad(
        (torch.tensor(weights) * got).sum(), wanted, allow_unused=True, materialize_grads=True
    )
    for name, gradient in zip(smooth, gradients, strict=True):
        for at in np.ndindex(args[name].shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = args[name].copy()
                moved[at] += step
                ends.append(total({**args, name: moved}))
            slope = (ends[0] - ends[1]) / 2e-6
            assert gradient[at].item() == pytest.approx(slope, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("spec", KERNELS, ids=shown)
def test_gradients_are_finite_where_points_coincide(spec):
    for ranks, _ in spec.by_rank:
        leaves = {n: torch.tensor(a, requires_grad=True) for n, a in given(spec, ranks).items()}
        got = run(spec, ranks, leaves)
        gradients = torch.autograd.grad(got.sum(), list(leaves.values()), allow_unused=True)
        assert all(g is None or torch.isfinite(g).all() for g in gradients)


# --- known answers --------------------------------------------------------------------------

X = np.array([[-1.0, 0.5], [0.0, 2.0], [0.3, 0.3], [1.7, -0.4]])


@pytest.mark.parametrize(
    ("name", "params", "theirs"),
    [
        ("squared_exponential", (1.3, [0.7, 2.0]), kernels.RBF([0.7, 2.0])),
        ("matern12", (1.3, [0.7, 2.0]), kernels.Matern([0.7, 2.0], nu=0.5)),
        ("matern32", (1.3, [0.7, 2.0]), kernels.Matern([0.7, 2.0], nu=1.5)),
        ("matern52", (1.3, [0.7, 2.0]), kernels.Matern([0.7, 2.0], nu=2.5)),
        ("rational_quadratic", (1.3, 0.7, 1.9), kernels.RationalQuadratic(0.7, 1.9)),
        ("periodic", (1.3, 0.7, 1.9), kernels.ExpSineSquared(0.7, 1.9)),
        ("linear_kernel", (1.3,), kernels.DotProduct(0.0)),
        ("constant_kernel", (1.3,), kernels.ConstantKernel(1.0)),
        ("white", (1.3,), kernels.WhiteKernel(1.0)),
    ],
)
def test_kernels_are_those_of_scikit_learn(name, params, theirs):
    spec = FUNCTIONS[name]
    x = X[:, 0] if name == "periodic" else X
    ranks = (x.ndim, *(np.ndim(p) for p in params))
    args = [torch.tensor(x), *(torch.tensor(p) for p in params)]
    got = run(spec, ranks, dict(zip(spec.params, args, strict=True)))
    np.testing.assert_allclose(got, 1.3**2 * theirs(x.reshape(len(x), -1)), rtol=1e-12)


def test_splines_add_up_to_one_and_reach_both_ends():
    knots = torch.tensor([0.0, 0.3, 0.7, 1.0])
    for degree in range(5):
        basis = runtime.bspline(torch.linspace(-0.5, 1.5, 41), knots, degree, axes=1)
        assert basis.shape == (41, 3 + degree)
        np.testing.assert_allclose(basis.sum(-1), 1.0, rtol=1e-14)
        assert basis[0, 0] == basis[-1, -1] == 1


def test_a_natural_spline_is_the_curve_of_least_bending():
    knots = np.array([-1.0, 0.2, 0.9, 2.0])
    values = np.array([0.3, -1.0, 2.0, 0.5])
    grid = np.linspace(-1, 2, 2001)
    basis = runtime.natural_spline(torch.tensor(grid), torch.tensor(knots), axes=1).numpy()

    def bending(curve: np.ndarray) -> float:
        return integrate.simpson(np.gradient(np.gradient(curve, grid), grid)[2:-2] ** 2)

    other = basis @ values + 0.01 * np.prod(np.subtract.outer(grid, knots), -1)
    assert bending(basis @ values) < bending(other)
    at_knots = runtime.natural_spline(torch.tensor(knots), torch.tensor(knots), axes=1)
    np.testing.assert_allclose(at_knots, np.eye(4), atol=1e-14)


def test_the_hilbert_basis_approximates_the_squared_exponential():
    x = np.linspace(-1, 1, 7)
    scale, lengthscale, boundary, count = 1.3, 0.6, 4.0, 40
    phi = runtime.hilbert_basis(torch.tensor(x), boundary, count, axes=1).numpy()
    at = runtime.hilbert_frequencies(boundary, count).numpy()
    spectrum = scale**2 * np.sqrt(2 * np.pi) * lengthscale * np.exp(-((lengthscale * at) ** 2) / 2)
    expected = SHAPED["squared_exponential"](x, scale, lengthscale)
    np.testing.assert_allclose((phi * spectrum) @ phi.T, expected, atol=1e-6)


def test_solving_takes_no_matrix_for_a_batch_of_vectors():
    random = np.random.default_rng(3)
    a, b = random.normal(size=(3, 3, 3)), random.normal(size=(3, 3))
    spec = FUNCTIONS["solve"]
    one = run(spec, (2, 2), {"x": torch.tensor(a), "y": torch.tensor(b)})
    np.testing.assert_allclose(one, np.stack([np.linalg.solve(x, b) for x in a]), rtol=1e-10)
    each = run(spec, (2, 1), {"x": torch.tensor(a[0]), "y": torch.tensor(b)})
    np.testing.assert_allclose(each, np.linalg.solve(a[0], b.T).T, rtol=1e-10)
    single = run(spec, (2, 1), {"x": torch.tensor(a[:1, :1, :1]), "y": torch.tensor(b[0, :1])})
    np.testing.assert_allclose(single, b[:1, :1] / a[:1, 0, :1], rtol=1e-10)
