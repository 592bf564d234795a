"""What records say of conjugacy: densities are kernels of the families they name."""

from __future__ import annotations

import numpy as np
import pytest
from distribution_cases import CASES

rng = np.random.default_rng(6)


def points(family):
    """Values of a law of the family, simplexes as rows, and the statistics of its kernel."""
    match family:
        case "beta":
            p = rng.uniform(0.05, 0.95, 9)
            return p, [np.log(p), np.log1p(-p)]
        case "gamma":
            u = rng.uniform(0.2, 4, 9)
            return u, [np.log(u), u]
        case "inverse_gamma":
            u = rng.uniform(0.2, 4, 9)
            return u, [np.log(u), 1 / u]
        case "dirichlet":
            p = rng.dirichlet(np.ones(3), 9)
            return p, list(np.log(p).T)
    raise AssertionError(family)


def is_linear(found, statistics):
    """Whether numbers are an affine function of statistics, of which there are fewer."""
    design = np.column_stack([np.ones(len(found)), *statistics])
    fitted, *_ = np.linalg.lstsq(design, found, rcond=None)
    np.testing.assert_allclose(design @ fitted, found, rtol=1e-9, atol=1e-9)


KERNELS = [(c, k) for c in CASES for k in c.spec.kernels if k.parameter in c.params]


@pytest.mark.parametrize(
    ("case", "kernel"), KERNELS, ids=[f"{c.spec.name}-{k.parameter}" for c, k in KERNELS]
)
def test_the_density_is_the_kernel(case, kernel):
    values, statistics = points(kernel.family)
    if kernel.family == "dirichlet":
        values = np.column_stack([values, np.zeros((9, case.params["probs"].size - 3))])
        values[:, 3:] = 0.1 * rng.random((9, values.shape[1] - 3))
        values /= values.sum(1, keepdims=True)
        statistics = list(np.log(values).T)
    observed = case.draw(3, seed=2).numpy()
    for value in observed:
        found = []
        for u in values:
            power = kernel.power * float(case.params.get(kernel.exponent, 1.0))
            own = u ** (1 / power) if kernel.family == "gamma" else u
            if case.params[kernel.parameter].ndim and kernel.family == "gamma":
                own = own * case.params[kernel.parameter]
            found.append(case.reference(value, {**case.params, kernel.parameter: own}))
        is_linear(np.array(found, dtype=float), statistics)


FAMILIES = [c for c in CASES if c.spec.family]


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_the_law_is_of_the_family(case):
    values, statistics = points(case.spec.family)
    if case.spec.family == "dirichlet":
        assert case.params["concentration"].size == 3
    is_linear(np.array([case.reference(v) for v in values], dtype=float), statistics)


def test_every_kernel_has_an_example():
    kernels = {(c.spec.name, k.parameter) for c in CASES for k in c.spec.kernels}
    assert kernels == {(c.spec.name, k.parameter) for c, k in KERNELS}
    assert {k.family for _, k in KERNELS} == {"beta", "gamma", "dirichlet"}
