"""Types as the text writes them: type expressions to `ValueType`."""

from __future__ import annotations

from math import inf

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.semantics.aliases import type_remedy
from gendsl.semantics.axes import size_of, verify_size
from gendsl.semantics.context import Context, Declared
from gendsl.semantics.plates import verify_plates
from gendsl.semantics.supports import hull
from gendsl.syntax import ast
from gendsl.types import (
    BINARY,
    COUNT,
    INTEGER,
    POSITIVE,
    REAL,
    STRUCTURED_EVENT_DIM,
    UNIT,
    Index,
    Interval,
    Size,
    Structured,
    Support,
    ValueType,
    describe_event,
)

__all__ = ["TYPE_WORDS", "declared_type", "value_type"]

PLAIN = {
    "real": REAL,
    "positive": POSITIVE,
    "unit": UNIT,
    "integer": INTEGER,
    "count": COUNT,
    "binary": BINARY,
}
BOUNDED = {"real", "integer", "ordered"}
SQUARE = {"covariance", "correlation", "cholesky", "cholesky_correlation"}
TYPE_WORDS = (*PLAIN, "index", *(k for k in STRUCTURED_EVENT_DIM if k != "cholesky"))
"""Every word that may start a type."""

LEARNED_WORDS = ("cholesky",)
"""Further ones for the values of nets: a factor is learned, of anything else the matrix."""


def _bound(ctx: Context, expr: ast.Expr) -> tuple[float | None, ir.Expr | None]:
    """A bound as a number, or as an expression that depends on other quantities."""
    match expr:
        case ast.Name(id="inf"):
            return inf, None
        case ast.Unary(op="-", operand=ast.Name(id="inf")):
            return -inf, None
    typed = ctx.typed(ctx, expr)
    if isinstance(typed.type.support, Index):
        raise ctx.report.error(
            "GD202", f"a bound is a number, but this is {typed.type.support}", expr.span
        )
    known = hull(typed.type.support)
    if known.lower == known.upper:
        return known.lower, None
    return None, typed


def _interval(
    ctx: Context, type_: ast.NamedType, *, integer: bool
) -> tuple[Interval, ir.Expr | None, ir.Expr | None]:
    lower, low = _bound(ctx, type_.arguments[0])
    upper, high = _bound(ctx, type_.arguments[1])
    least = lower if low is None else hull(low.type.support).lower
    most = upper if high is None else hull(high.type.support).upper
    assert least is not None
    assert most is not None
    if least >= most:
        raise ctx.report.error(
            "GD201",
            f"this type has no values: its lower bound {least:g} is not below its upper bound "
            f"{most:g}",
            type_.span,
            help="write the smaller bound first" if least > most else None,
        )
    whole = all(abs(b) == inf or float(b).is_integer() for b in (least, most))
    if integer and not whole:
        raise ctx.report.error(
            "GD201", "the bounds of whole numbers are whole numbers", type_.span
        )
    return Interval(integer, least, most), low, high


def _check_word(ctx: Context, type_: ast.NamedType, *, learned: bool) -> None:
    word = type_.name.id
    if word not in TYPE_WORDS and not (learned and word in LEARNED_WORDS):
        remedy = type_remedy(word) or ctx.scope.suggestion(word, TYPE_WORDS)
        raise ctx.report.error(
            "GD104",
            f"no type is called `{word}`",
            type_.name.span,
            help=remedy or f"the types are {', '.join(TYPE_WORDS)}",
        )
    given = len(type_.arguments)
    if word == "index" and given != 1:
        rule = "`index` takes the number of categories, or a plate"
        remedy = "write `index(5)`, or `index(county)` for a member of the plate `county`"
    elif word in BOUNDED and given not in (0, 2):
        rule = f"`{word}` takes a lower and an upper bound, but {given} is given"
        remedy = f"write `{word}(0, 1)`; `inf` stands for no bound"
    elif word not in BOUNDED and word != "index" and given:
        rule = f"`{word}` takes no bounds"
        remedy = f"a size stands in square brackets: `{word}[K]`"
        if word in PLAIN:
            whole = PLAIN[word].integer
            remedy = f"write the bounds on `{'integer' if whole else 'real'}(lower, upper)`"
    else:
        return
    raise ctx.report.error("GD202", rule, type_.span, help=remedy)


