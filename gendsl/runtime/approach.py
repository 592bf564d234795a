"""From a random point to where the probability is.

The method is that of Pathfinder (Zhang, Carpenter, Gelman & Vehtari, Journal of Machine Learning
Research 23, 2022). The points of a quasi-Newton descent, with the curvature seen so far, are
normal approximations of the posterior; the one with the best evidence lower bound (ELBO) is drawn
from. A density without bound lures a descent into a spike, but there the volume is small and the
ELBO bad.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, log

import numpy as np

from gendsl.runtime.approximation import Approximation, Curvature
from gendsl.runtime.trajectory import Evaluate, Point

__all__ = ["Budget", "Found", "Spent", "descend"]

DRAWS = 5
"""Draws for an estimate of the ELBO."""

LONGEST = 200
"""Steps of a path at most."""

SETTLED = 3
"""A path has settled when so many steps in a row gain less than `LITTLE` nats a coordinate. What
matters is the region of most probability, half a nat a coordinate above the minimum."""

LITTLE = 0.02

PATIENCE = 10
"""A path ends when so many estimates in a row are worse than the best."""

FAR = 5.0
"""A draw whose weight is so many nats a coordinate below the best ELBO ends an estimate."""

ARMIJO, WOLFE = 1e-4, 0.9
"""What a step must gain, and how far the slope must flatten, relative to the slope before it."""

TRIALS = 25
"""Lengths that are tried along one direction."""


class Spent(Exception):
    """The evaluations that were granted are used up."""


class Budget:
    """The potential, which is evaluated so many times at most."""

    def __init__(self, evaluate: Evaluate, granted: int) -> None:
        """Take the potential."""
        self.evaluate, self.left = evaluate, granted

    def __call__(self, position: np.ndarray) -> Point:
        """A point, of infinite potential where value or gradient are not finite.

        Raises:
            Spent: nothing is left.
        """
        if self.left <= 0:
            raise Spent
        self.left -= 1
        value, gradient = self.evaluate(position)
        legal = isfinite(value) and bool(np.isfinite(gradient).all())
        return Point(position, value if legal else inf, gradient)


@dataclass(frozen=True, slots=True)
class Found:
    """The best approximation of a path.

    Attributes:
        draws: points drawn from it, of finite density.
        weights: the logarithms of the ratios of the density to the approximation's there.
        variances: its variances of the coordinates.
    """

    draws: tuple[Point, ...]
    weights: np.ndarray
    variances: np.ndarray

    @property
    def elbo(self) -> float:
        """The evidence lower bound, estimated."""
        return float(self.weights.mean())

    @property
    def evidence(self) -> float:
        """The logarithm of the probability hereabouts, up to a constant: a tighter bound."""
        return float(np.logaddexp.reduce(self.weights)) - log(len(self.weights))

    def drawn(self, rng: np.random.Generator) -> Point:
        """One of the draws, by importance."""
        shares = np.exp(self.weights - self.weights.max())
        return self.draws[int(rng.choice(len(shares), p=shares / shares.sum()))]


def descend(budget: Budget, start: Point, rng: np.random.Generator) -> Found | None:
    """Follow a path downhill; the best approximation on it, None if there is none.

    The path ends when it has settled, where no further step is found, or when the estimates keep
    getting worse. One that is cut short, at `LONGEST` or by the budget, while they still improve
    has found nothing: the density may have no maximum in that direction. Until the path is nearly
    level only some of its points are judged.

    Args:
        budget: the potential.
        start: where the path begins.
        rng: for the draws from the approximations.
    """
    size, point, curvature = len(start.position), start, Curvature(len(start.position))
    best: Found | None = None
    little = idle = 0
    try:
        for number in range(1, LONGEST + 1):
            reached = _step(budget, point, curvature)
            if reached is None:
                return best
            gain, point = point.potential - reached.potential, reached
            little = little + 1 if gain < LITTLE * size else 0
            if gain < size or number & (number - 1) == 0:  # nearly level, or a power of 2
                judged = _judged(budget, point, curvature, rng, best)
                better = judged is not None and (best is None or judged.elbo > best.elbo)
                best, idle = (judged, 0) if better else (best, idle + (best is not None))
            if little == SETTLED or idle == PATIENCE:
                return best
    except Spent:
        pass
    return best if idle else None  # cut short


def _step(budget: Budget, point: Point, curvature: Curvature) -> Point | None:
    """One step of L-BFGS; along the gradient where what was learned leads nowhere."""
    reached = None
    if curvature.known:
        approximation = _approximated(point, curvature)
        if approximation is not None:
            reached = _searched(budget, point, approximation.step, 1.0)
    if reached is None:
        curvature.forget()
        steepness = float(np.linalg.norm(point.gradient))
        reached = _searched(budget, point, -point.gradient, 1 / max(1.0, steepness))
    if reached is not None:
        curvature.learn(reached.position - point.position, reached.gradient - point.gradient)
    return reached


def _approximated(point: Point, curvature: Curvature) -> Approximation | None:
    """None where the curvature is singular, up to rounding."""
    try:
        return Approximation(point, curvature)
    except np.linalg.LinAlgError:
        return None


def _searched(budget: Budget, point: Point, direction: np.ndarray, length: float) -> Point | None:
    """A point that satisfies the weak conditions of Wolfe, by bisection; None if there is none.

    A potential that is not finite counts as too far (Lewis & Overton 2013).
    """
    slope = float(point.gradient @ direction)
    if not slope < 0:
        return None
    low, high = 0.0, inf
    lower: Point | None = None
    for _ in range(TRIALS):
        reached = budget(point.position + length * direction)
        if not reached.potential <= point.potential + ARMIJO * length * slope:
            high = length
        elif float(reached.gradient @ direction) < WOLFE * slope:
            low, lower = length, reached
        else:
            return reached
        length = (low + high) / 2 if high < inf else 2 * length
    return lower


def _judged(
    budget: Budget,
    point: Point,
    curvature: Curvature,
    rng: np.random.Generator,
    best: Found | None,
) -> Found | None:
    """Estimate the ELBO; None where a draw has no density, or is much worse than the best."""
    approximation = _approximated(point, curvature) if curvature.known else None
    if approximation is None:
        return None
    floor = -inf if best is None else best.elbo - FAR * (1 + len(point.position))
    draws: list[Point] = []
    weights: list[float] = []
    for _ in range(DRAWS):
        position, log_density = approximation.draw(rng)
        draws.append(budget(position))
        weights.append(-draws[-1].potential - log_density)
        if not weights[-1] > floor:
            return None
    return Found(tuple(draws), np.array(weights), approximation.variances())
