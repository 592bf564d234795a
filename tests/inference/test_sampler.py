"""The parts of the sampler: trajectories, adaptation, metrics, starting points."""

from __future__ import annotations

import numpy as np
import pytest
from failure_budget import share
from scipy.stats import kstest, norm

from gendsl.runtime.adaptation import StepSize, opening, windows
from gendsl.runtime.metric import Dense, Diagonal, LowRank
from gendsl.runtime.trajectory import Point, reasonable_step, transition

PRECISION = np.array([[2.0, -1.2], [-1.2, 1.5]])
COVARIANCE = np.linalg.inv(PRECISION)
DIRECTION = np.array([[0.6, 0.8]])
METRICS = [
    Diagonal(np.array([0.3, 2.0])),
    Dense(COVARIANCE),
    LowRank(np.array([0.5, 1.5]), DIRECTION, np.array([3.0])),
]


def bowl(x):
    return 0.5 * float(x @ PRECISION @ x), PRECISION @ x


def heavy(x):
    """A logistic distribution: not Gaussian, so the trajectory has no closed form."""
    value = float(np.sum(x + 2 * np.log1p(np.exp(-x))))
    return value, np.tanh(x / 2)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("step", [0.2, 0.9])
def test_a_transition_leaves_the_target_as_it_is(metric, step):
    """Exact draws, moved once, are exact draws again, whatever the step and the metric."""
    rng = np.random.default_rng(int(step * 10))
    root = np.linalg.cholesky(COVARIANCE)
    moved = []
    for _ in range(3000):
        x = root @ rng.standard_normal(2)
        value, gradient = bowl(x)
        made = transition(bowl, rng, Point(x, value, gradient), metric, step, 6)
        moved.append(made.point.position)
    standard = np.linalg.solve(root, np.array(moved).T)
    for row in (*standard, (standard[0] + standard[1]) / np.sqrt(2)):
        assert kstest(row, norm.cdf).pvalue > share(12)


def test_a_transition_leaves_a_target_that_is_not_gaussian():
    rng = np.random.default_rng(3)
    moved = []
    for _ in range(3000):
        x = rng.logistic(size=1)
        value, gradient = heavy(x)
        point = Point(x, value, gradient)
        moved.append(transition(heavy, rng, point, Diagonal(np.ones(1)), 0.8, 4).point.position[0])
    assert kstest(moved, "logistic").pvalue > share()


def test_a_wall_is_a_divergence():
    def wall(x):
        return (0.0, np.zeros(1)) if abs(x[0]) < 0.1 else (np.inf, np.zeros(1))

    rng = np.random.default_rng(1)
    point = Point(np.zeros(1), 0.0, np.zeros(1))
    made = transition(wall, rng, point, Diagonal(np.ones(1)), 5.0, 5)
    assert made.diverging
    assert made.point is point


def test_a_kinetic_energy_that_overflows_is_a_divergence():
    """Rounding of huge products may turn its sign, and minus infinity is no low energy."""

    class Rounded(Diagonal):
        def velocity(self, momentum):
            return momentum if np.abs(momentum).max() < 1e100 else -momentum

    def cliff(x):
        return (0.0, np.zeros(2)) if abs(x[0]) < 0.1 else (1e221, np.array([1e224, 5e224]))

    rng = np.random.default_rng(1)
    point = Point(np.zeros(2), 0.0, np.zeros(2))
    metric = Rounded(np.ones(2))
    with np.errstate(all="ignore"):
        made = transition(cliff, rng, point, metric, 5.0, 5)
    assert made.diverging
    assert made.point is point


@pytest.mark.parametrize("metric", METRICS)
def test_momenta_have_the_inverse_covariance(metric):
    rng = np.random.default_rng(2)
    drawn = np.array([metric.momentum(rng) for _ in range(20_000)])
    covariance = np.array([metric.velocity(row) for row in np.eye(2)])
    assert np.cov(drawn.T) == pytest.approx(np.linalg.inv(covariance), rel=0.1, abs=0.1)


def test_windows_are_those_of_stan():
    assert opening(1000) == 75
    assert windows(1000) == (100, 150, 250, 450, 950)
    assert windows(300) == (100, 150, 250)
    assert windows(100) == (90,)
    assert windows(10) == ()


def test_the_step_size_finds_its_target():
    step = StepSize(0.8)
    step.restart(1.0)
    for _ in range(2000):
        step.learn(float(np.exp(-step.value)))
    step.settle()
    assert np.exp(-step.value) == pytest.approx(0.8, abs=0.02)


def test_the_first_step_size_is_reasonable():
    rng = np.random.default_rng(4)
    x = np.array([0.3, -0.2])
    narrow = 1e-4

    def tiny(y):
        return 0.5 * float(y @ y) / narrow**2, y / narrow**2

    value, gradient = tiny(x * narrow)
    start = Point(x * narrow, value, gradient)
    found = reasonable_step(tiny, rng, start, Diagonal(np.ones(2)), 1.0)
    assert 1e-5 < found < 1e-3
