"""Sizes, supports and value types: what the checker knows before any data is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

__all__ = [
    "ANY_REAL",
    "BINARY",
    "COUNT",
    "INTEGER",
    "POSITIVE",
    "REAL",
    "UNIT",
    "Index",
    "Interval",
    "Size",
    "Structured",
    "Support",
    "ValueType",
    "describe_event",
]


@dataclass(frozen=True, slots=True)
class Size:
    """A symbolic size: a polynomial over the names of axes, with integer coefficients.

    ``Size.of(3)``, ``Size.named("D")`` and their sums and products; equal when the
    polynomials are.
    """

    terms: tuple[tuple[tuple[str, ...], int], ...]

    @staticmethod
    def of(value: int) -> Size:
        """The constant `value`."""
        return Size((((), value),) if value else ())

    @staticmethod
    def named(name: str) -> Size:
        """The size of the axis `name`."""
        return Size((((name,), 1),))

    @staticmethod
    def _collect(terms: Iterable[tuple[tuple[str, ...], int]]) -> Size:
        total: dict[tuple[str, ...], int] = {}
        for names, coefficient in terms:
            total[names] = total.get(names, 0) + coefficient
        return Size(tuple(sorted((n, c) for n, c in total.items() if c)))

    def __add__(self, other: Size) -> Size:
        """The sum of two sizes."""
        return Size._collect((*self.terms, *other.terms))

    def __mul__(self, other: Size) -> Size:
        """The product of two sizes."""
        return Size._collect(
            (tuple(sorted((*a, *b))), c * d) for a, c in self.terms for b, d in other.terms
        )

    @property
    def value(self) -> int | None:
        """The number, when no name is left in it."""
        if not self.terms:
            return 0
        (names, coefficient), *rest = self.terms
        return coefficient if not names and not rest else None

    @property
    def name(self) -> str | None:
        """The axis, when the size is just one."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) == 1:
            return self.terms[0][0][0]
        return None

    @property
    def names(self) -> frozenset[str]:
        """The axes that the size depends on."""
        return frozenset(n for names, _ in self.terms for n in names)

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """The number, given the size of every axis in it.

        Raises:
            KeyError: a size is not known.
        """
        total = 0
        for names, coefficient in self.terms:
            product = coefficient
            for name in names:
                product *= sizes[name]
            total += product
        return total

    def __str__(self) -> str:
        """As the language writes it."""
        if not self.terms:
            return "0"
        parts = []
        for names, coefficient in sorted(self.terms, key=lambda t: (not t[0], t[0])):
            factor = [] if abs(coefficient) == 1 and names else [str(abs(coefficient))]
            body = " * ".join([*factor, *names])
            sign = "-" if coefficient < 0 else "+"
            parts.append((sign, body))
        first = ("-" if parts[0][0] == "-" else "") + parts[0][1]
        return first + "".join(f" {sign} {body}" for sign, body in parts[1:])


@dataclass(frozen=True, slots=True)
class Interval:
    """Real or whole numbers between bounds.

    Bounds are inclusive, except that a real interval from 0 to infinity excludes 0 (it is
    `positive`). Where a bound depends on other quantities the interval is its static hull and
    the declaration keeps the expressions.
    """

    integer: bool = False
    lower: float = -inf
    upper: float = inf

    def __str__(self) -> str:
        """The name the language has for it."""
        named = _INTERVAL_NAMES.get(self)
        if named is not None:
            return named
        kind = "integer" if self.integer else "real"
        return f"{kind}({self.lower:g}, {self.upper:g})"


@dataclass(frozen=True, slots=True)
class Index:
    """One of `size` categories, from 0; where `size` is an axis, a member of it. Nominal."""

    size: Size

    def __str__(self) -> str:
        """As the language writes it."""
        return f"index({self.size})"


@dataclass(frozen=True, slots=True)
class Structured:
    """A support of whole vectors or matrices (or an angle): `kind` is the language's word.

    ``event_dim`` last event axes belong to it: ordered, simplex, zero_sum, unit_vector have
    one, covariance, correlation and their Cholesky factors two, angle none.
    """

    kind: str
    lower: float = -inf
    upper: float = inf

    @property
    def event_dim(self) -> int:
        """How many of the last event axes the support ties together."""
        return STRUCTURED_EVENT_DIM[self.kind]

    def __str__(self) -> str:
        """The language's word."""
        if self.lower == -inf and self.upper == inf:
            return self.kind
        return f"{self.kind}({self.lower:g}, {self.upper:g})"


STRUCTURED_EVENT_DIM = {
    "angle": 0,
    "simplex": 1,
    "ordered": 1,
    "zero_sum": 1,
    "unit_vector": 1,
    "covariance": 2,
    "correlation": 2,
    "cholesky": 2,
    "cholesky_correlation": 2,
}

Support = Interval | Index | Structured

REAL = Interval()
ANY_REAL = REAL
POSITIVE = Interval(lower=0.0)
UNIT = Interval(lower=0.0, upper=1.0)
INTEGER = Interval(integer=True)
COUNT = Interval(integer=True, lower=0.0)
BINARY = Interval(integer=True, lower=0.0, upper=1.0)

_INTERVAL_NAMES = {
    REAL: "real",
    POSITIVE: "positive",
    UNIT: "unit",
    INTEGER: "integer",
    COUNT: "count",
    BINARY: "binary",
}


@dataclass(frozen=True, slots=True)
class ValueType:
    """The type of an expression: *(set of plates, event shape, support)*."""

    plates: frozenset[str] = frozenset()
    event: tuple[Size, ...] = ()
    support: Support = REAL

    def __str__(self) -> str:
        """For messages: ``real[D] over house``."""
        over = f" over {', '.join(sorted(self.plates))}" if self.plates else ""
        return f"{self.support}{describe_event(self.event)}{over}"


def describe_event(event: tuple[Size, ...]) -> str:
    """An event shape as the language writes it; empty for a scalar."""
    return f"[{', '.join(map(str, event))}]" if event else ""