def _structured(
    ctx: Context, type_: ast.NamedType, event: tuple[Size, ...]
) -> tuple[Support, tuple[Size, ...]]:
    word = type_.name.id
    support = Structured(word)
    if word == "ordered" and type_.arguments:
        interval, low, high = _interval(ctx, type_, integer=False)
        if low is not None or high is not None:
            raise ctx.report.error("GD202", "the bounds of `ordered` are numbers", type_.span)
        support = Structured("ordered", interval.lower, interval.upper)
    if word in SQUARE:
        if len(event) != 1:
            raise ctx.report.error(
                "GD203",
                f"`{word}` takes one size, that of its rows and columns",
                type_.span,
                help=f"write `{word}[D]`; for several matrices declare a plate",
            )
        return support, (event[0], event[0])
    if len(event) < support.event_dim:
        raise ctx.report.error(
            "GD203",
            f"`{word}` needs a size: how many entries it has",
            type_.span,
            help=f"write `{word}[K]` with `dim K`, a plate, or a number",
        )
    return support, event


def value_type(
    ctx: Context, type_: ast.NamedType, *, learned: bool = False
) -> tuple[ValueType, ir.Expr | None, ir.Expr | None]:
    """The event shape and support of a type, with bounds that are expressions.

    With `learned` it is that of a value of a net.
    """
    _check_word(ctx, type_, learned=learned)
    word = type_.name.id
    event = tuple(size_of(ctx, s) for s in type_.shape)
    for size, expr in zip(event, type_.shape, strict=True):
        verify_size(ctx, size, expr)
    low: ir.Expr | None = None
    high: ir.Expr | None = None
    support: Support
    if word == "index":
        size = size_of(ctx, type_.arguments[0])
        verify_size(ctx, size, type_.arguments[0])
        support = Index(size)
    elif word in PLAIN:
        support = PLAIN[word]
        if type_.arguments:
            support, low, high = _interval(ctx, type_, integer=word == "integer")
    else:
        support, event = _structured(ctx, type_, event)
    for bound in (low, high):
        if bound is not None and bound.type.event and not ctx.agree(bound.type.event, event):
            raise ctx.report.error(
                "GD202",
                f"a bound is a scalar, or has the shape of the value, "
                f"{describe_event(event) or 'which is a scalar'}; this one is "
                f"{describe_event(bound.type.event)}",
                bound.span,
            )
    return ValueType(frozenset(), event, support), low, high


def declared_type(
    ctx: Context,
    name: str,
    type_: ast.TypeExpr | None,
    axes: tuple[str, ...],
    *,
    missing_ok: bool,
) -> Declared:
    """The declared type of the value `name` over `axes`; type None if it was left out."""
    if type_ is None:
        return Declared(axes, None)
    if not isinstance(type_, ast.NamedType):
        raise ctx.report.error(
            "GD204",
            "a value has one type; tuples and records belong to nets",
            type_.span,
            help="declare one variable for each entry",
        )
    if type_.optional and not missing_ok:
        raise ctx.report.error(
            "GD205",
            "`?` (values may be missing) stands on `observe` only",
            type_.span,
            labels=(Label(type_.name.span, "this value must be known"),),
            help="declare the variable with `observe` and give it a distribution",
        )
    value, low, high = value_type(ctx, type_)
    typed = ValueType(frozenset(axes), value.event, value.support)
    for bound in (low, high):
        if bound is not None:
            verify_plates(ctx, bound, frozenset(axes), name)
    return Declared(axes, typed, claimed=True, optional=type_.optional, lower=low, upper=high)
