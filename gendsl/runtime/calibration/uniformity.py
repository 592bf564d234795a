r"""Whether ranks are uniform, with probabilities that are exact for discrete ranks.

Of :math:`N` ranks that are uniform on :math:`0, \dots, L`, the number :math:`R_i` below
:math:`i` is binomial :math:`(N, i / (L + 1))` for each :math:`i`, and a Markov chain over
:math:`i`. The statistic is the smallest two-sided tail probability over all :math:`i`; the
probability that it is so small is that of the chain leaving a band, which a recursion over
:math:`i` sums without any approximation.

References:
    Graphical test for discrete uniformity and its applications in goodness-of-fit evaluation and
    multiple sample comparison (Säilynoja, Bürkner, Vehtari, Statistics and Computing, 2022).
    Validating Bayesian inference algorithms with simulation-based calibration (Talts,
    Betancourt, Simpson, Vehtari, Gelman, 2018).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, gammaln
from scipy.stats import binom

__all__ = ["Coverage", "band", "coverage", "exit_probability", "rank", "uniformity"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

ROUNDING = 1e-9
"""Relative slack, so that a band leaves out the very value that it was made from."""


def rank(truth: Floats, draws: Floats, rng: np.random.Generator) -> Whole:
    """How many draws of each quantity lie below the truth; ties are broken at random.

    Args:
        truth: ``(quantity,)``.
        draws: ``(draw, quantity)``.
        rng: breaks ties, so that ranks of discrete quantities are uniform too.
    """
    below = (draws < truth).sum(axis=0)
    ties = (draws == truth).sum(axis=0)
    return np.asarray(below + rng.integers(0, ties + 1), dtype=np.int64)


@lru_cache(maxsize=16)
def _tails(count: int, largest: int) -> tuple[Floats, Floats]:
    """P(X <= k) and P(X >= k), ``(i, k)``, for the number X of ranks below i = 1, ..., L."""
    shares = np.arange(1, largest + 1)[:, None] / (largest + 1)
    numbers = np.arange(count + 1)[None, :]
    above = np.ones((largest, count + 1))
    above[:, 1:] = bdtrc(numbers[:, :-1], count, shares)
    return np.asarray(bdtr(numbers, count, shares)), above


def uniformity(ranks: Whole, largest: int) -> float:
    """The probability that uniform ranks stray as far from uniformity as these do, or farther.

    Args:
        ranks: whole numbers from 0 to `largest`.
        largest: the number of draws among which the truth was ranked.
    """
    if not len(ranks):
        return float("nan")
    count = len(ranks)
    number = np.cumsum(np.bincount(ranks, minlength=largest + 1))[:largest]
    places = np.arange(largest)
    least = min(float(tails[places, number].min()) for tails in _tails(count, largest))
    return exit_probability(least * (1 + ROUNDING), count, largest)


def _limits(tail: float, count: int, largest: int) -> tuple[Whole, Whole]:
    """For each i from 1, the least and the greatest count whose tails are at least `tail`."""
    below, above = _tails(count, largest)
    low = (below < tail).sum(axis=1)
    high = count - (above < tail).sum(axis=1)
    return low.astype(np.int64), high.astype(np.int64)


@lru_cache(maxsize=4096)
def exit_probability(tail: float, count: int, largest: int) -> float:
    """The probability that some cumulative count of uniform ranks has a smaller tail than `tail`.

    Probabilities of leaving the band are summed, so that small ones are exact.

    Args:
        tail: a one-sided tail probability.
        count: how many ranks there are.
        largest: the greatest rank.
    """
    if tail <= 0:
        return 0.0
    if tail >= 0.5:
        return 1.0
    low, high = _limits(tail, count, largest)
    logs = gammaln(np.arange(count + 1) + 1.0)
    states, mass, left = np.array([0]), np.array([1.0]), 0.0
    for i in range(largest):
        chance = 1 / (largest + 1 - i)  # of one of the others to lie at this rank
        rest = count - states
        left += float(mass @ _beyond(low[i] - 1 - states, high[i] - states, rest, chance))
        if low[i] > high[i]:
            return 1.0
        after = np.arange(low[i], high[i] + 1)
        more = after[None, :] - states[:, None]
        known = np.maximum(more, 0)
        weights = logs[rest][:, None] - logs[known] - logs[count - after][None, :]
        weights += known * np.log(chance) + (count - after)[None, :] * np.log1p(-chance)
        mass = mass @ np.where(more >= 0, np.exp(weights), 0.0)
        states = after
    return min(1.0, left)


def _beyond(low: Whole, high: Whole, count: Whole, chance: float) -> Floats:
    """P(X <= low) + P(X > high) for binomial X."""
    below = np.where(low >= 0, bdtr(np.minimum(np.maximum(low, 0), count), count, chance), 0.0)
    inside = (high >= 0) & (high < count)
    above = np.where(high < 0, 1.0, 0.0)
    above = np.where(inside, bdtrc(np.where(inside, high, 0), count, chance), above)
    return np.asarray(below + above)


@lru_cache(maxsize=64)
def band(count: int, largest: int, probability: float) -> tuple[tuple[float, ...], ...]:
    """Shares between which the whole ECDF of uniform ranks stays with this probability or more.

    Returns:
        The lower and the upper ends, for the shares of ranks below 1, ..., `largest`.
    """
    low, high = 0.0, 0.5
    for _ in range(40):
        middle = np.sqrt(low * high) if low > 0 else high / 10
        if exit_probability(float(middle), count, largest) <= 1 - probability:
            low = float(middle)
        else:
            high = float(middle)
        if low > 0 and high / low < 1.001:
            break
    lower, upper = _limits(low, count, largest)
    return tuple(float(x) for x in lower / count), tuple(float(x) for x in upper / count)


class Coverage:
    """The central interval of a probability, in ranks.

    Attributes:
        first, last: the ranks in it.
        probability: of a uniform rank to be one of them.
    """

    def __init__(self, probability: float, largest: int) -> None:
        """The central interval whose probability is nearest to `probability`."""
        outside = min(round((largest + 1) * (1 - probability) / 2), largest // 2)
        self.first, self.last = outside, largest - outside
        self.probability = (self.last - self.first + 1) / (largest + 1)

    def share(self, ranks: Whole) -> float:
        """How many of the ranks lie in it."""
        return float(np.mean((ranks >= self.first) & (ranks <= self.last)))

    def expected(self, count: int, probability: float = 0.95) -> tuple[float, float]:
        """The ends of the central binomial interval of that share, for `count` uniform ranks."""
        tail = (1 - probability) / 2
        ends = binom.ppf([tail, 1 - tail], count, self.probability) / count
        return float(ends[0]), float(ends[1])


def coverage(ranks: Whole, largest: int, probability: float) -> float:
    """The share of ranks in the central interval of a probability."""
    return Coverage(probability, largest).share(ranks)
