"""Facts about supports: hulls, inclusion, intersection."""

from __future__ import annotations

from math import inf

from gendsl.types import UNIT, Index, Interval, Structured, Support

__all__ = ["fits", "hull", "intersect", "is_discrete", "is_finite"]


def hull(support: Support) -> Interval:
    """The smallest interval that is known to hold every entry of a value."""
    match support:
        case Interval():
            return support
        case Index(size=size):
            count = size.value
            return Interval(integer=True, lower=0.0, upper=inf if count is None else count - 1)
        case Structured(kind="simplex"):
            return UNIT
        case Structured(kind="correlation" | "unit_vector"):
            return Interval(lower=-1.0, upper=1.0)
        case Structured(lower=lower, upper=upper):
            return Interval(lower=lower, upper=upper)


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
        case Index() | Structured():
            return isinstance(given, Structured) and _implies(given, required)
        case Interval():
            if isinstance(given, Index):
                return False
            inner = hull(given)
            if required.integer and not inner.integer:
                return False
            if not required.integer and required.lower == 0 and inner.upper <= 0:
                return required.upper < inf and inner == Interval(inner.integer, 0.0, 0.0)
            return inner.lower >= required.lower and inner.upper <= required.upper


def _implies(given: Structured, required: Support) -> bool:
    """A correlation matrix is a covariance; `angle` is a real."""
    return isinstance(required, Structured) and (given.kind, required.kind) in {
        ("correlation", "covariance"),
        ("simplex", "simplex"),
    }


def intersect(a: Interval, b: Interval) -> Interval | None:
    """The values that both allow; None if there are none."""
    lower, upper = max(a.lower, b.lower), min(a.upper, b.upper)
    if lower > upper or (lower == upper and not (a.integer or b.integer)):
        return None
    return Interval(a.integer or b.integer, lower, upper)

