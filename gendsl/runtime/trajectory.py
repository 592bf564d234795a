"""One transition of the No-U-Turn sampler.

Multinomial sampling along the trajectory, the generalised criterion of Betancourt (2017) and the
checks across the two halves of every subtree, as in Stan. A point is a flat vector; momenta have
the inverse of a metric as their mass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, isfinite, log1p

import numpy as np

from gendsl.runtime.metric import Metric

__all__ = ["Evaluate", "Point", "Transition", "reasonable_step", "transition"]

Evaluate = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""Potential energy and its gradient."""

MAX_ERROR = 1000.0
"""A trajectory whose energy rises by more than this has diverged."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place on a trajectory."""

    position: np.ndarray
    potential: float
    gradient: np.ndarray


@dataclass(frozen=True, slots=True)
class Transition:
    """What a transition led to, and how."""

    point: Point
    energy: float
    depth: int
    steps: int
    accepted: float
    diverging: bool


@dataclass(slots=True)
class _Tree:
    """A stretch of trajectory: its two ends, a point drawn from it, and its weight."""

    point: Point
    energy: float
    weight: float
    rho: np.ndarray
    first: np.ndarray
    last: np.ndarray
    sharp_first: np.ndarray
    sharp_last: np.ndarray
    end: tuple[Point, np.ndarray]


def _together(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    high, low = (a, b) if a > b else (b, a)
    return high if low == -inf else high + log1p(exp(low - high))


def _onwards(sharp_a: np.ndarray, sharp_b: np.ndarray, rho: np.ndarray) -> bool:
    return float(sharp_a @ rho) > 0 and float(sharp_b @ rho) > 0


class _Builder:
    """Builds the trees of one transition."""

    def __init__(
        self,
        evaluate: Evaluate,
        rng: np.random.Generator,
        metric: Metric,
        step: float,
        energy: float,
    ) -> None:
        self.evaluate, self.rng = evaluate, rng
        self.metric, self.step, self.start = metric, step, energy
        self.steps, self.accepted, self.diverging = 0, 0.0, False

    def tree(self, depth: int, end: tuple[Point, np.ndarray], sign: int) -> _Tree | None:
        """2^depth steps on from `end`; None if it turns back or diverges."""
        if depth == 0:
            return self._leaf(end, sign)
        left = self.tree(depth - 1, end, sign)
        if left is None:
            return None
        right = self.tree(depth - 1, left.end, sign)
        if right is None:
            return None
        joined = _join(left, right)
        if self.rng.random() < exp(min(0.0, right.weight - joined.weight)):
            joined.point, joined.energy = right.point, right.energy
        return joined if _straight(left, right, joined.rho) else None

    def _leaf(self, end: tuple[Point, np.ndarray], sign: int) -> _Tree | None:
        point, momentum = _leapfrog(self.evaluate, end[0], end[1], self.metric, sign * self.step)
        self.steps += 1
        sharp = self.metric.velocity(momentum)
        kinetic = 0.5 * float(sharp @ momentum)
        energy = point.potential + kinetic
        error = energy - self.start
        if not (kinetic >= 0 and error <= MAX_ERROR):  # a product that overflows may be negative
            self.diverging = True
            return None
        self.accepted += exp(min(0.0, -error))
        return _Tree(
            point, energy, -error, momentum, momentum, momentum, sharp, sharp, (point, momentum)
        )


def _leapfrog(
    evaluate: Evaluate, point: Point, momentum: np.ndarray, metric: Metric, step: float
) -> tuple[Point, np.ndarray]:
    half = momentum - 0.5 * step * point.gradient
    position = point.position + step * metric.velocity(half)
    potential, gradient = evaluate(position)
    if not isfinite(potential):
        potential = inf
    return Point(position, potential, gradient), half - 0.5 * step * gradient


def _join(left: _Tree, right: _Tree) -> _Tree:
    """Two stretches, the second beginning where the first ends; the point is the first's."""
    return _Tree(
        left.point,
        left.energy,
        _together(left.weight, right.weight),
        left.rho + right.rho,
        left.first,
        right.last,
        left.sharp_first,
        right.sharp_last,
        right.end,
    )


def _straight(left: _Tree, right: _Tree, rho: np.ndarray) -> bool:
    """Whether neither the whole nor what spans the joint has turned back."""
    return (
        _onwards(left.sharp_first, right.sharp_last, rho)
        and _onwards(left.sharp_first, right.sharp_first, left.rho + right.first)
        and _onwards(left.sharp_last, right.sharp_last, right.rho + left.last)
    )


def transition(
    evaluate: Evaluate,
    rng: np.random.Generator,
    point: Point,
    metric: Metric,
    step: float,
    max_depth: int,
) -> Transition:
    """Draw a momentum, follow the trajectory until it turns back, draw a point of it."""
    momentum = metric.momentum(rng)
    sharp = metric.velocity(momentum)
    energy = point.potential + 0.5 * float(sharp @ momentum)
    builder = _Builder(evaluate, rng, metric, step, energy)
    start = (point, momentum)
    whole = _Tree(point, energy, 0.0, momentum, momentum, momentum, sharp, sharp, start)
    forward, backward = start, start
    depth = 0
    while depth < max_depth:
        sign = 1 if rng.random() > 0.5 else -1
        grown = builder.tree(depth, forward if sign > 0 else backward, sign)
        if grown is None:
            break
        depth += 1
        if sign > 0:
            forward = grown.end
        else:
            backward = grown.end
            whole = _reversed(whole)
        joined = _join(whole, grown)
        if rng.random() < exp(min(0.0, grown.weight - whole.weight)):
            joined.point, joined.energy = grown.point, grown.energy
        onwards = _straight(whole, grown, joined.rho)
        whole = joined if sign > 0 else _reversed(joined)
        if not onwards:
            break
    accepted = builder.accepted / max(1, builder.steps)
    return Transition(whole.point, whole.energy, depth, builder.steps, accepted, builder.diverging)


def _reversed(tree: _Tree) -> _Tree:
    """The same stretch seen from its other end; `end` is kept by the caller."""
    return _Tree(
        tree.point,
        tree.energy,
        tree.weight,
        tree.rho,
        tree.last,
        tree.first,
        tree.sharp_last,
        tree.sharp_first,
        tree.end,
    )


def reasonable_step(
    evaluate: Evaluate,
    rng: np.random.Generator,
    point: Point,
    metric: Metric,
    step: float,
) -> float:
    """A step size at which about 0.8 of single steps are accepted, within a factor of 2."""
    direction = 0
    for _ in range(60):
        momentum = metric.momentum(rng)
        before = point.potential + 0.5 * float(metric.velocity(momentum) @ momentum)
        there, moved = _leapfrog(evaluate, point, momentum, metric, step)
        kinetic = 0.5 * float(metric.velocity(moved) @ moved)
        after = there.potential + kinetic
        good = kinetic >= 0 and before - after > np.log(0.8)  # False for what is not a number
        now = 1 if good else -1
        if direction and now != direction:
            return step
        direction = now
        step = step * 2.0 if good else step * 0.5
    return step
