"""Values against the support that is declared for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isinf, pi
from typing import Any, assert_never

import numpy as np

from gendsl.ir.nodes import Variable
from gendsl.runtime.data.entries import Array, Entry, Findings, offenders, show
from gendsl.types import BINARY, Index, Interval, Structured, Support

__all__ = ["check_values", "placeholder"]

TOLERANCE = 1e-6
"""How far a simplex may be from 1, a matrix from symmetry, and the like."""

EXACT = 2.0**53
"""Whole numbers from here on are not all exact as floats."""

WORDS = {
    "positive": "positive (greater than 0)",
    "unit": "unit (from 0 to 1)",
    "integer": "an integer (a whole number)",
    "count": "a count (0, 1, 2, ...)",
    "binary": "binary (0 or 1)",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold.

    Attributes:
        code: of the error.
        broken: true where it does not, over the axes before the tied ones.
        expected: the rule in words.
        measure: what is shown of an offender instead of its value.
    """

    code: str
    broken: Array | np.bool_
    expected: str
    measure: Callable[[Array], str] | None = None


def _tied_by(support: Support) -> int:
    return support.event_dim if isinstance(support, Structured) else 0


def placeholder(support: Support, shape: tuple[int, ...]) -> Array:
    """A legal value, of the shape of the tied axes, to stand where none is known."""
    match support:
        case Interval():
            return np.full(shape, _within(support))
        case Index():
            return np.zeros(shape)
        case Structured():
            return _structured_placeholder(support, shape)
        case _:
            assert_never(support)


def _within(interval: Interval) -> float:
    low, high = interval.lower, interval.upper
    if isinf(low) and isinf(high):
        return 0.0
    if isinf(low) or isinf(high):
        bound, step = (high, -1.0) if isinf(low) else (low, 1.0)
        return bound if interval.integer else bound + step
    return float(np.ceil(low)) if interval.integer else (low + high) / 2


def _structured_placeholder(support: Structured, shape: tuple[int, ...]) -> Array:
    n = shape[-1] if shape else 1
    match support.kind:
        case "simplex":
            return np.full(shape, 1 / max(n, 1))
        case "unit_vector":
            return np.full(shape, n**-0.5 if n else 0.0)
        case "covariance" | "correlation" | "cholesky" | "cholesky_correlation":
            return np.eye(n)
        case "ordered":
            low, high = support.lower, support.upper
            low = low if not isinf(low) else (high - n - 1 if not isinf(high) else 0.0)
            high = high if not isinf(high) else low + n + 1
            return low + (high - low) * (np.arange(n) + 1) / (n + 1)
    return np.zeros(shape)


def check_values(
    variable: Variable, entry: Entry, values: Array, present: Array, found: Findings
) -> bool:
    """Whether every value that is present is legal; the first rule broken is told.

    Args:
        variable: whose declaration the values must meet.
        entry: where they come from.
        values: in the natural layout, as floats; anything where they are not present.
        present: over the axes before the tied ones.
        found: told of the values that break a rule.
    """
    free = values.ndim - _tied_by(variable.type.support)
    present = present.reshape(present.shape + (1,) * (free - present.ndim))
    present = np.broadcast_to(present, values.shape[:free])
    with np.errstate(all="ignore"):
        rules = _rules(variable.type.support, values)
    for rule in rules:
        bad = np.asarray(rule.broken & present)
        if bad.any():
            _tell(variable, entry, values, bad, rule, int(present.sum()), found)
            return False
    return True


def _rules(support: Support, values: Array) -> list[Rule]:
    tied = _tied_by(support)
    infinite = np.isinf(values).any(axis=tuple(range(values.ndim - tied, values.ndim)))
    rules = [Rule("GD733", infinite, "finite")]
    match support:
        case Interval():
            return rules + _interval_rules(support, values)
        case Index():
            return rules
        case Structured():
            if infinite.any():
                return rules
            return rules + _structured_rules(support, values)
        case _:
            assert_never(support)


def _interval_rules(support: Interval, values: Array) -> list[Rule]:
    rules = []
    outside: Any = (values < support.lower) | (values > support.upper)
    if support.integer:
        rules.append(Rule("GD731", np.abs(values) >= EXACT, "less than 2^53 to be exact"))
        outside = outside | (values != np.floor(values))
    elif support.lower == 0 and isinf(support.upper):
        # The one open bound: a real interval from 0 to infinity is `positive`.
        outside = outside | (values == 0)
    name = str(support)
    return [*rules, Rule("GD730", outside, WORDS.get(name, name))]


