"""How often the whole suite may fail by chance, and how tests share that.

Not called `statistics`: this folder is on the path and would hide Python's module.
"""

from __future__ import annotations

__all__ = ["TEST_FAILURE_RATE", "share"]

TEST_FAILURE_RATE = 2e-5
"""The probability that a correct program fails any statistical test at all."""

_STATISTICAL_TESTS = 1_000
"""An upper bound on the number of p-values that the suite looks at."""


def share(comparisons: int = 1) -> float:
    """The p-value below which one of a test's `comparisons` counts as a failure."""
    return TEST_FAILURE_RATE / _STATISTICAL_TESTS / comparisons
