"""Narrowing: a declared type that allows less than the distribution gives conditions it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from gendsl.ir import nodes as ir
from gendsl.ir.laws import depends_on_numbers_only, dequantised, traits_of
from gendsl.ir.traversal import distribution_expressions
from gendsl.semantics.supports import hull
from gendsl.types import Interval, Structured, Support

__all__ = ["Narrowing", "narrowing"]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """How the probability of the declared type is accounted for.

    Attributes:
        entry: per entry of an interval. ``none``: nothing to do. ``flat``: improper, never
            renormalised. ``half``: a symmetric density cut at its centre. ``cdf``: by the
            distribution function. ``constant``: the probability depends on nothing unknown
            and is left out, so the density is up to a constant. ``refused``: cannot be done.
        ordered: entries are identically distributed and jointly ordered: divide by 1/K!.
    """

    entry: Literal["none", "flat", "half", "cdf", "constant", "refused"]
    ordered: bool = False


def narrowing(variable: ir.Variable, distribution: ir.Distribution) -> Narrowing:
    """The narrowing of `variable`'s equation with `distribution`."""
    declared, drawn = variable.type.support, distribution.type.support
    if distribution.name == "Flat":
        return Narrowing("flat")
    if isinstance(declared, Structured) and isinstance(drawn, Interval):
        return _structured(declared, drawn, distribution)
    if isinstance(declared, Interval) and isinstance(drawn, Interval):
        if variable.lower is not None or variable.upper is not None:
            return Narrowing("cdf" if traits_of(distribution).exact_cdf else "refused")
        return Narrowing(_entry(declared, drawn, distribution))
    return Narrowing("none" if _same_kind(declared, drawn) else "refused")


def _same_kind(declared: Support, drawn: Support) -> bool:
    return type(declared) is type(drawn)


def _entry(
    declared: Interval, drawn: Interval, distribution: ir.Distribution
) -> Literal["none", "half", "cdf", "constant", "refused"]:
    law = traits_of(distribution)
    if declared.lower <= drawn.lower and drawn.upper <= declared.upper:
        return "none"
    if dequantised(declared, distribution):
        return "none"
    if distribution.parts and (law.atoms or law.event_dim):
        return "refused"
    if law.symmetric:
        loc = dict(distribution.args).get("loc")
        bounds = [b for b in (declared.lower, declared.upper) if abs(b) != inf]
        if isinstance(loc, ir.Constant) and bounds == [loc.value]:
            return "half"
    if law.exact_cdf:
        return "cdf"
    return "constant" if depends_on_numbers_only(distribution) else "refused"


def _structured(declared: Structured, drawn: Interval, distribution: ir.Distribution) -> Narrowing:
    if declared.kind == "angle":
        return Narrowing("none" if drawn == hull(declared) else "refused")
    if declared.kind != "ordered":
        return Narrowing("refused")
    identical = all(not a.type.event for a in distribution_expressions(distribution))
    entry = _entry(hull(declared), drawn, distribution)
    if identical and entry in ("none", "half", "cdf"):
        return Narrowing(entry, ordered=True)
    tied = distribution.parts and traits_of(distribution).event_dim
    known = depends_on_numbers_only(distribution) and not tied
    return Narrowing("constant" if known else "refused", ordered=False)
