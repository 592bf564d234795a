"""What the sampler learns in warm-up: the step size and the scale of every coordinate.

The schedule is Stan's: a fast phase, windows of doubling length in which variances are gathered,
and a fast phase for the final step size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log, sqrt

import numpy as np

__all__ = ["StepSize", "Variances", "opening", "windows"]

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


@dataclass(slots=True)
class Variances:
    """Running variances of the coordinates (Welford), shrunk towards a small one."""

    size: int
    count: int = 0
    mean: np.ndarray = field(init=False)
    squares: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """Nothing seen yet."""
        self.clear()

    def clear(self) -> None:
        """Forget."""
        self.count = 0
        self.mean, self.squares = np.zeros(self.size), np.zeros(self.size)

    def see(self, point: np.ndarray) -> None:
        """One more point."""
        self.count += 1
        off = point - self.mean
        self.mean = self.mean + off / self.count
        self.squares = self.squares + off * (point - self.mean)

    def estimate(self) -> np.ndarray:
        """The variances."""
        n = self.count
        raw = self.squares / max(1, n - 1)
        return raw * (n / (n + 5)) + 1e-3 * (5 / (n + 5))
