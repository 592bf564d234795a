"""Interval arithmetic: sound hulls of the results of functions.

Infinite bounds are never attained, so 0 times one is 0. A hull may be wider than need be,
never narrower, up to rounding.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import assert_never

from gendsl.types import BINARY, REAL, UNIT, Index, Interval, Structured, Support

__all__ = [
    "Range",
    "absolute",
    "binary",
    "clipped",
    "constant",
    "counted",
    "decreasing",
    "elementwise_max",
    "elementwise_min",
    "even",
    "hull",
    "increasing",
    "interval_of",
    "negated",
    "periodic",
    "power",
    "product",
    "products",
    "quotient_rest",
    "reciprocal",
    "rounded",
    "same",
    "sums",
    "total",
    "union",
]

Range = Callable[[Sequence[Interval]], Support]


def hull(points: Iterable[float], *, integer: bool = False) -> Interval:
    """The smallest interval around `points`; NaN counts as unknown, overflow as huge."""
    values = [v + 0.0 for v in points]  # no negative zero
    if any(math.isnan(v) for v in values):
        return Interval(integer)
    huge = sys.float_info.max
    return Interval(integer, min(huge, *values), max(-huge, *values))


def _at(function: Callable[[float], float], x: float) -> float:
    try:
        return function(x)
    except OverflowError:
        return inf
    except ValueError:
        return math.nan


def interval_of(support: Support) -> Interval:
    """An interval around every entry of a value with this support."""
    match support:
        case Interval():
            return support
        case Index(size=size):
            last = size.value
            return Interval(integer=True, lower=0.0, upper=inf if last is None else last - 1.0)
        case Structured(kind="simplex"):
            return UNIT
        case Structured(kind="correlation" | "cholesky_correlation" | "unit_vector"):
            return Interval(lower=-1.0, upper=1.0)
        case Structured(kind="angle"):
            return Interval(lower=-math.pi, upper=math.pi)
        case Structured(lower=lower, upper=upper):
            return Interval(lower=lower, upper=upper)
        case _:
            assert_never(support)


def constant(support: Support) -> Range:
    """The same support whatever the arguments."""
    return lambda hulls: support


def binary(hulls: Sequence[Interval]) -> Support:
    """0 or 1."""
    return BINARY


def increasing(
    function: Callable[[float], float],
    *,
    low: float = -inf,
    high: float = inf,
    at_low: float | None = None,
    at_high: float | None = None,
) -> Range:
    """The range of an increasing function on [low, high], with its limits at these ends."""

    def bound(x: float) -> float:
        if x <= low and at_low is not None:
            return at_low
        if x >= high and at_high is not None:
            return at_high
        return _at(function, min(max(x, low), high))

    return lambda hulls: hull((bound(hulls[0].lower), bound(hulls[0].upper)))


def decreasing(
    function: Callable[[float], float],
    *,
    low: float = -inf,
    high: float = inf,
    at_low: float | None = None,
    at_high: float | None = None,
) -> Range:
    """The range of a decreasing function on [low, high], with its limits at these ends."""
    return increasing(function, low=low, high=high, at_low=at_low, at_high=at_high)


def even(function: Callable[[float], float], *, at_infinity: float = inf) -> Range:
    """The range of an even function that increases in |x|."""

    def range_(hulls: Sequence[Interval]) -> Support:
        size = absolute(hulls)
        ends = (size.lower, size.upper)
        return hull(at_infinity if x == inf else _at(function, x) for x in ends)

    return range_


def periodic(function: Callable[[float], float], top: float) -> Range:
    """The range of a sine wave with a maximum at `top` (and every 2 pi from there)."""

    def hits(x: Interval, at: float) -> bool:
        turn = 2 * math.pi
        return math.ceil((x.lower - at) / turn - 1e-9) * turn + at <= x.upper + 1e-9

    def range_(hulls: Sequence[Interval]) -> Support:
        x = hulls[0]
        if not (abs(x.lower) < 1e6 and abs(x.upper) < 1e6):
            return Interval(lower=-1.0, upper=1.0)
        ends = (function(x.lower), function(x.upper))
        lower = -1.0 if hits(x, top + math.pi) else min(ends)
        upper = 1.0 if hits(x, top) else max(ends)
        return Interval(lower=lower, upper=upper)

    return range_


def same(hulls: Sequence[Interval]) -> Interval:
    """The interval of the first argument."""
    return hulls[0]


def union(hulls: Sequence[Interval]) -> Interval:
    """What lies in any of the arguments."""
    return hull(
        (b for h in hulls for b in (h.lower, h.upper)), integer=all(h.integer for h in hulls)
    )


def sums(hulls: Sequence[Interval]) -> Interval:
    """The sum of the arguments."""
    lower = sum(h.lower for h in hulls)
    upper = sum(h.upper for h in hulls)
    return Interval(
        all(h.integer for h in hulls),
        -inf if math.isnan(lower) else lower,
        inf if math.isnan(upper) else upper,
    )


def negated(hulls: Sequence[Interval]) -> Interval:
    """The negative of the argument."""
    return Interval(hulls[0].integer, 0.0 - hulls[0].upper, 0.0 - hulls[0].lower)


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def product(a: Interval, b: Interval) -> Interval:
    """The product of two intervals."""
    corners = [_times(x, y) for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
    return hull(corners, integer=a.integer and b.integer)


def products(hulls: Sequence[Interval]) -> Interval:
    """The product of the arguments."""
    result = hulls[0]
    for other in hulls[1:]:
        result = product(result, other)
    return result


def reciprocal(hulls: Sequence[Interval]) -> Interval:
    """One over the argument."""
    x = hulls[0]
    if x.lower < 0 < x.upper:
        return REAL
    if x.lower >= 0:
        return hull((inf if x.lower == 0 else 1 / x.lower, _invert(x.upper)))
    return hull((_invert(x.lower), -inf if x.upper == 0 else 1 / x.upper))


def _invert(x: float) -> float:
    return inf if x == 0 else 1 / x


def absolute(hulls: Sequence[Interval]) -> Interval:
    """The absolute value."""
    x = hulls[0]
    ends = (abs(x.lower), abs(x.upper))
    lower = 0.0 if x.lower <= 0 <= x.upper else min(ends)
    return Interval(x.integer, lower, max(ends))


def _raised(x: float, y: float) -> float:
    if x == 0 and y < 0:
        return inf
    try:
        return math.pow(x, y)
    except OverflowError:
        return inf


def power(hulls: Sequence[Interval]) -> Interval:
    """The first argument to the power of the second."""
    x, y = hulls
    sizes = absolute([x])
    corners = [_raised(a, b) for a in (sizes.lower, sizes.upper) for b in (y.lower, y.upper)]
    integer = x.integer and y.integer and y.lower >= 0
    if x.lower >= 0:
        return hull(corners, integer=integer)
    whole = y.lower == y.upper and float(y.lower).is_integer()
    if whole and y.lower % 2 == 0:
        return hull(corners, integer=integer)
    if whole and x.upper <= 0:
        return hull((-c for c in corners), integer=integer)
    if whole and y.lower > 0:
        ends = (-_raised(-x.lower, y.lower), _raised(x.upper, y.lower))
        return hull(ends, integer=integer)
    size = max(corners)
    return Interval(integer, -size, size)


def rounded(function: Callable[[float], int]) -> Range:
    """Rounding to whole numbers, which keeps the order."""

    def range_(hulls: Sequence[Interval]) -> Support:
        ends = (hulls[0].lower, hulls[0].upper)
        return hull((x if math.isinf(x) else float(function(x)) for x in ends), integer=True)

    return range_


def elementwise_max(hulls: Sequence[Interval]) -> Interval:
    """The larger of the arguments."""
    return Interval(
        all(h.integer for h in hulls), max(h.lower for h in hulls), max(h.upper for h in hulls)
    )


def elementwise_min(hulls: Sequence[Interval]) -> Interval:
    """The smaller of the arguments."""
    return Interval(
        all(h.integer for h in hulls), min(h.lower for h in hulls), min(h.upper for h in hulls)
    )


def clipped(hulls: Sequence[Interval]) -> Interval:
    """The first argument, brought between the second and the third."""
    x, low, high = hulls
    return elementwise_min([elementwise_max([x, low]), high])


def quotient_rest(hulls: Sequence[Interval]) -> Interval:
    """What a whole number of times the second argument leaves of the first."""
    x, y = hulls
    lower = 0.0 if y.lower >= 0 else y.lower
    upper = 0.0 if y.upper <= 0 else y.upper
    return Interval(x.integer and y.integer, lower, upper)


def total(hulls: Sequence[Interval]) -> Interval:
    """The sum of any number of values of one interval, or of none."""
    x = hulls[0]
    return Interval(x.integer, 0.0 if x.lower >= 0 else -inf, 0.0 if x.upper <= 0 else inf)


def counted(hulls: Sequence[Interval]) -> Interval:
    """The product of any number of values of one interval, or of none."""
    x = hulls[0]
    size = max(abs(x.lower), abs(x.upper))
    upper = 1.0 if size <= 1 else inf
    if x.lower >= 0:
        return Interval(x.integer, 1.0 if x.lower >= 1 else 0.0, upper)
    return Interval(x.integer, -upper, upper)
