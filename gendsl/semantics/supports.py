"""Facts about supports: inclusion, intersection, union, and how messages name them."""

from __future__ import annotations

from math import inf

from gendsl.ir import nodes as ir
from gendsl.library.functions.intervals import interval_of as hull
from gendsl.types import (
    BINARY,
    COUNT,
    INTEGER,
    POSITIVE,
    REAL,
    UNIT,
    Index,
    Interval,
    Structured,
    Support,
)

__all__ = [
    "entry",
    "fits",
    "found",
    "hull",
    "intersect",
    "is_discrete",
    "is_finite",
    "possible",
    "shown",
]


def is_discrete(support: Support) -> bool:
    """Whether values are whole numbers or categories."""
    return isinstance(support, Index) or (isinstance(support, Interval) and support.integer)


def is_finite(support: Support) -> bool:
    """Whether a scalar of it can take finitely many values."""
    if isinstance(support, Index):
        return True
    return (
        isinstance(support, Interval)
        and support.integer
        and support.lower > -inf
        and support.upper < inf
    )


def fits(given: Support, required: Support) -> bool:
    """Whether every value of `given` may stand where `required` is asked for.

    A value that can only touch a bound of a real interval is accepted (``abs(x)`` as a
    scale); a constant that violates a strict bound is not (``Normal(0, 0)``).
    """
    if given == required:
        return True
    match required:
        case Index():
            return False
        case Structured():
            return isinstance(given, Structured) and _implies(given, required)
        case Interval():
            if isinstance(given, Index):
                return False
            inner = hull(given)
            if required.integer and not inner.integer:
                return False
            if not required.integer and required.lower == 0 and inner.upper <= 0:
                return required.upper < inf and (inner.lower, inner.upper) == (0.0, 0.0)
            return inner.lower >= required.lower and inner.upper <= required.upper


WIDER = {("correlation", "covariance"), ("cholesky_correlation", "cholesky")}
"""Kinds of which the one is a case of the other."""


def _implies(given: Structured, required: Structured) -> bool:
    """A correlation matrix is a covariance, say; narrower bounds are within wider ones."""
    if (given.kind, required.kind) in WIDER:
        return True
    within = given.lower >= required.lower and given.upper <= required.upper
    return given.kind == required.kind and within


def possible(given: Support, claimed: Support) -> bool:
    """Whether some value of `given` is one of `claimed`, so that the claim can be checked."""
    if isinstance(given, Index) or isinstance(claimed, Index):
        return given == claimed
    a, b = hull(given), hull(claimed)
    return fits(a, b) if a.lower == a.upper else intersect(a, b) is not None


def intersect(a: Interval, b: Interval) -> Interval | None:
    """The values that both allow; None if there are none."""
    lower, upper = max(a.lower, b.lower), min(a.upper, b.upper)
    if lower > upper or (lower == upper and not (a.integer or b.integer)):
        return None
    return Interval(a.integer or b.integer, lower, upper)


def entry(support: Support, position: int, rank: int) -> Support:
    """The support of what is left when the event axis at `position` of `rank` is taken off."""
    if isinstance(support, Structured) and position >= rank - support.event_dim:
        return hull(support)
    return support


def found(expr: ir.Expr) -> str:
    """A message's second half: what is known of a value, ``it is -1``, ```x` is real``."""
    given = expr.type.support
    if isinstance(given, Interval) and given.lower == given.upper:
        return f"it is {given.lower:g}"
    if isinstance(expr, ir.Reference):
        return f"`{expr.name}` is {shown(given)}"
    return f"this is only known to be {shown(given)}"


PROSE: dict[Support, str] = {
    UNIT: "between 0 and 1",
    BINARY: "0 or 1",
    INTEGER: "a whole number",
    COUNT: "a whole number from 0 on",
}
KINDS = {
    "simplex": "a simplex (entries from 0 to 1 that sum to 1)",
    "ordered": "ordered (increasing entries)",
    "covariance": "a covariance matrix",
    "correlation": "a correlation matrix",
    "cholesky": "a Cholesky factor",
    "cholesky_correlation": "the Cholesky factor of a correlation matrix",
}


def shown(support: Support) -> str:
    """A support in prose, after "it is"."""
    if support in PROSE:
        return PROSE[support]
    if isinstance(support, Structured):
        return KINDS.get(support.kind, str(support))
    if isinstance(support, Index) or support in (REAL, POSITIVE):
        return str(support)
    low, high = support.lower, support.upper
    if low == high:
        return f"{low:g}"
    number = "a whole number " if support.integer else ""
    if low == -inf:
        return f"{number}at most {high:g}"
    if high == inf:
        return f"{number}at least {low:g}"
    return f"{number}between {low:g} and {high:g}"
