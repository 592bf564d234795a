"""Ranks, their exact test, bands, coverage, and the mixing of chains."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest
from arviz_stats.base.array import array_stats
from failure_budget import share
from scipy.stats import binom

from gendsl.runtime.calibration import uniformity
from gendsl.runtime.calibration.mixing import effective, worst_r_hat
from gendsl.runtime.calibration.records import Record, decoded, encoded
from gendsl.runtime.calibration.uniformity import Coverage, band, exit_probability, rank


def statistic(ranks: tuple[int, ...], largest: int) -> float:
    """The smallest tail of the cumulative counts, by the definition."""
    tails = []
    for i in range(1, largest + 1):
        law = binom(len(ranks), i / (largest + 1))
        below = sum(r < i for r in ranks)
        tails += [law.cdf(below), law.sf(below - 1)]
    return min(tails)


@pytest.mark.parametrize(("count", "largest"), [(1, 1), (1, 4), (3, 1), (4, 3), (3, 5)])
def test_p_values_are_those_of_all_possible_ranks(count, largest):
    every = list(itertools.product(range(largest + 1), repeat=count))
    found = {ranks: statistic(ranks, largest) for ranks in every}
    for ranks in every:
        as_far = sum(s <= found[ranks] * (1 + 1e-12) for s in found.values())
        p = uniformity.uniformity(np.array(ranks), largest)
        assert p == pytest.approx(as_far / len(every), rel=1e-9)


def test_small_probabilities_are_not_rounded_away():
    """All of 200 ranks are the lowest one: that happens with (1 / 10) ** 200."""
    p = uniformity.uniformity(np.zeros(200, dtype=np.int64), 9)
    assert 0 < p < 1e-150


def test_uneven_ranks_are_seen_and_even_ones_are_not():
    rng = np.random.default_rng(3)
    even = rng.integers(0, 100, 500)
    narrow = np.minimum((100 * rng.beta(0.5, 0.5, 500)).astype(int), 99)
    assert uniformity.uniformity(even, 99) > share()
    assert uniformity.uniformity(narrow, 99) < share()


@pytest.mark.parametrize(("count", "largest"), [(20, 9), (200, 99)])
def test_uniform_ranks_stay_in_the_band_as_often_as_it_says(count, largest):
    lower, upper = np.array(band(count, largest, 0.95))
    tail = min(
        *binom.cdf(np.round(lower * count), count, np.arange(1, largest + 1) / (largest + 1)),
        *binom.sf(np.round(upper * count) - 1, count, np.arange(1, largest + 1) / (largest + 1)),
    )
    assert exit_probability(tail * (1 - 1e-9), count, largest) <= 0.05
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, largest + 1, (4000, count))
    below = (ranks[:, :, None] < np.arange(1, largest + 1)).sum(axis=1) / count
    outside = ((below < lower - 1e-9) | (below > upper + 1e-9)).any(axis=1).sum()
    assert binom.sf(outside - 1, 4000, 0.05) > share()
    assert outside > 0.02 * 4000  # as wide as needed, not wider


def test_ranks_count_what_is_below():
    truth, draws = np.array([0.5, -1.0, 9.0]), np.array([[0.0] * 3, [1.0] * 3, [2.0] * 3])
    assert rank(truth, draws, np.random.default_rng(0)).tolist() == [1, 0, 3]


def test_ties_are_broken_evenly():
    truth, draws = np.ones(6000), np.concatenate([np.zeros((1, 6000)), np.ones((3, 6000))])
    found = np.bincount(rank(truth, draws, np.random.default_rng(0)), minlength=5)
    assert found[0] == 0
    assert binom.sf(np.abs(found[1:] - 1500).max() + 1500, 6000, 0.25) > share(4)


@pytest.mark.parametrize(
    ("probability", "largest", "ranks", "exact"),
    [
        (0.5, 99, (25, 74), 0.5),
        (0.9, 99, (5, 94), 0.9),
        (0.5, 9, (2, 7), 0.6),
        (0.9, 3, (0, 3), 1),
    ],
)
def test_central_intervals(probability, largest, ranks, exact):
    found = Coverage(probability, largest)
    assert (found.first, found.last) == ranks
    assert found.probability == pytest.approx(exact)


def test_coverage_is_counted():
    found = Coverage(0.5, 99)
    assert found.share(np.array([24, 25, 74, 75])) == 0.5
    assert uniformity.coverage(np.arange(100), 99, 0.9) == 0.9
    low, high = found.expected(100)
    inside = sum(comb(100, k) for k in range(round(100 * low), round(100 * high) + 1)) / 2**100
    assert inside >= 0.95 > inside - 2 * comb(100, round(100 * low)) / 2**100


def autoregressive(rho: float, shape: tuple[int, int, int]) -> np.ndarray:
    draws = np.random.default_rng(1).normal(size=shape)
    for t in range(1, shape[1]):
        draws[:, t] += rho * draws[:, t - 1]
    return draws


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.6, 0.95])
@pytest.mark.parametrize("shape", [(2, 250, 3), (1, 333, 2), (4, 64, 2)])
def test_mixing_is_that_of_arviz(rho, shape):
    draws = autoregressive(rho, shape)
    expected = [float(array_stats.ess(draws[..., k], method="bulk")) for k in range(shape[2])]
    rough = 0.15 if rho > 0.9 else 1e-3  # ArviZ leaves its last pair of lags as it is
    assert effective(draws) == pytest.approx(expected, rel=rough)
    if shape[0] > 1:
        largest = max(float(array_stats.rhat(draws[..., k])) for k in range(shape[2]))
        assert worst_r_hat(draws) == pytest.approx(largest, rel=1e-6)


def test_mixing_of_chains_that_do_not_move():
    still = np.ones((2, 100, 1))
    assert effective(still).tolist() == [200.0]
    assert worst_r_hat(still) == 1.0
    apart = np.concatenate([np.zeros((1, 100, 1)), np.ones((1, 100, 1))])
    assert worst_r_hat(apart) > 1e6
    assert np.isnan(effective(np.ones((1, 3, 1)))).all()


RECORD = Record(
    7,
    "done",
    "",
    (3, 99),
    (0.1, float("inf")),
    (1.0, float("nan")),
    (2.0, 1e-300),
    500,
    123.4,
    1.01,
)


def test_a_record_is_read_back_as_it_was():
    line = encoded(RECORD)
    assert "\n" not in line
    assert encoded(decoded(line)) == line
    assert decoded(line).ranks == RECORD.ranks
    assert np.isnan(decoded(line).mean[1])


@pytest.mark.parametrize(
    "wrong", [lambda s: s[:-9], lambda s: s.replace("99", "98", 1), lambda s: "7"]
)
def test_a_damaged_record_is_none(wrong):
    assert decoded(wrong(encoded(RECORD))) is None
