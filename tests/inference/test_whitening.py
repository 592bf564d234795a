"""Which metric the draws of a window suggest."""

from __future__ import annotations

import numpy as np
import pytest

from gendsl.runtime.metric import Dense, Diagonal, LowRank
from gendsl.runtime.whitening import fitted

CHEAP, DEAR = 100, 10_000_000


def window(covariance, count, seed=1):
    """Exact draws of a normal distribution, and the gradients of its potential."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, len(covariance))) @ np.linalg.cholesky(covariance).T
    return x + 3, np.linalg.solve(covariance, x.T).T


def spread(metric, covariance):
    """The square root of the condition number that is left in the metric's coordinates."""
    precision, size = np.linalg.inv(covariance), len(covariance)
    left = np.array([metric.velocity(row) for row in np.eye(size)]) @ precision
    values = np.linalg.eigvals(left).real
    return np.sqrt(values.max() / values.min())


def rotated(values, seed=2):
    size = len(values)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    found = turn @ np.diag(values) @ turn.T
    return (found + found.T) / 2


TURN = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]


def test_scales_are_exact_from_few_draws():
    variances = np.array([1e-8, 1.0, 1e6])
    metric = fitted(*window(np.diag(variances), 12), DEAR)
    assert isinstance(metric, Diagonal)
    assert metric.variances == pytest.approx(variances, rel=1e-6)


def test_correlations_are_exact_from_few_draws():
    covariance = rotated(np.geomspace(1e-3, 1e3, 8))
    metric = fitted(*window(covariance, 25), DEAR)
    assert isinstance(metric, Dense)
    assert spread(metric, covariance) < 1.001


def test_weak_correlations_are_left_alone():
    covariance = rotated(np.linspace(0.8, 1.6, 10))
    assert isinstance(fitted(*window(covariance, 200), DEAR), Diagonal)


def test_noise_of_gradients_is_not_taken_for_correlations():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(500, 60))
    assert isinstance(fitted(x, np.tanh(x), DEAR), Diagonal)


@pytest.mark.parametrize(("work", "kind"), [(CHEAP, LowRank), (DEAR, Dense)])
def test_the_cost_of_a_product_is_weighed_against_that_of_a_gradient(work, kind):
    """One long direction, and others that are mildly correlated."""
    covariance = rotated([100.0, *np.geomspace(0.8, 1.3, 29)])
    metric = fitted(*window(covariance, 500), work)
    assert isinstance(metric, kind)
    assert spread(metric, covariance) < 4
    assert spread(Diagonal(np.diag(covariance)), covariance) > 8


@pytest.mark.parametrize(("count", "left"), [(60, 25), (500, 5)])
def test_a_few_directions_of_many(count, left):
    """Fewer draws than coordinates; a diagonal metric leaves a spread of 170."""
    values = np.ones(600)
    values[:3], values[3:5] = (400.0, 100.0, 50.0), (0.01, 0.03)
    covariance = rotated(values)
    metric = fitted(*window(covariance, count), 1000)
    assert isinstance(metric, LowRank)
    assert 5 <= metric.factor.kind <= 10
    assert spread(metric, covariance) < left


def test_a_large_rank_is_not_worth_it_where_gradients_are_cheap():
    values = np.ones(300)
    values[:20] = 5.0
    metric = fitted(*window(rotated(values), 400), 10)
    assert isinstance(metric, Diagonal)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_few_draws_teach_no_correlations(count):
    metric = fitted(*window(rotated([1e4, 1.0, 1.0]), count), DEAR)
    assert isinstance(metric, Diagonal)
    assert np.isfinite(metric.variances).all()


def test_a_chain_that_does_not_move_or_a_density_without_slope():
    for x, g in (
        (np.ones((50, 3)), np.ones((50, 3))),
        (np.random.default_rng(1).normal(size=(50, 3)), np.zeros((50, 3))),
        (np.random.default_rng(1).normal(size=(50, 3)), np.full((50, 3), np.nan)),
        (np.random.default_rng(1).normal(size=(50, 3)) * 1e200, np.ones((50, 3))),
    ):
        with np.errstate(all="ignore"):
            metric = fitted(x, g, DEAR)
        factor = metric.factor
        assert np.isfinite(factor.scale).all()
        assert (factor.scale > 0).all()
        assert np.isfinite(metric.velocity(np.ones(3))).all()


@pytest.mark.parametrize(
    "metric",
    [
        Diagonal(np.array([0.5, 2.0, 3.0])),
        Dense(rotated([9.0, 1.0, 0.2])),
        LowRank(np.array([0.5, 2.0, 3.0]), TURN[:2], np.array([4.0, 0.3])),
    ],
)
def test_a_factor_is_a_square_root_of_the_covariance(metric):
    f = metric.factor
    root = {
        0: lambda: np.diag(f.scale),
        -1: lambda: np.diag(f.scale) @ f.root,
        2: lambda: np.diag(f.scale) @ (np.eye(3) + (f.root.T * (f.stretch - 1)) @ f.root),
    }[f.kind]()
    covariance = np.array([metric.velocity(row) for row in np.eye(3)])
    assert root @ root.T == pytest.approx(covariance, rel=1e-10)