def _structured_rules(support: Structured, values: Array) -> list[Rule]:
    kind = support.kind
    if kind == "angle":
        outside = np.abs(values) > 2 * pi + TOLERANCE
        return [Rule("GD734", outside, "an angle in radians, from -2π to 2π")]
    if kind == "simplex":
        sums = values.sum(-1)
        return [
            Rule("GD734", (values < 0).any(-1), "a simplex, 0 or more in each entry"),
            Rule("GD734", np.abs(sums - 1) > TOLERANCE, "a simplex, adding up to 1", _sum),
        ]
    if kind == "zero_sum":
        off_zero = np.abs(values.sum(-1)) > TOLERANCE * (1 + np.abs(values).sum(-1))
        return [Rule("GD734", off_zero, "zero_sum, adding up to 0", _sum)]
    if kind == "unit_vector":
        off_unit = np.abs((values**2).sum(-1) ** 0.5 - 1) > TOLERANCE
        return [Rule("GD734", off_unit, "a unit_vector, of length 1", _length)]
    if kind == "ordered":
        beyond = ((values < support.lower) | (values > support.upper)).any(-1)
        return [
            Rule("GD734", (np.diff(values, axis=-1) <= 0).any(-1), "ordered, increasing"),
            Rule("GD730", beyond, str(support)),
        ]
    return _matrix_rules(kind, values)


def _matrix_rules(kind: str, values: Array) -> list[Rule]:
    diagonal = np.diagonal(values, axis1=-2, axis2=-1)
    if kind.startswith("cholesky"):
        upper = np.abs(np.triu(values, 1)).max((-2, -1), initial=0) > 0
        uneven = (np.abs((values**2).sum(-1) - 1) > TOLERANCE).any(-1)
        return [
            Rule("GD734", upper, f"{kind}, with zeros above the diagonal"),
            Rule("GD734", (diagonal <= 0).any(-1), f"{kind}, positive on the diagonal"),
            *([Rule("GD734", uneven, f"{kind}, each row of length 1")] * (kind != "cholesky")),
        ]
    scale = np.abs(values).max((-2, -1), initial=0)
    skew = np.abs(values - np.swapaxes(values, -1, -2)).max((-2, -1), initial=0)
    rules = [Rule("GD734", skew > TOLERANCE * scale, f"a {kind}, symmetric")]
    if kind == "correlation":
        uneven = (np.abs(diagonal - 1) > TOLERANCE).any(-1)
        rules.append(Rule("GD734", uneven, "a correlation, with ones on the diagonal"))
    smallest = np.linalg.eigvalsh(values / 2 + np.swapaxes(values, -1, -2) / 2)
    smallest = smallest.min(-1, initial=np.inf)
    return [*rules, Rule("GD734", smallest <= 0, f"a {kind}, positive definite", _eigenvalue)]


def _sum(value: Array) -> str:
    return f"adds up to {value.sum():.6g}"


def _length(value: Array) -> str:
    return f"has the length {(value**2).sum() ** 0.5:.6g}"


def _eigenvalue(value: Array) -> str:
    return f"has the eigenvalue {np.linalg.eigvalsh(value)[0]:.6g}"


def _tell(
    variable: Variable,
    entry: Entry,
    values: Array,
    bad: Array,
    rule: Rule,
    total: int,
    found: Findings,
) -> None:
    def tell(position: tuple[int, ...]) -> str:
        value = values[position]
        if rule.measure is not None:
            return rule.measure(value)
        return f"is {show(value) if np.ndim(value) == 0 else _short(value)}"

    count = int(bad.sum())
    how_many = f"{count} of {total} values are not" if total > 1 else "it is not"
    remedy = _grey(variable, values, bad)
    if rule.code == "GD733":
        remedy = "if it stands for a value that is unknown, make it NaN and declare `?`"
    found.error(
        rule.code,
        f"`{variable.name}` ({entry.origin}) must be {rule.expected}, but {how_many}: "
        f"{offenders(entry, variable.name, bad, tell)}",
        variable,
        remedy,
    )


def _grey(variable: Variable, values: Array, bad: Array) -> str | None:
    """A remedy for grey values that are given as binary data."""
    wrong = values[bad] if bad.shape == values.shape else values[:0]
    if variable.type.support != BINARY or variable.role != "observed" or not wrong.size:
        return None
    name = variable.name
    if ((wrong > 0) & (wrong < 1)).all():
        return (
            "grey values are drawn anew as binary ones for every batch by "
            f"`gendsl.Binarised({name})` (in `svi`), or cut once: `{name} > 0.5`"
        )
    if 100 < wrong.max() < 256 and (wrong > 0).all():
        return (
            "if these are grey values from 0 to 255, divide them: "
            f"`gendsl.Binarised({name} / 255)` (in `svi`), or cut them: `{name} > 127`"
        )
    return None


def _short(value: Array) -> str:
    return np.array2string(value, threshold=6, precision=4, separator=", ").replace("\n", "")
