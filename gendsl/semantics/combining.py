"""The type of a variable that is drawn: what its declared type and its distributions allow."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.laws import traits_of
from gendsl.semantics.context import Context, Declared
from gendsl.semantics.report import Poisoned
from gendsl.semantics.scope import Declaration
from gendsl.semantics.supports import hull, intersect, shown
from gendsl.types import REAL, Index, Interval, Structured, Support, ValueType

__all__ = ["drawn_type"]


def drawn_type(
    ctx: Context,
    declaration: Declaration,
    declared: Declared,
    dist: ir.Distribution,
    before: ValueType | None,
) -> ValueType:
    """The type of a variable after an equation: what it and those `before` it allow."""
    plates = frozenset(declared.axes)
    drawn = dist.type.support
    support: Support | None = drawn
    if declared.claimed and declared.type is not None:
        support = declared.type.support
        whole = isinstance(support, Interval) and support.integer
        if not (dist.maps and whole and declaration.keyword == "observe"):  # else dequantised
            support = _allowed(ctx, declared.type.support, drawn, dist)
        if support is None:
            raise _contradiction(ctx, declaration, declared.type.support, dist)
    assert support is not None
    if not declared.claimed:
        _verify_axes_once(ctx, declaration, declared, dist)
    if before is not None:
        joint = _either(ctx, before.support, support)
        if joint is None:
            raise ctx.report.error(
                "GD215",
                f"the equations of `{declaration.name}` give it different types: "
                f"{before.support} and {support}",
                dist.span,
                labels=(Label(declaration.first.target.span, "the first one"),),
            )
        support = joint
    return ValueType(plates, dist.type.event, support)


def _verify_axes_once(
    ctx: Context, declaration: Declaration, declared: Declared, dist: ir.Distribution
) -> None:
    """Refuse a plate that comes again from the distribution: a vector of all its members."""
    independent = dist.type.event[: len(dist.type.event) - traits_of(dist).event_dim]
    twice = next((s.name for s in independent if s.name in declared.axes), None)
    if twice is None:
        return
    args = (a for _, a in dist.args)
    cause = next((a for a in args if any(s.name == twice for s in a.type.event)), None)
    shown_name = cause.name if isinstance(cause, ir.Reference) else "..."
    raise ctx.report.error(
        "GD323",
        f"`{declaration.name}` would have the axis `{twice}` twice: as its plate, and from its "
        "distribution",
        cause.span if cause is not None else dist.span,
        labels=ctx.label(cause, f"`{shown_name}` is {cause.type}") if cause is not None else (),
        help=f"take each member's own entry: `{shown_name}[{twice}]`",
    )


def _contradiction(
    ctx: Context, declaration: Declaration, support: Support, dist: ir.Distribution
) -> Poisoned:
    return ctx.report.error(
        "GD403",
        f"`{declaration.name}` is declared {support}, but a draw of {dist.name} is "
        f"{shown(dist.type.support)}",
        dist.span,
        labels=(Label(declaration.first.target.name.span, "declared here"),),
        help="choose a distribution on that type, or change the type",
    )


def _either(ctx: Context, a: Support, b: Support) -> Support | None:
    """The values that one of two equations allows."""
    if isinstance(a, Interval) and isinstance(b, Interval):
        return Interval(a.integer and b.integer, min(a.lower, b.lower), max(a.upper, b.upper))
    if isinstance(a, Index) and isinstance(b, Index):
        return a if ctx.sizes.agree(a.size, b.size) else None
    return a if a == b else None


def _allowed(
    ctx: Context, declared: Support, drawn: Support, dist: ir.Distribution
) -> Support | None:
    """The values of the declared type that the distribution can give; None for none."""
    if dist.name == "Flat":
        return declared
    match declared, drawn:
        case Index(size=a), Index(size=b):
            return declared if ctx.sizes.agree(a, b) else None
        case Interval(), Interval():
            return _interval(ctx, declared, drawn, dist)
        case Structured(), Structured():
            return declared if declared.kind == drawn.kind else None
        case Structured(), Interval():
            return _structured(declared, drawn)
        case Interval(), Structured():
            if declared.integer:
                return None
            return drawn if declared in (REAL, hull(drawn)) else None
        case _:
            return None


def _interval(
    ctx: Context, declared: Interval, drawn: Interval, dist: ir.Distribution
) -> Support | None:
    if declared.integer and not drawn.integer:
        raise ctx.report.error(
            "GD906",
            "rounding (a discrete type over a continuous distribution) is part of the "
            "language, but this version cannot run it yet",
            dist.span,
            help="observe the value as `real`, or use a discrete distribution",
        )
    if drawn.integer and not declared.integer:
        whole = declared.lower <= drawn.lower and drawn.upper <= declared.upper
        return drawn if whole else None
    return intersect(declared, drawn)


def _structured(declared: Structured, drawn: Interval) -> Support | None:
    if declared.kind == "ordered":
        both = intersect(hull(declared), drawn)
        return both and Structured("ordered", both.lower, both.upper)
    if declared.kind in ("zero_sum", "unit_vector", "angle") and drawn == REAL:
        return declared
    return None
