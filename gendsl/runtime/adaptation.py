"""What the sampler learns in warm-up: the step size and the scale of every coordinate.

The schedule is Stan's: a fast phase, windows of doubling length in which variances are gathered,
and a fast phase for the final step size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np

from gendsl.runtime.metric import Dense, Diagonal, Metric

__all__ = ["Gathered", "StepSize", "opening", "windows"]

FIRST, LAST, BASE = 75, 50, 25
"""Iterations of the first and the last phase, and of the first window."""

MOST_CORRELATED = 150
"""In more dimensions than this, correlations are not learned."""

STRONG = 50.0
"""The ratio of the widest to the narrowest direction, in standardised coordinates, from which
correlations are worth their cost."""

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
    """The positions of a window, and the metric that they suggest."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.positions: list[np.ndarray] = []

    def see(self, position: np.ndarray) -> None:
        """One more position."""
        self.positions.append(position)

    def metric(self) -> Metric:
        """Scales of the coordinates; with their correlations where these are strong and plain.

        Correlations are used in few enough dimensions, from enough positions, and where the
        narrowest direction is much narrower than single coordinates tell. The window is over.
        """
        seen = np.array(self.positions)
        self.positions = []
        n, size = seen.shape
        variances = _shrunk(seen.var(axis=0, ddof=1) if n > 1 else np.zeros(size), n)
        if not 1 < size <= MOST_CORRELATED or n < 2 * size:
            return Diagonal(variances)
        covariance = np.cov(seen.T) * (n / (n + 5)) + 1e-3 * (5 / (n + 5)) * np.eye(size)
        scale = np.sqrt(np.diag(covariance))
        try:
            eigenvalues = np.linalg.eigvalsh(covariance / np.outer(scale, scale))
            strong = eigenvalues[0] * STRONG < eigenvalues[-1]
            return Dense(covariance) if strong else Diagonal(variances)
        except np.linalg.LinAlgError:
            return Diagonal(variances)


def _shrunk(variances: np.ndarray, n: int) -> np.ndarray:
    shrunk: np.ndarray = variances * (n / (n + 5)) + 1e-3 * (5 / (n + 5))
    return shrunk
