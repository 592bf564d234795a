"""What the sampler learns in warm-up: the step size and the scale of every coordinate.

The schedule is Stan's: a fast phase, windows of doubling length in which variances are gathered,
and a fast phase for the final step size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, sqrt

import numpy as np

from gendsl.runtime.metric import Metric
from gendsl.runtime.whitening import fitted

__all__ = ["Gathered", "StepSize", "opening", "windows"]

FIRST, LAST, BASE = 75, 50, 25
"""Iterations of the first and the last phase, and of the first window."""

SHORT = 20
"""With fewer iterations of warm-up only the step size is adapted."""


def windows(warmup: int) -> tuple[int, ...]:
    """The iterations after which the variances gathered in a window are put to use.

    The first window opens after the first phase, whose length is that of `opening`.
    """
    if warmup < SHORT:
        return ()
    first, last, base = _phases(warmup)
    ends: list[int] = []
    start, width = first, base
    while start + width <= warmup - last:
        end = start + width
        if end + 2 * width > warmup - last:
            end = warmup - last
        ends.append(end)
        start, width = end, 2 * width
        if end == warmup - last:
            break
    return tuple(ends)


def _phases(warmup: int) -> tuple[int, int, int]:
    if FIRST + LAST + BASE <= warmup:
        return FIRST, LAST, BASE
    first, last = int(0.15 * warmup), int(0.1 * warmup)
    return first, last, warmup - first - last


def opening(warmup: int) -> int:
    """The iteration after which the first window opens."""
    return _phases(warmup)[0] if warmup >= SHORT else warmup


@dataclass(slots=True)
class StepSize:
    """Dual averaging of the logarithm of the step size (Hoffman & Gelman 2014)."""

    target: float
    value: float = 1.0
    count: int = 0
    mean_error: float = 0.0
    log_average: float = 0.0
    centre: float = 0.0

    def restart(self, value: float) -> None:
        """Begin anew near `value`."""
        self.value, self.count = value, 0
        self.mean_error = self.log_average = 0.0
        self.centre = log(10 * value)

    def learn(self, accepted: float) -> None:
        """Take the mean acceptance probability of a transition into account."""
        self.count += 1
        weight = 1 / (self.count + 10)
        self.mean_error += weight * (self.target - min(1.0, accepted) - self.mean_error)
        step = self.centre - self.mean_error * sqrt(self.count) / 0.05
        share = self.count**-0.75
        self.log_average += share * (step - self.log_average)
        self.value = exp(step)

    def settle(self) -> None:
        """Use the average from now on."""
        if self.count:
            self.value = exp(self.log_average)


class Gathered:
    """The positions of a window and the gradients there, and the metric that they suggest."""

    def __init__(self, work: float = inf) -> None:
        """Nothing seen yet.

        Args:
            work: numbers that an evaluation of the potential reads and writes, roughly.
        """
        self.work = work
        self.positions: list[np.ndarray] = []
        self.gradients: list[np.ndarray] = []
        self.steps = 0.0

    def see(self, positions: np.ndarray, gradients: np.ndarray, steps: float) -> None:
        """Further positions, (number, size) or one of (size), the gradients there, the steps."""
        self.steps += steps
        self.positions.append(np.atleast_2d(positions))
        self.gradients.append(np.atleast_2d(gradients))

    def metric(self) -> Metric:
        """The metric for what was seen, which is forgotten."""
        positions, gradients = np.concatenate(self.positions), np.concatenate(self.gradients)
        steps, self.positions, self.gradients, self.steps = self.steps, [], [], 0.0
        return fitted(positions, gradients, self.work, steps)
